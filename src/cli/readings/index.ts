import type { Command } from 'commander';
import type { Bucket } from '../../core/bucket.ts';
import { metricUnit } from '../../core/metric-unit.ts';
import { outliers } from '../../queries/analyze/outliers.ts';
import { bucketStatistics } from '../../queries/bucket-statistics.ts';
import type { Db, MetricQuery } from '../../queries/db.ts';
import { counterUse } from '../../queries/counters.ts';
import type { Dataset } from '../../queries/export/dataset.ts';
import { gapFilled } from '../../queries/gapfill.ts';
import { latestReadings } from '../../queries/latest-readings.ts';
import { latestMetric, recentMetric, recentReadings } from '../../queries/readings.ts';
import { locationFigures } from '../../queries/sensors.ts';
import {
  type AnomalyRow,
  anomalies,
  dailyStatistics,
  hourlyStatistics,
  movingAverage,
} from '../../queries/statistics.ts';
import { bucketOption, durationArgument, durationOption, numeric, bucketZoneOption } from '../arguments.ts';
import { type Cli, type CliCommand, subcommand } from '../command.ts';
import { type ReadOptions, onDatabase, rangeOf, withReadOptions } from '../read-command.ts';
import {
  ANOMALY_COLUMNS,
  AVERAGE_COLUMNS,
  GAPFILL_COLUMNS,
  LOCATION_COLUMNS,
  SAMPLE_COLUMNS,
  STATISTICS_COLUMNS,
  USE_COLUMNS,
  latestColumns,
  latestJson,
  readingColumns,
  readingJson,
} from './columns.ts';
import { limited, printRows } from '../output/rows.ts';
import type { Column } from '../output/table.ts';

interface Options extends ReadOptions {
  readonly metric?: string;
  readonly bucket: Bucket;
  readonly tz: string;
  /** Absent of anomalies: the whole range. */
  readonly window?: number;
  readonly z: number;
  readonly minValues: number;
}

interface View {
  readonly name: string;
  readonly summary: string;
  readonly example: string;
  /** Default of --since. */
  readonly since: string;
  readonly extend?: (command: Command) => Command;
  /** Runs the query and prints the rows. */
  readonly show: (cli: Cli, db: Db, options: Options) => Promise<void>;
}

const METRIC = 'temperature';

const metricQuery = ({ sensor, location, metric = METRIC, ...options }: Options): MetricQuery => ({
  ...rangeOf(options, Date.now()),
  ...{ sensor, location, metric },
});

/** A view of one metric: its query, and the columns in which its rows are shown. */
const metricView =
  <Row extends object>(
    query: (db: Db, query: MetricQuery, options: Options) => Promise<readonly Row[]>,
    columns: readonly Column<Row>[],
    exported?: Dataset,
  ): View['show'] =>
  async (cli, db, options) =>
    printRows(
      cli,
      columns,
      await limited(
        cli,
        options,
        (limit) => query(db, { ...metricQuery(options), limit }, options),
        exported,
      ),
      options,
    );

const unchanged = (command: Command): Command => command;

const oneMetric = (command: Command) =>
  command.option('--metric <name>', 'any metric, with a column of its own or not', METRIC);

/** Units of values that the device gave no unit of. */
const withUnits = <Row extends { readonly value: number | null; readonly unit: string | null }>(
  rows: readonly Row[],
  metric: string,
): readonly Row[] => {
  const largest = rows.reduce((most, { value }) => Math.max(most, Math.abs(value ?? 0)), 0);
  return rows.map((row) => ({ ...row, unit: row.unit ?? metricUnit(metric, largest) ?? null }));
};

const VIEWS: readonly View[] = [
  {
    name: 'latest',
    summary: 'the newest values of each sensor, whatever it measures',
    example: 'fieldwatch readings latest --location coldroom',
    since: '7d',
    extend: (command) => command.option('--metric <name>', 'the newest value of this metric instead'),
    show: async (cli, db, options) => {
      const nowMs = Date.now();
      const { metric, sensor, location } = options;
      const query = { sensor, location, since: rangeOf(options, nowMs).from };
      if (metric === undefined) {
        const rows = await limited(cli, options, (limit) => latestReadings(db, { ...query, nowMs, limit }));
        if (options.json === true) printRows(cli, [], rows.map(latestJson), options);
        else printRows(cli, latestColumns(rows, options.csv === true), rows, options);
      } else {
        const rows = await limited(cli, options, (limit) => latestMetric(db, { ...query, metric, limit }));
        printRows(cli, SAMPLE_COLUMNS, withUnits(rows, metric), options);
      }
    },
  },
  {
    name: 'recent',
    summary: 'readings as they are stored, newest first',
    example: 'fieldwatch readings recent --sensor coldroom-07 --since 10m --csv',
    since: '24h',
    extend: (command) => command.option('--metric <name>', 'values of this metric instead'),
    show: async (cli, db, options) => {
      const query = metricQuery(options);
      if (options.metric === undefined) {
        const rows = await limited(
          cli,
          options,
          (limit) => recentReadings(db, { ...query, limit }),
          'readings',
        );
        if (options.json === true) printRows(cli, [], rows.map(readingJson), options);
        else printRows(cli, readingColumns(rows, options.csv === true), rows, options);
      } else {
        const rows = await limited(
          cli,
          options,
          (limit) => recentMetric(db, { ...query, limit }),
          'readings',
        );
        printRows(cli, SAMPLE_COLUMNS, withUnits(rows, query.metric), options);
      }
    },
  },
  {
    name: 'statistics',
    summary: 'average, minimum, maximum and count per bucket of any width',
    example:
      'fieldwatch readings statistics --metric co2 --bucket 15m --since 6h\n' +
      'fieldwatch readings statistics --bucket 1mo --tz Europe/Berlin --since 365d',
    since: '24h',
    extend: (command) => oneMetric(command).addOption(bucketOption('1h')).addOption(bucketZoneOption()),
    show: metricView(
      (db, query, { bucket, tz: zone }) => bucketStatistics(db, { ...query, bucket, zone }),
      STATISTICS_COLUMNS,
    ),
  },
  {
    name: 'use',
    summary: 'use of a counter (energy, water, rain) per bucket, across resets and overflows',
    example:
      'fieldwatch readings use --metric energy_total --bucket 1d --tz Europe/Berlin --since 30d\n' +
      'fieldwatch readings use --metric water_total --bucket 1mo --since 365d',
    since: '7d',
    extend: (command) =>
      command
        .option('--metric <name>', 'a counter: see metrics.counters', 'energy')
        .addOption(bucketOption('1d'))
        .addOption(bucketZoneOption()),
    show: metricView(
      (db, query, { bucket, tz: zone }) => counterUse(db, { ...query, bucket, zone }),
      USE_COLUMNS,
    ),
  },
  {
    name: 'hourly',
    summary: 'average, minimum, maximum and count per hour',
    example: 'fieldwatch readings hourly --metric humidity --since 24h',
    since: '24h',
    extend: oneMetric,
    show: metricView(hourlyStatistics, STATISTICS_COLUMNS, 'hourly'),
  },
  {
    name: 'daily',
    summary: 'average, minimum, maximum and count per day',
    example: 'fieldwatch readings daily --sensor coldroom-07 --since 30d --tz Europe/Berlin',
    since: '30d',
    extend: (command) => oneMetric(command).addOption(bucketZoneOption()),
    show: metricView(
      (db, query, { tz: zone }) =>
        zone === 'UTC'
          ? dailyStatistics(db, query)
          : bucketStatistics(db, { ...query, bucket: { unit: 'days', count: 1 }, zone }),
      STATISTICS_COLUMNS,
      'daily',
    ),
  },
  {
    name: 'gapfill',
    summary: 'evenly spaced buckets, gaps filled by the last value and by a straight line',
    example: 'fieldwatch readings gapfill --sensor coldroom-07 --since 1h --bucket 1m',
    since: '1h',
    extend: (command) => oneMetric(command).addOption(bucketOption('1m')).addOption(bucketZoneOption()),
    // Up to now and no further: buckets of the future would look like gaps.
    show: metricView((db, query, { bucket, tz: zone, until }) => {
      const to = until === undefined ? new Date() : query.to;
      return gapFilled(db, { ...query, to, bucket, zone });
    }, GAPFILL_COLUMNS),
  },
  {
    name: 'moving-average',
    summary: 'each value with the average of the time before it',
    example: 'fieldwatch readings moving-average --sensor coldroom-07 --window 10m',
    since: '1h',
    extend: (command) =>
      oneMetric(command).addOption(durationOption('--window <duration>', 'time that is averaged', '5m')),
    show: metricView(
      (db, query, { window = 0 }) => movingAverage(db, { ...query, windowMs: window }),
      AVERAGE_COLUMNS,
    ),
  },
  {
    name: 'anomalies',
    summary: "values far from their sensor's own mean, furthest first",
    example:
      'fieldwatch readings anomalies --since 24h --z 4\nfieldwatch readings anomalies --since 7d --window 1h',
    since: '24h',
    extend: (command) =>
      oneMetric(command)
        .option('--z <n>', 'standard deviations from the mean', numeric(0.1, 1000, false), 3)
        .option(
          '--window <duration>',
          'compare with this time before each value (default: the range)',
          durationArgument,
        )
        .option(
          '--min-values <n>',
          'with fewer values, of the window or the range, no verdict',
          numeric(2, 1e9),
          30,
        ),
    show: metricView(anomaliesOf, ANOMALY_COLUMNS),
  },
  {
    name: 'locations',
    summary: 'sensors, figures of a metric (deviation, median, p95) and open alerts per location',
    example: 'fieldwatch readings locations --metric temperature --since 1h',
    since: '1h',
    extend: oneMetric,
    show: metricView(locationFigures, LOCATION_COLUMNS),
  },
];

async function anomaliesOf(
  db: Db,
  query: MetricQuery,
  { z, minValues, window: windowMs }: Options,
): Promise<readonly AnomalyRow[]> {
  if (windowMs === undefined) return anomalies(db, { ...query, z, minValues });
  const rows = await outliers(db, { ...query, method: 'rolling', threshold: z, minValues, windowMs });
  return rows.map(({ expected: mean, spread: sigma, score, ...row }) => ({ ...row, mean, sigma, z: score }));
}

/** `fieldwatch readings …`: nine views of the stored readings. Units: °C, %RH, hPa, battery %, dBm. */
export const readingsCommand: CliCommand = (cli) => {
  const readings = subcommand(
    'readings',
    'look at stored readings: latest, recent, statistics, gaps, anomalies',
    'fieldwatch readings latest',
  );
  for (const { name, summary, example, since, extend = unchanged, show } of VIEWS) {
    const command = extend(withReadOptions(subcommand(name, summary, example), since));
    readings.addCommand(
      command.action(
        onDatabase<Options>(cli, async (db, options) => {
          await show(cli, db, options);
          return 0;
        }),
      ),
    );
  }
  return readings;
};
