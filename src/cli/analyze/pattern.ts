import { Option } from 'commander';
import { groupedBy } from '../../core/grouped.ts';
import {
  PATTERN_SUMMARY,
  DEFAULT_PATTERN,
  PATTERNS,
  type PatternOf,
  pattern,
} from '../../queries/analyze/pattern.ts';
import type { PatternPart } from '../../queries/rows.ts';
import { bucketZoneOption } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { barLines, heatLines } from '../output/plot.ts';
import { onDatabase } from '../read-command.ts';
import type { Column } from '../output/table.ts';
import { type AnalyzeOptions, METRIC_OPTION, chosenOf, fields, show, withAnalyzeOptions } from './options.ts';

interface Options extends AnalyzeOptions {
  readonly metric: string;
  readonly of: PatternOf;
  readonly tz: string;
  readonly bySensor?: boolean;
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const dayName = (weekday: number | null): string => DAYS[(weekday ?? 0) - 1] ?? '';
const hourName = (hour: number | null): string => `${String(hour ?? 0).padStart(2, '0')}:00`;

const WEEKDAY: Column<PatternPart> = {
  title: 'weekday',
  value: ({ weekday }) => weekday,
  format: (_, { weekday }) => dayName(weekday),
};
const HOUR: Column<PatternPart> = { title: 'hour', value: ({ hour }) => hour };
const WHEN: Readonly<Record<PatternOf, readonly Column<PatternPart>[]>> = {
  hour: [HOUR],
  weekday: [WEEKDAY],
  week: [WEEKDAY, HOUR],
};

/** `fieldwatch analyze pattern`. */
export const patternCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'pattern',
      PATTERN_SUMMARY,
      'fieldwatch analyze pattern --metric temperature --tz Europe/Berlin --since 30d --plot\n' +
        'fieldwatch analyze pattern --metric co2 --of week --tz Europe/Berlin --plot',
    ),
    '28d',
    'bars, or shades of a week',
  )
    .option(...METRIC_OPTION)
    .addOption(
      new Option('--of <what>', 'hours of a day, days of a week, or hours of a week')
        .choices(PATTERNS)
        .default(DEFAULT_PATTERN),
    )
    .addOption(bucketZoneOption())
    .option('--by-sensor', 'of each sensor by itself')
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric, of, tz: zone, bySensor = false } = options;
        const rows = await pattern(db, { ...chosenOf(options), metric, of, zone, bySensor });
        const who = bySensor ? fields<PatternPart>('sensor') : [];
        const figures = fields<PatternPart>('mean', 'std', 'min', 'median', 'max', 'count', 'days');
        show(cli, [...who, ...WHEN[of], ...figures], rows, options, plotOf(of));
        return 0;
      }),
    );

const plotOf =
  (of: PatternOf) =>
  (rows: readonly PatternPart[], width: number): readonly string[] =>
    [...groupedBy(rows, ({ sensor }) => sensor ?? '')].flatMap(([sensor, own]) => [
      ...(sensor === '' ? [] : [sensor]),
      ...(of === 'week'
        ? week(own)
        : barLines(
            own.map((row) => ({ label: labelOf(of, row), value: row.mean })),
            width,
          )),
      '',
    ]);

const labelOf = (of: PatternOf, { weekday, hour }: PatternPart): string =>
  of === 'hour' ? hourName(hour) : dayName(weekday);

function week(rows: readonly PatternPart[]): readonly string[] {
  const found = new Map(rows.map(({ weekday, hour, mean }) => [`${weekday} ${hour}`, mean]));
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  return heatLines({
    rows: DAYS,
    columns: hours.map((hour) => String(hour).padStart(2, '0')),
    values: DAYS.map((_, day) => hours.map((hour) => found.get(`${day + 1} ${hour}`))),
    cell: 3,
  });
}
