import type { Config } from '../config/index.ts';
import type { ReadingStore } from '../ports.ts';
import type { Alerting } from '../services/alerting.ts';
import type { ArrivalClocks } from '../services/arrival-clocks.ts';
import { BatchWriter, type AlertEvaluator } from '../services/batch-writer.ts';
import type { ClockMonitor } from '../services/clock-monitor.ts';
import { DeadLetterBudget } from '../services/dead-letter-budget.ts';
import { DatabaseStart } from '../services/database-start.ts';
import type { Housekeeping } from '../services/housekeeping.ts';
import { IntakeLedger } from '../services/intake-ledger.ts';
import { tellingLate } from '../services/late-ranges.ts';
import type { LateRefresh } from '../services/late-refresh.ts';
import type { Notifying } from '../services/notifying.ts';
import type { Scheduling } from '../services/scheduling.ts';
import { SensorRegistry } from '../services/sensor-registry.ts';
import { SilentFeeds } from '../services/silent-feeds.ts';
import { StoreWatch } from '../services/store-health.ts';
import { followLocations, openAlerting, tellingOf, watchTime } from './alerts.ts';
import {
  greetDatabase,
  monitorClock,
  openDatabase,
  prepareDatabase,
  probeDatabase,
  type Database,
} from './database.ts';
import { openHttp } from './http.ts';
import { startIntake, type IntakeEnds } from './intake.ts';
import { registryOptions } from './options.ts';
import type { Parts } from './parts.ts';
import { routerOf } from './router.ts';
import type { AppDeps, Live, Running } from './running.ts';
import { openShardTable, shareEvaluation, type SharedEvaluation } from './shards.ts';
import { startServers, type Servers } from './servers.ts';
import { createNotifying, sinkPartsOf, warnOfEcho } from './sinks.ts';
import { openSpooling, openSpoolFolder, type OpenSpool } from './spooling.ts';
import { makeStateFolder } from './state-folder.ts';
import { createHousekeeping, createLateRefresh, openScheduling } from './upkeep.ts';

/** What is made before anything is asked of the database. */
interface House {
  readonly live: Live;
  readonly servers: Servers;
  readonly database: Database;
  readonly registry: SensorRegistry;
  readonly notifying: Notifying;
  readonly alerting: Alerting;
  /** The engine, or in a share group what divides between it and those of other members. */
  readonly telling: AlertEvaluator;
  readonly shared: SharedEvaluation | undefined;
  readonly ledger: IntakeLedger;
  readonly watch: StoreWatch;
  readonly deadLetters: DeadLetterBudget;
  /** Where there is a spool. */
  readonly arrivalClocks: ArrivalClocks | undefined;
  /** The store, with somebody told of what comes too late for the refresh policies. */
  readonly stored: (store: ReadingStore) => ReadingStore;
  readonly spool: OpenSpool | undefined;
  readonly housekeeping: Housekeeping;
  readonly lateRefresh: LateRefresh | undefined;
  readonly scheduling: Scheduling | undefined;
}

/**
 * Makes all parts, then does what needs the database, then opens the doors. Where the database is away and there is a
 * spool, the doors are opened without it.
 */
export async function assemble(parts: Parts, deps: AppDeps): Promise<Running> {
  const house = await makeHouse(parts, deps);
  const { live, servers, registry, scheduling, notifying, spool, ledger, deadLetters } = house;
  const writer = makeWriter(parts, deps, house);
  const clockMonitor = monitorClock(parts, house.database, house.arrivalClocks);
  const start = startOf(parts, house, writer, clockMonitor);
  if (spool === undefined) await start.now();
  else await spool.start(start);
  // Before the first message is stamped, where the database is there to say what time it is.
  if (start.done) await clockMonitor.start();
  else void clockMonitor.start();
  const probe = probeDatabase(parts, house.database, () => {
    writer.retryNow();
    spool?.retryNow();
  });
  void probe.start();
  const feeds = watchFeeds(parts, live);
  const connectivity = () => live.connectivity;
  const httpPort = await openHttp(parts, {
    ...{ writer, scheduling, notifying, feeds, connectivity, probe },
    clockCorrectionMs: () => clockMonitor.correctionMs,
    awaited: house.shared && (() => house.shared?.awaited() ?? []),
  });
  const { source, ingest, publish } = await startIntake(
    { ...parts, wrap: deps.wrap?.source },
    {
      url: servers.mqttUrl,
      router: live.router,
      registry,
      alerting: foreseenBy(house),
      writer,
      ledger,
      deadLetters,
      arrivalClocks: house.arrivalClocks,
    },
    (state) => {
      live.connectivity = state;
      house.alerting.onConnectivity(state);
    },
  );
  live.publish = publish;
  live.reading = () => !ingest.isPaused;
  return { ...house, start, writer, source, ingest, feeds, httpPort };
}

async function makeHouse(parts: Parts, deps: AppDeps): Promise<House> {
  const { config, logger, metrics, releasers } = parts;
  const live = liveOf(config);
  const servers = await startServers(config, logger, releasers);
  makeStateFolder(config.state_dir, logger);
  const database = await openDatabase(parts, servers.databaseUrl);
  const registry = new SensorRegistry(registryOptions(config), { ...parts, directory: database.directory });
  warnOfEcho(config, live.router.filters, logger);
  const notifying = createNotifying(parts, database, sinkPartsOf(parts.clock, registry, live));
  const folder = await openSpoolFolder(parts);
  const table = openShardTable(config);
  const alerting = openAlerting(parts, database, deps, {
    router: notifying,
    spool: folder?.spool,
    shards: table,
  });
  const engine = tellingOf(alerting, deps.onAlert);
  const shared = table && shareEvaluation(parts, { table, database, alerting, registry, engine });
  const telling = shared?.evaluator ?? engine;
  const [ledger, watch] = [new IntakeLedger(metrics), new StoreWatch(parts)];
  const deadLetters = new DeadLetterBudget(config.dead_letters.max_per_minute, parts);
  const lateRefresh = createLateRefresh(parts, servers);
  const stored = (store: ReadingStore) =>
    lateRefresh === undefined ? store : tellingLate(store, (rows) => lateRefresh.note(rows));
  const house = {
    ...{ live, servers, database, registry, notifying, alerting, telling, shared, ledger, watch, stored },
    deadLetters,
    arrivalClocks: folder?.arrivalClocks,
  };
  const spool = folder && (await openSpooling(parts, house, folder.spool));
  releasers.add('alerting', () => alerting.stop());
  const housekeeping = createHousekeeping(parts, database, servers);
  const scheduling = openScheduling(parts, servers, database, (told) => engine.announce(told));
  return { ...house, spool, housekeeping, lateRefresh, scheduling };
}

/** In a share group nothing is foreseen by who does not evaluate it. */
function foreseenBy({ alerting, telling }: House): IntakeEnds['alerting'] {
  return {
    foresee: (foresight) => alerting.foresee(foresight),
    knows: (sensorId) => telling.knows(sensorId),
    announceUnpersisted: (notifications) => telling.announceUnpersisted(notifications),
    judgedUntil: (timeMs) => alerting.judgedUntil(timeMs),
    listen: (hears, ear) => alerting.listen(hears, ear),
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

function makeWriter(parts: Parts, deps: AppDeps, house: House): BatchWriter {
  const { database, registry, telling, watch, spool, stored, alerting, live, deadLetters } = house;
  const store = stored(database.store);
  const { min: baseMs, max: capMs } = parts.config.ingest.retry;
  const writer = new BatchWriter(
    { baseMs, capMs },
    {
      ...{ registry, watch, alerting: telling, spool: spool?.forWriter, deadLetters },
      store: deps.wrap?.store?.(store) ?? store,
      ...{ clock: parts.clock, logger: parts.logger, metrics: parts.metrics, random: Math.random },
    },
  );
  followLocations(registry, alerting, writer, live);
  return writer;
}

/** All that a start needs the database for, in order. */
function startOf(parts: Parts, house: House, writer: BatchWriter, clockMonitor: ClockMonitor): DatabaseStart {
  const { database, registry, alerting, shared, spool, notifying, housekeeping, lateRefresh, scheduling } =
    house;
  const run = async (signal: AbortSignal) => {
    // Before anything drains that was stamped without the server's clock.
    await clockMonitor.compare();
    await prepareDatabase(parts, database);
    signal.throwIfAborted();
    await registry.load();
    // What the alert engine made of the last outage is newer than the state that is read next.
    await spool?.settleAlerts(signal);
    // In a share group the states of shards are read when they are taken.
    await alerting.sensorsChanged(registry);
    // Nothing may be started any more once all is being stopped.
    signal.throwIfAborted();
    notifying.start();
    housekeeping.start();
    lateRefresh?.start();
    await scheduling?.start();
    watchTime(alerting, writer, shared);
    await shared?.start(writer);
  };
  return new DatabaseStart({ greet: () => greetDatabase(database), run });
}

/** While nothing can arrive, for the broker is away or reading is paused, no route is called silent. */
function watchFeeds({ clock, logger, metrics, releasers }: Parts, live: Live): SilentFeeds {
  const receiving = () => live.connectivity.state === 'subscribed' && live.reading();
  const feeds = new SilentFeeds(live.router, { clock, logger, metrics, receiving });
  feeds.start();
  releasers.add('silent feeds', () => feeds.stop());
  return feeds;
}
