import { groupedBy } from '../../core/grouped.ts';
import { DESCRIBE_SUMMARY, describe } from '../../queries/analyze/describe.ts';
import type { Description } from '../../queries/rows.ts';
import { repeated } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { boxLines } from '../output/plot.ts';
import { onDatabase } from '../read-command.ts';
import {
  type AnalyzeOptions,
  METRICS_OPTION,
  chosenOf,
  fields,
  show,
  withAnalyzeOptions,
} from './options.ts';

interface Options extends AnalyzeOptions {
  readonly metric?: readonly string[];
  readonly bySensor?: boolean;
}

const FIGURES = fields<Description>('unit', 'count', 'mean', 'std', 'min', 'p25', 'p50', 'p75', 'max');

/** `fieldwatch analyze describe`. */
export const describeCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'describe',
      DESCRIBE_SUMMARY,
      'fieldwatch analyze describe --location coldroom --since 30d --by-sensor',
    ),
    '7d',
    'extremes and quartiles as boxes',
  )
    .option(...METRICS_OPTION, repeated)
    .option('--by-sensor', 'of each sensor by itself')
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric: metrics, bySensor = false } = options;
        const rows = await describe(db, { ...chosenOf(options), metrics, bySensor });
        const who = bySensor
          ? fields<Description>('sensor', 'metric')
          : fields<Description>('metric', 'sensors');
        show(cli, [...who, ...FIGURES], rows, options, plot);
        return 0;
      }),
    );

/** The boxes of a metric on one scale. */
const plot = (rows: readonly Description[], width: number): readonly string[] =>
  [...groupedBy(rows, ({ metric }) => metric)].flatMap(([metric, own]) => [
    `${metric} ${own[0]?.unit ?? ''}`.trimEnd(),
    ...boxLines(
      own.map((row) => ({ ...row, label: row.sensor ?? '' })),
      width,
    ),
    '',
  ]);
