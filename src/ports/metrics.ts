import type { Millis } from '../core/reading.ts';

/** The observability of the daemon: its log, its metrics, its stored figures. */

export type LogFields = Readonly<Record<string, unknown>>;

/** The calling convention of pino: fields first, then a constant message. Text from the network is a value. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(bindings: LogFields): Logger;
}

export type Labels = Readonly<Record<string, string>>;
export interface Counter {
  inc(by?: number, labels?: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** Forgets all that was set. */
  clear(): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

export interface GaugeOptions {
  /** Whether it is one of the daemon's own figures in the database; default true. Not for what has a series for each sensor. */
  readonly stored?: boolean;
}

/** Names follow Prometheus: `fieldwatch_<what>_<unit>[_total]`. Registering a name twice gives the same metric. */
export interface Metrics {
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[], options?: GaugeOptions): Gauge;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly string[],
  ): Histogram;
  /** Runs before each scrape; for gauges that are read, not pushed. */
  onCollect(collect: () => void): void;
}

/** One of the daemon's own figures at one time. */
export interface AppMetric {
  /** As in /metrics: `fieldwatch_ingest_items`. */
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Storage of the daemon's own figures. */
export interface AppMetricsStore {
  write(atMs: Millis, figures: readonly AppMetric[]): Promise<void>;
}
