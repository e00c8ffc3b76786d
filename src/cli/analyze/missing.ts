import { MISSING_SUMMARY, DEFAULT_FACTOR, missing } from '../../queries/analyze/missing.ts';
import type { Gap, SensorPresence } from '../../queries/rows.ts';
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

type Day = SensorPresence['days'][number];
type OfSensor<Row> = Row & { readonly sensor: string };
/** Gaps and days name their sensor: they are rows, too. */
type Presence = SensorPresence & {
  readonly gaps: readonly OfSensor<Gap>[];
  readonly days: readonly OfSensor<Day>[];
};

const presenceOf = ({ sensor, gaps, days, ...row }: SensorPresence): Presence => ({
  ...{ sensor, ...row },
  gaps: gaps.map((gap) => ({ sensor, ...gap })),
  days: days.map((day) => ({ sensor, ...day })),
});

const percent = (value: unknown): string =>
  typeof value === 'number' ? `${(value * 100).toFixed(1)} %` : '-';
const duration = (value: unknown): string => (typeof value === 'number' ? formatSeconds(value) : '-');

const SENSORS: readonly Column<Presence>[] = [
  ...fields<Presence>('sensor', 'location'),
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
const GAPS: readonly Column<OfSensor<Gap>>[] = [
  ...fields<OfSensor<Gap>>('sensor', 'from', 'to'),
  { title: 'lasts', value: ({ seconds }) => seconds, format: duration },
  { title: 'missing', value: (row) => row.missing },
  { title: 'open', value: ({ open }) => open, format: (open) => (open === true ? 'yes' : '-') },
];
const DAYS: readonly Column<OfSensor<Day>>[] = [
  ...fields<OfSensor<Day>>('day', 'sensor', 'readings'),
  { title: 'expected', value: ({ expected }) => (expected === null ? null : Math.round(expected)) },
  { title: 'share', value: ({ share }) => share, format: percent },
];

/** `fieldwatch analyze missing`. */
export const missingCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'missing',
      MISSING_SUMMARY,
      'fieldwatch analyze missing --since 7d\nfieldwatch analyze missing --sensor coldroom-07 --gaps\nfieldwatch analyze missing --days --tz Europe/Berlin --plot',
    ),
    '7d',
    'the share of each day in shades',
  )
    .option('--metric <name>', 'values of this metric (default: readings, whatever they have)')
    .option(
      '--factor <n>',
      'a gap is longer than so many usual steps',
      numeric(1, 1e6, false),
      DEFAULT_FACTOR,
    )
    .option('--gaps', 'each gap')
    .option('--days', 'the share of each day')
    .addOption(bucketZoneOption())
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric, factor, tz: zone } = options;
        const found = await missing(db, { ...pastOf(options), metric, factor, zone });
        const rows = found.map(presenceOf);
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

const plot = (rows: readonly Presence[]): readonly string[] => {
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
