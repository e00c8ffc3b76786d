import type { MetricsRegistry } from '../adapters/metrics.ts';
import type { Publish } from '../adapters/notify/index.ts';
import type { Config } from '../config/index.ts';
import type { AlertNotification } from '../core/alert/model.ts';
import type { Router } from '../core/route.ts';
import type { AlertLog, Clock, Connectivity, Logger, MessageSource, ReadingStore } from '../ports.ts';
import type { Alerting } from '../services/alerting.ts';
import type { BatchWriter } from '../services/batch-writer.ts';
import type { DatabaseStart } from '../services/database-start.ts';
import type { Ingest } from '../services/ingest.ts';
import type { LateRefresh } from '../services/late-refresh.ts';
import type { Notifying } from '../services/notifying.ts';
import type { Scheduling } from '../services/scheduling.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import type { SilentFeeds } from '../services/silent-feeds.ts';
import type { Database } from './database.ts';
import type { Servers } from './servers.ts';

export interface AppDeps {
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly clock?: Clock;
  /** The alert lines' own file, where one is configured. */
  readonly alertLog?: AlertLog;
  /** Told of every alert line after its commit: the demo shows them. */
  readonly onAlert?: (notification: AlertNotification) => void;
  /** Stands between the daemon and the store, or the broker: a benchmark measures there. */
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
  readonly start: DatabaseStart;
  readonly registry: SensorRegistry;
  readonly alerting: Alerting;
  readonly notifying: Notifying;
  readonly writer: BatchWriter;
  readonly source: MessageSource;
  readonly ingest: Ingest;
  readonly feeds: SilentFeeds;
  readonly scheduling: Scheduling | undefined;
  readonly lateRefresh: LateRefresh | undefined;
  readonly httpPort: number | undefined;
}
