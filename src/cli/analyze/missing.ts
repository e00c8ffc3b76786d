import { type DayRow, type GapRow, type MissingRow, missing } from '../../queries/analyze/missing.ts';
import { numeric, bucketZoneOption } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { formatSeconds } from '../output/format.ts';
import { heatLines } from '../output/plot.ts';
import { onDatabase } from '../read-command.ts';
import type { Column } from '../output/table.ts';
import { type AnalyzeOptions, fields, pastOf, show, withAnalyzeOptions } from './options.ts';

interface Options extends AnalyzeOptions {
  readonly metric?: string;
  readonly factor: number;
  readonly tz: string;
  readonly gaps?: boolean;
  readonly days?: boolean;
}

const percent = (value: unknown): string =>
  typeof value === 'number' ? `${(value * 100).toFixed(1)} %` : '-';
const duration = (value: unknown): string => (typeof value === 'number' ? formatSeconds(value) : '-');

const SENSORS: readonly Column<MissingRow>[] = [
  ...fields<MissingRow>('sensor', 'location'),
  { title: 'every', value: ({ rhythmS }) => rhythmS, format: duration },
  { title: 'readings', value: ({ readings }) => readings },
  { title: 'expected', value: ({ expected }) => (expected === null ? null : Math.round(expected)) },
  { title: 'share', value: ({ share }) => share, format: percent },
  { title: 'gaps', value: ({ gaps }) => gaps.length },
  { title: 'missing', value: ({ missingS }) => missingS, format: duration },
  {
    title: 'longest',
    value: ({ gaps }) => Math.max(0, ...gaps.map(({ seconds }) => seconds)),
    format: duration,
  },
];
const GAPS: readonly Column<GapRow>[] = [
  ...fields<GapRow>('sensor', 'from', 'to'),
  { title: 'lasts', value: ({ seconds }) => seconds, format: duration },
  { title: 'missing', value: (row) => row.missing },
  { title: 'open', value: ({ open }) => open, format: (open) => (open === true ? 'yes' : '-') },
];
const DAYS: readonly Column<DayRow>[] = [
  ...fields<DayRow>('day', 'sensor', 'readings'),
  { title: 'expected', value: ({ expected }) => (expected === null ? null : Math.round(expected)) },
  { title: 'share', value: ({ share }) => share, format: percent },
];

/** `fieldwatch analyze missing`. */
export const missingCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'missing',
      "gaps longer than the sensor's own rhythm, and the share that is there",
      'fieldwatch analyze missing --since 7d\nfieldwatch analyze missing --sensor coldroom-07 --gaps\nfieldwatch analyze missing --days --tz Europe/Berlin --plot',
    ),
    '7d',
    'the share of each day in shades',
  )
    .option('--metric <name>', 'values of this metric (default: readings, whatever they have)')
    .option('--factor <n>', 'a gap is longer than so many usual steps', numeric(1, 1e6, false), 3)
    .option('--gaps', 'each gap')
    .option('--days', 'the share of each day')
    .addOption(bucketZoneOption())
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric, factor, tz: zone } = options;
        const rows = await missing(db, { ...pastOf(options), metric, factor, zone });
        if (options.gaps === true)
          show(
            cli,
            GAPS,
            rows.flatMap(({ gaps }) => gaps),
            { ...options, plot: false },
          );
        else if (options.days === true && options.plot !== true)
          show(
            cli,
            DAYS,
            rows.flatMap(({ days }) => days),
            options,
          );
        else show(cli, SENSORS, rows, options, plot);
        return 0;
      }),
    );

const plot = (rows: readonly MissingRow[]): readonly string[] => {
  const days = rows[0]?.days.map(({ day }) => day) ?? [];
  const cell = days.length > 31 ? 1 : 3;
  return heatLines({
    rows: rows.map(({ sensor }) => sensor),
    columns: days.map((day) => (cell === 1 ? '' : day.slice(8))),
    values: rows.map((row) => row.days.map(({ share }) => share)),
    // The full shade is for what is whole.
    extent: { least: 0, most: 1.25 },
    legend: '· nothing  ▒ a half  █ all',
    cell,
  });
};
