import type { Config } from '../config/schema/index.ts';
import type { ProgramHandover } from '../services/alert/cluster/program-handover.ts';
import { IngestAccounting } from '../services/ingest/accounting.ts';
import { BatchWriter } from '../services/ingest/batch-writer.ts';
import { DeadLetterBudget } from '../services/ingest/dead-letter-budget.ts';
import { OutageMonitor } from '../services/ingest/outage-monitor.ts';
import { SensorRegistry } from '../services/ingest/sensor-registry.ts';
import { StaleRoutes } from '../services/ingest/stale-routes.ts';
import { DeferredStartup } from '../services/ingest/startup.ts';
import { recordingLate } from '../services/policy/late-refresh.ts';
import type { Base, Context, Live } from './context.ts';
import { declaredSensors, registryOptions } from './options.ts';
import { makeStateFolder } from './state-folder.ts';
import { followLocations, openAlertManager, watchTime } from './wiring/alert.ts';
import { Buttons } from './wiring/buttons.ts';
import { startCommands } from './wiring/commands.ts';
import {
  checkConnection,
  monitorClock,
  openDatabase,
  prepareDatabase,
  probeDatabase,
} from './wiring/database.ts';
import { startServers } from './wiring/embedded.ts';
import { openHttp } from './wiring/http.ts';
import { createIngest, openSource, routerOf, startIngest } from './wiring/ingest.ts';
import { createDispatcher, warnOfEcho } from './wiring/notify.ts';
import { createLateRefresh, createMaintenance, openScheduler } from './wiring/policy.ts';
import { openProgramHandover, openShardTable, shareEvaluation } from './wiring/shards.ts';
import { openSpoolComponents, openSpoolFolder } from './wiring/spool.ts';

/** Built before the database is queried. */
type Components = Omit<
  Context,
  'writer' | 'ingest' | 'clockMonitor' | 'start' | 'probe' | 'watchedRoutes' | 'http'
>;

/**
 * Builds the components, runs the steps that need the database, then accepts messages. Where the database is away and
 * there is a spool, messages are accepted without it.
 */
export async function assemble(base: Base): Promise<Context> {
  const components = await makeComponents(base);
  const { spooling } = components;
  const writer = makeWriter(components);
  const ingest = createIngest({ ...components, writer });
  const programs = openProgramHandover({ ...components, writer });
  const clockMonitor = monitorClock(components);
  const start = startOf({ ...components, writer, clockMonitor, programs });
  if (spooling === undefined) await start.now();
  else await spooling.start(start);
  // Before the first message is stamped, where the database is available to give the time.
  if (start.done) await clockMonitor.start();
  else void clockMonitor.start();
  const probe = probeDatabase(components, () => {
    writer.retryNow();
    spooling?.retryNow();
  });
  void probe.start();
  const watchedRoutes = watchRoutes({ ...components, ingest });
  const context = { ...components, writer, ingest, clockMonitor, start, probe, watchedRoutes };
  const http = await openHttp(context);
  context.shared?.connecting();
  await startIngest(context);
  context.shared?.receiving();
  startCommands(context);
  return { ...context, http };
}

export const liveOf = (config: Config, shown?: Live['shown']): Live => ({
  config,
  shown,
  router: routerOf(config),
  connectivity: { state: 'connecting' },
});

async function makeComponents(base: Base): Promise<Components> {
  const { config, live, clock, logger, metrics, cleanup } = base;
  const servers = await startServers(base);
  makeStateFolder(config.state_dir, logger);
  const database = await openDatabase({ ...base, servers });
  const { directory } = database;
  const registry = new SensorRegistry(registryOptions(config), { directory, clock, logger, metrics });
  warnOfEcho(config, live.router.filters, logger);
  const connection = openSource({ ...base, servers });
  const dispatcher = createDispatcher({ ...base, ...connection, database, registry });
  const buttons = new Buttons({ ...base, database });
  const spool = await openSpoolFolder(base);
  const found = { ...base, ...connection, ...spool, servers, database, registry, dispatcher, buttons };
  const shards = openShardTable(config);
  const alertManager = openAlertManager({ ...found, shards });
  const shared = shareEvaluation({ ...found, shards, alertManager });
  const evaluator = shared?.evaluator ?? alertManager;
  const accounting = new IngestAccounting(metrics);
  const watch = new OutageMonitor(base);
  const deadLetters = new DeadLetterBudget(config.dead_letters.max_per_minute, base);
  const lateRefresh = createLateRefresh(found);
  const parts = { ...found, shards, alertManager, shared, evaluator, accounting, watch, deadLetters };
  const spooling = await openSpoolComponents({ ...parts, lateRefresh });
  cleanup.add('alert manager', () => alertManager.stop());
  const maintenance = createMaintenance(found);
  const scheduler = openScheduler({ ...found, alertManager });
  return { ...parts, lateRefresh, spooling, maintenance, scheduler };
}

function makeWriter(components: Components): BatchWriter {
  const { config, database, registry, evaluator, watch, spooling, lateRefresh, wrap, deadLetters } =
    components;
  const { clock, logger, metrics } = components;
  const store = recordingLate(database.store, lateRefresh);
  const { min: baseMs, max: capMs } = config.ingest.retry;
  const writer = new BatchWriter(
    { baseMs, capMs },
    {
      ...{ registry, watch, alertManager: evaluator, spool: spooling?.forWriter, deadLetters },
      store: wrap?.store?.(store) ?? store,
      ...{ clock, logger, metrics, random: Math.random },
    },
  );
  followLocations({ ...components, writer });
  return writer;
}

/** All steps of a start that need the database, in order. */
function startOf(
  context: Components &
    Pick<Context, 'writer' | 'clockMonitor'> & { readonly programs: ProgramHandover | undefined },
): DeferredStartup {
  const { database, registry, alertManager, shared, spooling, dispatcher, buttons, maintenance } = context;
  const { lateRefresh, scheduler, writer, clockMonitor, programs } = context;
  const run = async (signal: AbortSignal) => {
    // Before anything drains that was stamped without the server's clock.
    await clockMonitor.compare();
    await prepareDatabase(context);
    await database.directory.declare(declaredSensors(context.config));
    signal.throwIfAborted();
    await registry.load();
    // The alert state of the last outage is newer than the state that is read next.
    await spooling?.replayAlerts(signal);
    await programs?.claim();
    // In a share group the states of shards are read when the shards are acquired.
    await alertManager.sensorsChanged(registry);
    // Nothing may be started any more once all is being stopped.
    signal.throwIfAborted();
    dispatcher.start();
    buttons.start();
    maintenance.start();
    lateRefresh?.start();
    await scheduler?.start();
    watchTime(alertManager, writer, shared);
    await shared?.start(writer);
    programs?.start();
  };
  return new DeferredStartup({ tryConnect: () => checkConnection(database), run });
}

/** While nothing can arrive, because the broker is away or reading is paused, no route counts as stale. */
function watchRoutes(context: Base & Pick<Context, 'ingest'>): StaleRoutes {
  const { clock, logger, metrics, cleanup, live, ingest } = context;
  const receiving = () => live.connectivity.state === 'subscribed' && !ingest.isPaused;
  const watchedRoutes = new StaleRoutes(live.router, { clock, logger, metrics, receiving });
  watchedRoutes.start();
  cleanup.add('stale routes', () => watchedRoutes.stop());
  return watchedRoutes;
}
