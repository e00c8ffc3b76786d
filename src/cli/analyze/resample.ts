import { Option } from 'commander';
import type { Bucket } from '../../core/bucket.ts';
import { groupedBy } from '../../core/grouped.ts';
import {
  RESAMPLE_SUMMARY,
  FILLS,
  type Fill,
  METHODS,
  type Method,
  RESAMPLE_DEFAULTS,
  resample,
} from '../../queries/gapfill.ts';
import { DEFAULT_BUCKET } from '../../queries/analyze/input.ts';
import type { Resampled } from '../../queries/rows.ts';
import { type RowLimit, bucketOption, limitOption, bucketZoneOption } from '../arguments.ts';
import { type CliCommand, subcommand } from '../command.ts';
import { formatTime } from '../output/format.ts';
import { curveLines } from '../output/plot.ts';
import { onDatabase } from '../read-command.ts';
import { limited } from '../output/rows.ts';
import { type AnalyzeOptions, METRIC_OPTION, fields, pastOf, show, withAnalyzeOptions } from './options.ts';

interface Options extends AnalyzeOptions {
  readonly metric: string;
  readonly bucket: Bucket;
  readonly tz: string;
  readonly method: Method;
  readonly fill: Fill;
  readonly limit: RowLimit;
}

/** `fieldwatch analyze resample`. */
export const resampleCommand: CliCommand = (cli) =>
  withAnalyzeOptions(
    subcommand(
      'resample',
      RESAMPLE_SUMMARY,
      'fieldwatch analyze resample --sensor coldroom-07 --bucket 10m --method median --fill linear --csv\n' +
        'fieldwatch analyze resample --sensor coldroom-07 --bucket 1h --since 7d --plot',
    ),
    '24h',
    'a curve of each sensor',
  )
    .option(...METRIC_OPTION)
    .addOption(bucketOption(DEFAULT_BUCKET))
    .addOption(bucketZoneOption())
    .addOption(
      new Option('--method <name>', 'how values become one')
        .choices(METHODS)
        .default(RESAMPLE_DEFAULTS.method),
    )
    .addOption(
      new Option(
        '--fill <name>',
        'of buckets without values: leave out, null, the last value, or a straight line',
      )
        .choices(FILLS)
        .default(RESAMPLE_DEFAULTS.fill),
    )
    .addOption(limitOption(10_000))
    .action(
      onDatabase<Options>(cli, async (db, options) => {
        const { metric, bucket, tz: zone, method, fill } = options;
        const query = { ...pastOf(options), metric, bucket, zone, method, fill };
        const rows = await limited(cli, options, (limit) => resample(db, { ...query, limit }));
        show(cli, fields<Resampled>('bucket', 'sensor', 'location', 'value'), rows, options, plot);
        return 0;
      }),
    );

const plot = (rows: readonly Resampled[], width: number): readonly string[] =>
  [...groupedBy(rows, ({ sensor }) => sensor)].flatMap(([sensor, own]) => [
    sensor,
    ...curveLines(
      {
        values: own.map(({ value }) => value),
        from: formatTime(own[0]?.bucket ?? null),
        to: formatTime(own.at(-1)?.bucket ?? null),
      },
      width,
    ),
    '',
  ]);
