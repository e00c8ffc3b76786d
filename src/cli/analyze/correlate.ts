import { Option } from 'commander';
import type { Bucket } from '../../core/bucket.ts';
import { groupedBy } from '../../core/grouped.ts';
import {
  CORRELATE_SUMMARY,
  CORRELATED,
  CORRELATE_DEFAULTS,
  CORRELATIONS,
  type Correlated,
  type Correlation,
  correlate,
} from '../../queries/analyze/correlate.ts';
import { DEFAULT_BUCKET } from '../../queries/analyze/input.ts';
import type { PairCorrelation } from '../../queries/rows.ts';
import { bucketOption, repeated, bucketZoneOption } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { heatLines } from '../output/plot.ts';
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
  readonly of: Correlated;
  readonly method: Correlation;
  readonly bucket: Bucket;
  readonly tz: string;
}

/** `fieldwatch analyze correlate`. */
export const correlateCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'correlate',
      CORRELATE_SUMMARY,
      'fieldwatch analyze correlate --sensor greenhouse-02 --since 7d\n' +
        'fieldwatch analyze correlate --of sensors --metric temperature --location coldroom --bucket 10m',
    ),
    '7d',
    'a matrix of shades',
  )
    .option(...METRICS_OPTION, repeated)
    .addOption(
      new Option('--of <what>', 'metrics of the same sensor, or sensors in one metric')
        .choices(CORRELATED)
        .default(CORRELATE_DEFAULTS.of),
    )
    .addOption(
      new Option('--method <name>', 'of values, or of their ranks')
        .choices(CORRELATIONS)
        .default(CORRELATE_DEFAULTS.method),
    )
    .addOption(bucketOption(DEFAULT_BUCKET))
    .addOption(bucketZoneOption())
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric: metrics, of, method, bucket, tz: zone } = options;
        const rows = await correlate(db, { ...chosenOf(options), metrics, of, method, bucket, zone });
        const who = of === 'sensors' ? fields<PairCorrelation>('metric') : [];
        show(cli, [...who, ...fields<PairCorrelation>('a', 'b', 'r', 'buckets')], rows, options, plot);
        return 0;
      }),
    );

const plot = (rows: readonly PairCorrelation[]): readonly string[] =>
  [...groupedBy(rows, ({ metric }) => metric ?? '')].flatMap(([metric, own]) => {
    const names = [...new Set(own.flatMap(({ a, b }) => [a, b]))];
    const found = new Map(
      own.flatMap(({ a, b, r }) => [[`${a}\0${b}`, r] as const, [`${b}\0${a}`, r] as const]),
    );
    return [
      ...(metric === '' ? [] : [metric]),
      ...heatLines({
        rows: names.map((name, at) => `${at + 1} ${name}`),
        columns: names.map((_, at) => String(at + 1)),
        values: names.map((a) => names.map((b) => (a === b ? 1 : found.get(`${a}\0${b}`)))),
        extent: { least: -1, most: 1 },
        cell: 3,
      }),
      '',
    ];
  });
