import type { MetricsRegistry } from '../adapters/http/metrics.ts';
import type { Publish } from '../sinks/sink.ts';
import type { Config } from '../config/schema/index.ts';
import type { AlertNotification } from '../core/alert/model.ts';
import type { Router } from '../core/ingest/route.ts';
import type { AlertLog } from '../ports/alerts.ts';
import type { Connectivity, MessageSource } from '../ports/messages.ts';
import type { Logger } from '../ports/metrics.ts';
import type { ReadingStore } from '../ports/store.ts';
import type { Clock } from '../ports/time.ts';
import type { AlertManager } from '../services/alert/alert-manager.ts';
import type { BatchWriter } from '../services/ingest/batch-writer.ts';
import type { Ingest } from '../services/ingest/ingest.ts';
import type { SensorRegistry } from '../services/ingest/sensor-registry.ts';
import type { StaleRoutes } from '../services/ingest/stale-routes.ts';
import type { DeferredStartup } from '../services/ingest/startup.ts';
import type { NotificationDispatcher } from '../services/notify/dispatcher.ts';
import type { LateRefresh } from '../services/policy/late-refresh.ts';
import type { PolicyScheduler } from '../services/policy/scheduler.ts';
import type { Database } from './wiring/database.ts';
import type { Servers } from './wiring/embedded.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly clock?: Clock;
  /** The separate file of alert lines, if one is configured. */
  readonly alertLog?: AlertLog;
  /** Called for every alert line after its commit: the demo shows them. */
  readonly onAlert?: (notification: AlertNotification) => void;
  /** Wraps the store, or the broker: a benchmark measures there. */
  readonly wrap?: {
    readonly store?: (store: ReadingStore) => ReadingStore;
    readonly source?: (source: MessageSource) => MessageSource;
  };
}

/** What changes while the daemon runs. */
export interface Live {
  config: Config;
  router: Router;
  connectivity: Connectivity;
  /** Over the connection to the broker, once there is one. */
  publish: Publish | undefined;
  /** False while reading is paused, and before anything can be read. */
  reading: () => boolean;
}

/** What lives between start and stop. */
export interface Running {
  readonly live: Live;
  readonly servers: Servers;
  readonly database: Database;
  readonly start: DeferredStartup;
  readonly registry: SensorRegistry;
  readonly alertManager: AlertManager;
  readonly dispatcher: NotificationDispatcher;
  readonly writer: BatchWriter;
  readonly source: MessageSource;
  readonly ingest: Ingest;
  readonly watchedRoutes: StaleRoutes;
  readonly scheduler: PolicyScheduler | undefined;
  readonly lateRefresh: LateRefresh | undefined;
  readonly httpPort: number | undefined;
}
