import type { Config } from '../config/schema/index.ts';
import type { ReadingStore } from '../ports/store.ts';
import type { AlertManager } from '../services/alert/alert-manager.ts';
import { IngestAccounting } from '../services/ingest/accounting.ts';
import type { ArrivalClocks } from '../services/ingest/arrival-clocks.ts';
import type { AlertEvaluator } from '../services/ingest/batch-commit.ts';
import { BatchWriter } from '../services/ingest/batch-writer.ts';
import type { ClockMonitor } from '../services/ingest/clock-monitor.ts';
import { DeadLetterBudget } from '../services/ingest/dead-letter-budget.ts';
import { OutageMonitor } from '../services/ingest/outage-monitor.ts';
import { SensorRegistry } from '../services/ingest/sensor-registry.ts';
import { StaleRoutes } from '../services/ingest/stale-routes.ts';
import { DeferredStartup } from '../services/ingest/startup.ts';
import type { NotificationDispatcher } from '../services/notify/dispatcher.ts';
import { type LateRefresh, recordingLate } from '../services/policy/late-refresh.ts';
import type { MaintenanceTasks } from '../services/policy/maintenance.ts';
import type { PolicyScheduler } from '../services/policy/scheduler.ts';
import type { Parts } from './context.ts';
import { registryOptions } from './options.ts';
import type { AppDeps, Live, Running } from './running.ts';
import { makeStateFolder } from './state-folder.ts';
import { followLocations, openAlertManager, publishingTo, watchTime } from './wiring/alert.ts';
import {
  type Database,
  checkConnection,
  monitorClock,
  openDatabase,
  prepareDatabase,
  probeDatabase,
} from './wiring/database.ts';
import { type Servers, startServers } from './wiring/embedded.ts';
import { openHttp } from './wiring/http.ts';
import { type IngestEnds, routerOf, startIngest } from './wiring/ingest.ts';
import { createDispatcher, sinkPartsOf, warnOfEcho } from './wiring/notify.ts';
import { createMaintenance, createLateRefresh, openScheduler } from './wiring/policy.ts';
import { type SharedEvaluation, openShardTable, shareEvaluation, subscriptionOf } from './wiring/shards.ts';
import { type SpoolParts, openSpoolFolder, openSpoolWriter } from './wiring/spool.ts';

/** Built before the database is queried. */
interface Components {
  readonly live: Live;
  readonly servers: Servers;
  readonly database: Database;
  readonly registry: SensorRegistry;
  readonly dispatcher: NotificationDispatcher;
  readonly alertManager: AlertManager;
  /** The engine, or in a share group the evaluator that divides readings between it and other members. */
  readonly publishing: AlertEvaluator;
  readonly shared: SharedEvaluation | undefined;
  readonly accounting: IngestAccounting;
  readonly watch: OutageMonitor;
  readonly deadLetters: DeadLetterBudget;
  /** Where a spool is configured. */
  readonly arrivalClocks: ArrivalClocks | undefined;
  /** The store, reporting what comes too late for the refresh policies. */
  readonly stored: (store: ReadingStore) => ReadingStore;
  readonly spool: SpoolParts | undefined;
  readonly maintenance: MaintenanceTasks;
  readonly lateRefresh: LateRefresh | undefined;
  readonly scheduler: PolicyScheduler | undefined;
}

/**
 * Builds the components, runs the steps that need the database, then accepts messages. Where the database is away and
 * there is a spool, messages are accepted without it.
 */
export async function assemble(parts: Parts, deps: AppDeps): Promise<Running> {
  const components = await makeComponents(parts, deps);
  const { live, servers, registry, scheduler, dispatcher, spool, accounting, deadLetters } = components;
  const writer = makeWriter(parts, deps, components);
  const clockMonitor = monitorClock(parts, components.database, components.arrivalClocks);
  const start = startOf(parts, components, writer, clockMonitor);
  if (spool === undefined) await start.now();
  else await spool.start(start);
  // Before the first message is stamped, where the database is available to give the time.
  if (start.done) await clockMonitor.start();
  else void clockMonitor.start();
  const probe = probeDatabase(parts, components.database, () => {
    writer.retryNow();
    spool?.retryNow();
  });
  void probe.start();
  const watchedRoutes = watchRoutes(parts, live);
  const connectivity = () => live.connectivity;
  const httpPort = await openHttp(parts, {
    ...{ writer, scheduler, dispatcher, watchedRoutes, connectivity, probe },
    clockCorrectionMs: () => clockMonitor.correctionMs,
    awaited: components.shared && (() => components.shared?.awaited() ?? []),
  });
  const { source, ingest, publish } = await startIngest(
    { ...parts, wrap: deps.wrap?.source },
    {
      url: servers.mqttUrl,
      router: live.router,
      registry,
      alertManager: previewedBy(components),
      writer,
      accounting,
      deadLetters,
      arrivalClocks: components.arrivalClocks,
    },
    (state) => {
      live.connectivity = state;
      components.alertManager.onConnectivity(state);
    },
  );
  live.publish = publish;
  components.shared?.receiveFrom({
    source,
    subscribed: () => subscriptionOf(live.connectivity, live.router.filters),
  });
  live.reading = () => !ingest.isPaused;
  return { ...components, start, writer, source, ingest, watchedRoutes, httpPort };
}

async function makeComponents(parts: Parts, deps: AppDeps): Promise<Components> {
  const { config, logger, metrics, cleanup } = parts;
  const live = liveOf(config);
  const servers = await startServers(config, logger, cleanup);
  makeStateFolder(config.state_dir, logger);
  const database = await openDatabase(parts, servers.databaseUrl);
  const registry = new SensorRegistry(registryOptions(config), { ...parts, directory: database.directory });
  warnOfEcho(config, live.router.filters, logger);
  const dispatcher = createDispatcher(parts, database, sinkPartsOf(parts.clock, registry, live));
  const folder = await openSpoolFolder(parts);
  const table = openShardTable(config);
  const alertManager = openAlertManager(parts, database, deps, {
    router: dispatcher,
    spool: folder?.spool,
    shards: table,
  });
  const engine = publishingTo(alertManager, deps.onAlert);
  const shared = table && shareEvaluation(parts, { table, database, alertManager, registry, engine });
  const publishing = shared?.evaluator ?? engine;
  const [accounting, watch] = [new IngestAccounting(metrics), new OutageMonitor(parts)];
  const deadLetters = new DeadLetterBudget(config.dead_letters.max_per_minute, parts);
  const lateRefresh = createLateRefresh(parts, servers);
  const stored = (store: ReadingStore) =>
    lateRefresh === undefined ? store : recordingLate(store, (rows) => lateRefresh.note(rows));
  const components = {
    ...{
      live,
      servers,
      database,
      registry,
      dispatcher,
      alertManager,
      publishing,
      shared,
      accounting,
      watch,
      stored,
    },
    deadLetters,
    arrivalClocks: folder?.arrivalClocks,
  };
  const spool = folder && (await openSpoolWriter(parts, components, folder.spool));
  cleanup.add('alert manager', () => alertManager.stop());
  const maintenance = createMaintenance(parts, database, servers);
  const scheduler = openScheduler(parts, servers, database, (notifications) => engine.publish(notifications));
  return { ...components, spool, maintenance, lateRefresh, scheduler };
}

/** In a share group only the evaluating member publishes alerts early. */
function previewedBy({ alertManager, publishing }: Components): IngestEnds['alertManager'] {
  return {
    previewAlerts: (preview) => alertManager.previewAlerts(preview),
    knows: (sensorId) => publishing.knows(sensorId),
    publishUnpersisted: (notifications) => publishing.publishUnpersisted(notifications),
    setEvaluatedUntil: (timeMs) => alertManager.setEvaluatedUntil(timeMs),
    setReceiving: (receiving, source) => alertManager.setReceiving(receiving, source),
  };
}

function liveOf(config: Config): Live {
  return {
    config,
    router: routerOf(config),
    connectivity: { state: 'connecting' },
    publish: undefined,
    reading: () => false,
  };
}

function makeWriter(parts: Parts, deps: AppDeps, components: Components): BatchWriter {
  const { database, registry, publishing, watch, spool, stored, alertManager, live, deadLetters } =
    components;
  const store = stored(database.store);
  const { min: baseMs, max: capMs } = parts.config.ingest.retry;
  const writer = new BatchWriter(
    { baseMs, capMs },
    {
      ...{ registry, watch, alertManager: publishing, spool: spool?.forWriter, deadLetters },
      store: deps.wrap?.store?.(store) ?? store,
      ...{ clock: parts.clock, logger: parts.logger, metrics: parts.metrics, random: Math.random },
    },
  );
  followLocations(registry, alertManager, writer, live);
  return writer;
}

/** All steps of a start that need the database, in order. */
function startOf(
  parts: Parts,
  components: Components,
  writer: BatchWriter,
  clockMonitor: ClockMonitor,
): DeferredStartup {
  const { database, registry, alertManager, shared, spool, dispatcher, maintenance, lateRefresh, scheduler } =
    components;
  const run = async (signal: AbortSignal) => {
    // Before anything drains that was stamped without the server's clock.
    await clockMonitor.compare();
    await prepareDatabase(parts, database);
    signal.throwIfAborted();
    await registry.load();
    // The alert state of the last outage is newer than the state that is read next.
    await spool?.replayAlerts(signal);
    // In a share group the states of shards are read when the shards are acquired.
    await alertManager.sensorsChanged(registry);
    // Nothing may be started any more once all is being stopped.
    signal.throwIfAborted();
    dispatcher.start();
    maintenance.start();
    lateRefresh?.start();
    await scheduler?.start();
    watchTime(alertManager, writer, shared);
    await shared?.start(writer);
  };
  return new DeferredStartup({ tryConnect: () => checkConnection(database), run });
}

/** While nothing can arrive, because the broker is away or reading is paused, no route counts as stale. */
function watchRoutes({ clock, logger, metrics, cleanup }: Parts, live: Live): StaleRoutes {
  const receiving = () => live.connectivity.state === 'subscribed' && live.reading();
  const watchedRoutes = new StaleRoutes(live.router, { clock, logger, metrics, receiving });
  watchedRoutes.start();
  cleanup.add('stale routes', () => watchedRoutes.stop());
  return watchedRoutes;
}
