import type { Command } from 'commander';
import {
  anomalies,
  dailyStatistics,
  gapFilled,
  hourlyStatistics,
  movingAverage,
} from '../queries/statistics.ts';
import type { Db, MetricQuery } from '../queries/db.ts';
import type { Dataset } from '../queries/export/dataset.ts';
import { latestMetric, latestReadings, recentMetric, recentReadings } from '../queries/readings.ts';
import { locationFigures } from '../queries/sensors.ts';
import { durationOption, numeric } from './arguments.ts';
import { type Cli, type CliCommand, subcommand } from './command.ts';
import { type ReadOptions, onDatabase, rangeOf, withReadOptions } from './read-command.ts';
import {
  ANOMALY_COLUMNS,
  AVERAGE_COLUMNS,
  GAPFILL_COLUMNS,
  LATEST_COLUMNS,
  LOCATION_COLUMNS,
  READING_COLUMNS,
  SAMPLE_COLUMNS,
  STATISTICS_COLUMNS,
} from './readings-columns.ts';
import { limited, printRows } from './rows.ts';
import type { Column } from './table.ts';

interface Options extends ReadOptions {
  readonly metric?: string;
  readonly bucket: number;
  readonly window: number;
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

const metricQuery = (options: Options): MetricQuery => ({
  ...options,
  ...rangeOf(options, Date.now()),
  metric: options.metric ?? METRIC,
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

const VIEWS: readonly View[] = [
  {
    name: 'latest',
    summary: 'the newest reading of each sensor',
    example: 'fieldwatch readings latest --location coldroom',
    since: '7d',
    extend: (command) => command.option('--metric <name>', 'the newest value of this metric instead'),
    show: async (cli, db, options) => {
      const query = { ...options, since: rangeOf(options, Date.now()).from };
      const { metric } = options;
      const upTo = <Row>(read: (limit: number) => Promise<readonly Row[]>) => limited(cli, options, read);
      if (metric === undefined)
        printRows(
          cli,
          LATEST_COLUMNS,
          await upTo((limit) => latestReadings(db, { ...query, limit })),
          options,
        );
      else
        printRows(
          cli,
          SAMPLE_COLUMNS,
          await upTo((limit) => latestMetric(db, { ...query, metric, limit })),
          options,
        );
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
      if (options.metric === undefined)
        printRows(
          cli,
          READING_COLUMNS,
          await limited(cli, options, (limit) => recentReadings(db, { ...query, limit }), 'readings'),
          options,
        );
      else
        printRows(
          cli,
          SAMPLE_COLUMNS,
          await limited(cli, options, (limit) => recentMetric(db, { ...query, limit }), 'readings'),
          options,
        );
    },
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
    summary: 'average, minimum, maximum and count per UTC day',
    example: 'fieldwatch readings daily --sensor coldroom-07 --since 30d',
    since: '30d',
    extend: oneMetric,
    show: metricView(dailyStatistics, STATISTICS_COLUMNS, 'daily'),
  },
  {
    name: 'gapfill',
    summary: 'evenly spaced buckets, gaps filled by the last value and by a straight line',
    example: 'fieldwatch readings gapfill --sensor coldroom-07 --since 1h --bucket 1m',
    since: '1h',
    extend: (command) =>
      oneMetric(command).addOption(durationOption('--bucket <duration>', 'width of a bucket', '1m')),
    // Up to now and no further: buckets of the future would be gaps that are none.
    show: metricView((db, query, { bucket, until }) => {
      const to = until === undefined ? new Date() : query.to;
      return gapFilled(db, { ...query, to, bucketMs: bucket });
    }, GAPFILL_COLUMNS),
  },
  {
    name: 'moving-average',
    summary: 'each value beside the average of the time before it',
    example: 'fieldwatch readings moving-average --sensor coldroom-07 --window 10m',
    since: '1h',
    extend: (command) =>
      oneMetric(command).addOption(durationOption('--window <duration>', 'time that is averaged', '5m')),
    show: metricView(
      (db, query, { window }) => movingAverage(db, { ...query, windowMs: window }),
      AVERAGE_COLUMNS,
    ),
  },
  {
    name: 'anomalies',
    summary: "values far from their sensor's own mean, furthest first",
    example: 'fieldwatch readings anomalies --since 24h --z 4',
    since: '24h',
    extend: (command) =>
      oneMetric(command)
        .option('--z <n>', 'standard deviations from the mean', numeric(0.1, 1000, false), 3)
        .option('--min-values <n>', 'sensors with fewer values get no verdict', numeric(2, 1e9), 30),
    show: metricView(anomaliesOf, ANOMALY_COLUMNS),
  },
  {
    name: 'locations',
    summary: 'sensors, figures of a metric and open alerts per location',
    example: 'fieldwatch readings locations --metric temperature --since 1h',
    since: '1h',
    extend: oneMetric,
    show: metricView(locationFigures, LOCATION_COLUMNS),
  },
];

function anomaliesOf(db: Db, query: MetricQuery, { z, minValues }: Options) {
  return anomalies(db, { ...query, z, minValues });
}

/** `fieldwatch readings …`: eight views of the stored readings. Units: °C, %RH, hPa, battery %, dBm. */
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
