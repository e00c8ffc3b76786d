import type pg from 'pg';
import type { MetricsRegistry } from '../adapters/http/metrics.ts';
import type { CorrectableClock } from '../adapters/system/clock.ts';
import type { MqttSource } from '../adapters/mqtt/source.ts';
import type { TimescaleAlertStore } from '../adapters/timescale/alert/alert-store.ts';
import type { TimescaleHandoverStore } from '../adapters/timescale/alert/handover-store.ts';
import type { TimescaleLeaseStore } from '../adapters/timescale/alert/lease-store.ts';
import type { MetricIds } from '../adapters/timescale/ingest/metric-ids.ts';
import type { TimescaleNotificationStore } from '../adapters/timescale/notify/notification-store.ts';
import type { TimescaleOperatorStore } from '../adapters/timescale/alert/operator-store.ts';
import type { TimescaleSensorStore } from '../adapters/timescale/ingest/sensor-store.ts';
import type { Config } from '../config/schema/index.ts';
import type { AlertChange } from '../core/alert/model.ts';
import type { Router } from '../core/ingest/route.ts';
import type { CleanupStack } from '../lib/cleanup-stack.ts';
import type { AlertLineKey, AlertLog } from '../ports/alerts.ts';
import type { Connectivity, MessageSource } from '../ports/messages.ts';
import type { Logger } from '../ports/metrics.ts';
import type { Spool } from '../ports/spool.ts';
import type { ReadingStore } from '../ports/store.ts';
import type { Clock } from '../ports/time.ts';
import type { AlertManager } from '../services/alert/alert-manager.ts';
import type { ShardTable } from '../services/alert/cluster/shard-table.ts';
import type { IngestAccounting } from '../services/ingest/accounting.ts';
import type { ArrivalClocks } from '../services/ingest/arrival-clocks.ts';
import type { AlertEvaluator } from '../services/ingest/batch-commit.ts';
import type { BatchWriter, WriterSpool } from '../services/ingest/batch-writer.ts';
import type { ClockMonitor } from '../services/ingest/clock-monitor.ts';
import type { DatabaseProbe } from '../services/ingest/database-probe.ts';
import type { DeadLetterBudget } from '../services/ingest/dead-letter-budget.ts';
import type { Ingest } from '../services/ingest/ingest.ts';
import type { OutageMonitor } from '../services/ingest/outage-monitor.ts';
import type { SensorRegistry } from '../services/ingest/sensor-registry.ts';
import type { StaleRoutes } from '../services/ingest/stale-routes.ts';
import type { DeferredStartup } from '../services/ingest/startup.ts';
import type { NotificationDispatcher } from '../services/notify/dispatcher.ts';
import type { LateRefresh } from '../services/policy/late-refresh.ts';
import type { MaintenanceTasks } from '../services/policy/maintenance.ts';
import type { PolicyScheduler } from '../services/policy/scheduler.ts';

/** Dependencies of the daemon on its process, besides its configuration. */
export interface AppDeps {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly clock?: Clock;
  /** The separate file of alert lines, if one is configured. */
  readonly alertLog?: AlertLog;
  /** Called for every alert line after its commit: the demo shows them. */
  readonly onAlert?: (change: AlertChange) => void;
  /** The configuration as it was read, to be shown. */
  readonly shown?: ShownConfig;
  /** Wraps the store, or the broker: a benchmark measures there. */
  readonly wrap?: {
    readonly store?: (store: ReadingStore) => ReadingStore;
    readonly source?: (source: MessageSource) => MessageSource;
  };
}

/** A configuration with where it comes from; secrets are masked. Made on demand. */
export type ShownConfig = () => {
  readonly file: string | null;
  readonly yaml: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly sources: Readonly<Record<string, string>>;
};

/** The addresses of database and broker, whether configured or embedded. */
export interface Servers {
  readonly databaseUrl: string;
  readonly mqttUrl: string;
  /** True for the embedded engine: it has no background workers. */
  readonly embeddedDatabase: boolean;
}

/** The database components. Connections are made on demand. */
export interface Database {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly directory: TimescaleSensorStore;
  /** Shared by all writers of readings. */
  readonly metricIds: MetricIds;
  readonly store: ReadingStore;
  readonly alertStore: TimescaleAlertStore;
  readonly operatorStore: TimescaleOperatorStore;
  readonly notificationStore: TimescaleNotificationStore;
  readonly leaseStore: TimescaleLeaseStore;
  readonly handoverStore: TimescaleHandoverStore;
}

/** The shards of a share group, as this member sees them. */
export interface SharedEvaluation {
  /** In place of the engine, for the batch writer. */
  readonly evaluator: AlertEvaluator;
  /** Acquires shards, and reads their handover. Resolves after the first round. */
  start(writer: BatchWriter): Promise<void>;
  /** Before time alone decides anything. */
  ready(decides: boolean): Promise<boolean>;
  /** The database is back: evaluations made meanwhile are dropped. Rejects while nothing can be written yet. */
  regroup(): Promise<void>;
  /** Lines that the last process published. */
  wereNotified(lines: readonly AlertLineKey[]): void;
  /** Members that may have earlier readings. */
  awaited(): readonly string[];
  /** How many members receive readings, this one included. */
  receivers(): number;
  /** From now on the broker may keep messages for this process. */
  connecting(): void;
  /** Messages arrive. At a stop the subscription ends first, if another member has the same. */
  receiving(): void;
}

/** The ways into and out of the spool, and a start that may find the database away. */
export interface SpoolComponents {
  readonly forWriter: WriterSpool;
  /** Alert rows that the last process left: they precede reading the alert state. Rejects as a commit does. */
  replayAlerts(signal: AbortSignal): Promise<void>;
  /** Takes the step or, where the database is away, leaves it to the drainer. Rejects as `tryNow` does. */
  start(step: DeferredStartup): Promise<void>;
  /** The database is back. */
  retryNow(): void;
}

/** The HTTP server. */
export interface HttpListener {
  readonly port: number;
  /** Reads tokens and certificate again; the returned function puts them in force. Throws where they cannot be used. */
  reread(): () => void;
}

/** State that changes while the daemon runs. */
export interface Live {
  config: Config;
  router: Router;
  shown: { readonly make: ShownConfig; readonly loadedAtMs: number } | undefined;
  connectivity: Connectivity;
}

/** Listens to the buttons below notifications. */
export interface ButtonListeners {
  start(): void;
  /** After a change of the sinks. */
  reconfigure(config: Config): Promise<void>;
}

/** One daemon: each component once. `assemble` builds it from the top down; what builds a component names what it needs. */
export interface Context extends Pick<AppDeps, 'logger' | 'metrics' | 'alertLog' | 'onAlert' | 'wrap'> {
  readonly config: Config;
  readonly clock: CorrectableClock;
  readonly cleanup: CleanupStack;
  readonly live: Live;
  readonly servers: Servers;
  readonly database: Database;
  readonly mqtt: MqttSource;
  /** `mqtt`, or its wrapper in a benchmark. */
  readonly source: MessageSource;
  readonly registry: SensorRegistry;
  readonly dispatcher: NotificationDispatcher;
  readonly buttons: ButtonListeners;
  /** Where one is configured. */
  readonly spool: Spool | undefined;
  /** With the spool. */
  readonly arrivalClocks: ArrivalClocks | undefined;
  /** In a share group. */
  readonly shards: ShardTable | undefined;
  readonly alertManager: AlertManager;
  readonly shared: SharedEvaluation | undefined;
  /** The alert manager, or in a share group the evaluator that divides readings between it and other members. */
  readonly evaluator: AlertEvaluator;
  readonly accounting: IngestAccounting;
  readonly watch: OutageMonitor;
  readonly deadLetters: DeadLetterBudget;
  readonly lateRefresh: LateRefresh | undefined;
  readonly spooling: SpoolComponents | undefined;
  readonly maintenance: MaintenanceTasks;
  readonly scheduler: PolicyScheduler | undefined;
  readonly writer: BatchWriter;
  readonly ingest: Ingest;
  readonly clockMonitor: ClockMonitor;
  readonly start: DeferredStartup;
  readonly probe: DatabaseProbe;
  readonly watchedRoutes: StaleRoutes;
  /** Where health and metrics are served. */
  readonly http: HttpListener | undefined;
}

/** Dependencies of every component. */
export type Base = Pick<
  Context,
  'config' | 'clock' | 'logger' | 'metrics' | 'cleanup' | 'live' | 'alertLog' | 'onAlert' | 'wrap'
>;
