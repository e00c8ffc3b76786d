import { inspect } from 'node:util';
import { silentLogger } from '../adapters/log/logger.ts';
import { TimescaleAppMetricsStore } from '../adapters/timescale/policy/app-metrics-store.ts';
import { readerOf } from '../adapters/timescale/connection/pool.ts';
import { type Program, openProgram } from '../app/program.ts';
import { FieldwatchError } from '../core/errors.ts';
import { readDevice } from '../core/ingest/mapping/device.ts';
import { metricUnit } from '../core/metric-unit.ts';
import { SerialQueue } from '../lib/serial-queue.ts';
import { listEpisodes } from '../queries/alert-episodes.ts';
import { inputReader } from '../queries/analyze/input.ts';
import { appMetrics } from '../queries/app-metrics.ts';
import { counterUse } from '../queries/counters.ts';
import type { Db, TimeRange } from '../queries/db.ts';
import { latestValues } from '../queries/latest-values.ts';
import { presentKeys } from '../queries/names.ts';
import { readingsInOrder } from '../queries/readings-in-order.ts';
import { listSensors, sensorFacts } from '../queries/sensors.ts';
import { METRICS, READINGS } from '../queries/export/dataset.ts';
import { spansOf } from '../queries/export/plan.ts';
import { alertCounts, metricFigures } from '../queries/summary.ts';
import { hourlyTrends } from '../queries/trends.ts';
import { AlertFeed } from './alert-feed.ts';
import { analyzeWith } from './analyze.ts';
import type { CounterUse, StoredAppMetric } from '../queries/rows.ts';
import type { Analyze } from './analyze-types.ts';
import { checkArgument, checkOneOf } from './arguments.ts';
import type {
  AlertEvent,
  AlertSubscription,
  EvaluatedBy,
  HourlyTrend,
  LatestValue,
  Monitor,
  MonitorOptions,
  ReadingInput,
  RecentAlert,
  RecordOptions,
  RecordOutcome,
  SensorInfo,
  SensorInput,
  SensorSummary,
  StoredReading,
} from './monitor-types.ts';
import type { TimeInput } from './pure-types.ts';
import { loggerOf } from './logger.ts';
import { forgetProgram, rememberProgram } from './programs.ts';
import { isClosed, Recorder } from './recorder.ts';
import type { AlertRule, AlertRules } from './rules.ts';
import { registerSensors, sensorNamed } from './sensors.ts';
import { alertsOf, monitorConfig, nameOf, withThresholds } from './settings.ts';
import { theLast, timeOf } from './time.ts';

const RETRY_FOR_MS = 30_000;
const HOURS_OF_DAY = 24;
const MOST_ALERTS = 1000;
const MOST_APP_METRICS = 1000;

/**
 * Opens the database of sensors for a program: migrates it where necessary, and connects. The program writes as the daemon does:
 * the same COPY, merge, dead letters, and alerts in the transaction of the readings. Safe while a daemon runs, or
 * other programs.
 *
 * @throws ConfigError CONFIG_INVALID with every fault of the options; FieldwatchError EVALUATED_BY_DAEMON where `alerts` is given and a
 * daemon evaluates this database; an error of the database (`DB_…`, `SCHEMA_…`)
 *
 * @example
 * ```ts
 * import { openMonitor } from 'fieldwatch';
 *
 * await using monitor = await openMonitor({
 *   database: process.env.DATABASE_URL ?? { embedded: './data' },
 *   alerts: { metrics: { temperature: { max: 30 } } },
 * });
 * await monitor.recordReading({ sensor: 'greenhouse', metrics: { temperature: 31.5, humidity: 60 } });
 * const [alert] = await monitor.recentAlerts({ sensor: 'greenhouse', hours: 1 });
 * console.log(alert?.alertType); // temperature_high
 * ```
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  checkArgument('openMonitor', 'options', options, 'options');
  const config = monitorConfig(options);
  const { alerts, retryForMs = RETRY_FOR_MS, logger } = options;
  const program = await openProgram(config, {
    logger: logger === undefined ? silentLogger : loggerOf(logger),
    evaluates: alerts !== undefined,
    giveUpAfterMs: retryForMs,
  });
  const monitor = new DatabaseMonitor(program, nameOf(options), alerts);
  rememberProgram(monitor, program);
  return monitor;
}

class DatabaseMonitor implements Monitor {
  readonly analyze: Analyze;
  private readonly program: Program;
  private readonly db: Db;
  private readonly recorder: Recorder;
  private readonly feed: AlertFeed;
  private rules: AlertRules | undefined;
  /** Changes of the rules. */
  private readonly changes = new SerialQueue();
  private closed = false;

  constructor(program: Program, name: string, rules: AlertRules | undefined) {
    this.program = program;
    const db = readerOf(program.database.pool);
    this.db = {
      query: async (text, values) => {
        this.checkOpen();
        return db.query(text, values);
      },
    };
    this.recorder = new Recorder(program, name);
    this.feed = new AlertFeed({ db: this.db, clock: program.clock, logger: program.logger });
    this.rules = rules;
    this.analyze = analyzeWith(this.db, () => program.clock.nowMs());
  }

  get databaseUrl(): string {
    return this.program.database.url;
  }

  registerSensor(sensor: SensorInput): Promise<SensorInfo>;
  registerSensor(sensors: readonly SensorInput[]): Promise<readonly SensorInfo[]>;
  async registerSensor(
    given: SensorInput | readonly SensorInput[],
  ): Promise<SensorInfo | readonly SensorInfo[]> {
    this.checkOpen();
    checkArgument('registerSensor', 'sensor', given, 'sensor');
    const isOne = !isList(given);
    const infos = await registerSensors(this.program, this.db, isOne ? [given] : given);
    // Rules may select by what has changed.
    await this.change((rules) => rules);
    return isOne ? (infos[0] as SensorInfo) : infos;
  }

  recordReading(reading: ReadingInput): Promise<RecordOutcome> {
    return this.recorder.one(reading);
  }

  recordBatch(
    readings: Iterable<ReadingInput> | AsyncIterable<ReadingInput>,
    options?: RecordOptions,
  ): Promise<RecordOutcome> {
    return this.recorder.many(readings, options);
  }

  async setThresholds(sensor: string, thresholds: Readonly<Record<string, AlertRule>>): Promise<void> {
    this.checkOpen();
    checkArgument('setThresholds', 'sensor', sensor, 'key');
    checkArgument('setThresholds', 'thresholds', thresholds, 'thresholds');
    if (this.rules === undefined)
      throw new FieldwatchError('this monitor has no rules: it was opened without alerts', {
        code: 'MONITOR_NO_RULES',
        kind: 'config',
        remedy: 'open it with alerts: {}, or change the rules of the daemon that evaluates the database',
      });
    await this.change((rules) => withThresholds(rules, sensor, thresholds));
  }

  async summary(key: string, hours = HOURS_OF_DAY): Promise<SensorSummary> {
    checkArgument('summary', 'sensor', key, 'key');
    const range = theLast(hours, 'hours', this.program.clock.nowMs());
    const { id: sensorId, key: sensor } = await sensorNamed(this.db, key);
    const [row] = await listSensors(this.db, { since: range.to, sensor, limit: 1 });
    const figures = await metricFigures(this.db, { ...range, sensorId });
    const counts = await alertCounts(this.db, { ...range, sensorId });
    return {
      ...{ sensor, name: row?.name ?? null, type: row?.type ?? null, location: row?.location ?? null },
      ...{ tags: row?.tags ?? [], ...range, ...counts },
      metrics: figures,
    };
  }

  async hourlyTrends(
    key: string,
    days = 7,
    options: { readonly metrics?: readonly string[] } = {},
  ): Promise<readonly HourlyTrend[]> {
    checkArgument('hourlyTrends', 'sensor', key, 'key');
    checkArgument('hourlyTrends', 'options', options, 'trends');
    const { metrics } = options;
    const range = theLast(days, 'days', this.program.clock.nowMs());
    const { id: sensorId } = await sensorNamed(this.db, key);
    await presentKeys(this.db, { metric: metrics });
    return hourlyTrends(this.db, { ...range, sensorId, metrics });
  }

  async recentAlerts(
    query: { readonly sensor?: string; readonly hours?: number; readonly limit?: number } = {},
  ): Promise<readonly RecentAlert[]> {
    checkArgument('recentAlerts', 'query', query, 'recentAlerts');
    const { sensor, hours = HOURS_OF_DAY, limit = MOST_ALERTS } = query;
    const range = theLast(hours, 'hours', this.program.clock.nowMs());
    const key = sensor === undefined ? undefined : (await sensorNamed(this.db, sensor)).key;
    const rows = await listEpisodes(this.db, { state: 'all', range: () => range, sensor: key, limit });
    return rows.map((row) => ({
      ...{ time: row.time, sensor: row.sensor, location: row.location, alertType: row.alertType },
      ...{ severity: row.severity, message: row.message, value: row.value, threshold: row.threshold },
      ...{ alertId: row.alertId, startedAt: row.startedAt, resolvedAt: row.resolvedAt },
      ...{ peakValue: row.peakValue, state: row.state },
    }));
  }

  async latest(query: { readonly sensor?: string } = {}): Promise<readonly LatestValue[]> {
    checkArgument('latest', 'query', query, 'latest');
    const { sensor } = query;
    const nowMs = this.program.clock.nowMs();
    const key = sensor === undefined ? undefined : (await sensorNamed(this.db, sensor)).key;
    const sensors = await listSensors(this.db, { since: new Date(0), sensor: key });
    const seen = sensors.map(({ id, lastReading }) => ({ id, lastSeenMs: lastReading?.getTime() }));
    const values = await latestValues(this.db, seen, { nowMs, most: null });
    return sensors.flatMap(({ id, sensor: own }) =>
      (values.get(id) ?? []).map(({ metric, value, unit, time }) => ({
        ...{ sensor: own, metric, value, unit: unit ?? unitOf(metric, value), time },
      })),
    );
  }

  async use(query: Parameters<Monitor['use']>[0]): Promise<readonly CounterUse[]> {
    checkArgument('use', 'query', query, 'use');
    const { sensor, metric, from, to, bucket = '1d', zone } = query;
    const width = input.bucketOf(bucket);
    const buckets = { bucket: width, zone: input.zoneOf(zone) };
    const keys = await presentKeys(this.db, { sensor, metric });
    return counterUse(this.db, { ...this.rangeOf(from, to), sensor: keys, metric, ...buckets });
  }

  async recordMetric(
    host: string,
    name: string,
    value: number,
    tags: Readonly<Record<string, string | number>> = {},
  ): Promise<void> {
    this.checkOpen();
    checkArgument('recordMetric', 'tags', tags, 'tags');
    if (!Number.isFinite(value))
      throw new FieldwatchError(`recordMetric: ${String(value)} is no number to store`, {
        code: 'METRIC_VALUE_INVALID',
        kind: 'data',
      });
    for (const [what, text] of Object.entries({ host, name }))
      if (typeof readDevice(text) !== 'string')
        throw new FieldwatchError(`recordMetric: ${what} cannot be ${inspect(text).slice(0, 80)}`, {
          code: 'METRIC_NAME_INVALID',
          kind: 'data',
          remedy: 'it is text of 1 to 256 bytes without control characters',
        });
    const labels = Object.fromEntries(Object.entries(tags).map(([key, tag]) => [key, String(tag)]));
    const figures = new TimescaleAppMetricsStore(this.program.database.pool);
    await figures.write(this.program.clock.nowMs(), [{ name, value, labels }], host);
  }

  async appMetrics(query: Parameters<Monitor['appMetrics']>[0] = {}): Promise<readonly StoredAppMetric[]> {
    checkArgument('appMetrics', 'query', query, 'appMetrics');
    const { name, host, tags, from, to, limit = MOST_APP_METRICS } = query;
    const range = this.rangeOf(from ?? this.program.clock.nowMs() - HOURS_OF_DAY * 3_600_000, to);
    const metrics = name === undefined ? undefined : [name];
    return appMetrics(this.db, { ...range, metrics, host, tags, limit });
  }

  private rangeOf(from: TimeInput, to: TimeInput | undefined): TimeRange {
    return {
      from: timeOf(from, 'from'),
      to: to === undefined ? new Date(this.program.clock.nowMs() + 1) : timeOf(to, 'to'),
    };
  }

  async *readings(query: {
    readonly sensor?: string;
    readonly from: TimeInput;
    readonly to?: TimeInput;
  }): AsyncGenerator<StoredReading> {
    checkArgument('readings', 'query', query, 'readings');
    const { sensor, from, to } = query;
    const range = this.rangeOf(from, to);
    const only = sensor === undefined ? undefined : await sensorNamed(this.db, sensor);
    const keys = new Map<number, string>();
    const sensorIds = only === undefined ? undefined : [only.id];
    // A range may be centuries, most of them without a chunk.
    for (const { fromMs, toMs } of await spansOf(this.db, { sources: [READINGS, METRICS] }, range)) {
      const span = { from: new Date(fromMs), to: new Date(toMs) };
      for await (const rows of readingsInOrder(this.db, { ...span, sensorIds })) {
        // Sensors that were registered meanwhile.
        if (rows.some(({ sensorId }) => !keys.has(sensorId)))
          for (const { id, key } of await sensorFacts(this.db, { sensor: only?.key })) keys.set(id, key);
        for (const { sensorId, timeUs, metrics } of rows)
          yield {
            sensor: keys.get(sensorId) ?? `#${sensorId}`,
            time: new Date(Math.floor(timeUs / 1000)),
            metrics: Object.fromEntries(metrics),
          };
      }
    }
  }

  on(event: 'alert', listener: (alert: AlertEvent) => void): AlertSubscription {
    this.checkOpen();
    checkOneOf('event', event, ['alert'], 'ARGUMENT_INVALID');
    checkArgument('on', 'listener', listener, 'listener');
    return this.feed.subscribe(listener);
  }

  async evaluatedBy(): Promise<EvaluatedBy> {
    this.checkOpen();
    if ((await this.program.evaluator.seenDaemon()) !== undefined) return 'daemon';
    return this.rules === undefined ? 'nothing' : 'program';
  }

  async close(): Promise<void> {
    this.closed = true;
    this.recorder.close();
    forgetProgram(this);
    await this.feed.stop();
    await this.program.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Calls made before the end go on, as far as their next query. */
  private checkOpen(): void {
    if (this.closed) throw isClosed();
  }

  /** One change at a time; one that is refused leaves the rules as they are. */
  private async change(next: (rules: AlertRules) => AlertRules): Promise<void> {
    const { follow } = this.program;
    if (follow === undefined) return;
    await this.changes.run(async () => {
      const rules = next(this.rules ?? {});
      await follow(alertsOf(rules));
      this.rules = rules;
    });
  }
}

const input = inputReader(
  (_, detail) => new FieldwatchError(detail, { code: 'BUCKET_INVALID', kind: 'data' }),
);

const isList = (given: SensorInput | readonly SensorInput[]): given is readonly SensorInput[] =>
  Array.isArray(given);

const unitOf = (metric: string, value: number): string | null => metricUnit(metric, Math.abs(value)) ?? null;
