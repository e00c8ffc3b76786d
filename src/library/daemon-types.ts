import type { MonitorLogger } from './monitor-types.ts';
import type { AlertEvent } from './monitor-types.ts';

/** A valid configuration, as `parseConfig` gives it; durations in milliseconds, sizes in bytes, defaults filled in. */
export type DaemonConfig = Readonly<Record<string, unknown>> & { readonly [parsed]: true };

declare const parsed: unique symbol;

/** The options of `startDaemon`. */
export interface DaemonOptions {
  /** Silent by default. */
  readonly logger?: MonitorLogger;
  /** Called for each alert line of this daemon, after its commit. */
  readonly onAlert?: (alert: AlertEvent) => void;
}

/** Figures of a daemon. */
export interface DaemonStatus {
  /** Messages and readings since the start, by what became of them. */
  readonly totals: Readonly<Record<string, number>>;
  /** `subscribed` once messages arrive. */
  readonly broker: string;
  readonly database: 'ok' | 'failing';
  readonly sensors: number;
  /** Open alerts. */
  readonly firing: number;
  /** From the arrival of the newest batch's first message to its commit. */
  readonly lagMs: number | null;
}

/** A daemon in this process: what `startDaemon` gives. */
export interface Daemon extends AsyncDisposable {
  /** The database, with its password. */
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  /** Where health, metrics and the API are served; undefined where that is off. */
  readonly httpPort: number | undefined;
  status(): DaemonStatus;
  /** Takes over routes, sensors, rules and policies, whole or not at all. */
  reload(config: DaemonConfig | string): Promise<{
    /** Sections that took effect. */
    readonly applied: readonly string[];
    /** Keys that wait for the next start. */
    readonly needsRestart: readonly string[];
  }>;
  /** Stores and acknowledges what is under way, and ends. Idempotent; `await using` calls it. */
  stop(): Promise<void>;
}
