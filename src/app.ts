import { createSystemClock } from './adapters/clock.ts';
import { startHttp } from './adapters/http/server.ts';
import type { MetricsRegistry } from './adapters/metrics.ts';
import type { Publish } from './adapters/notify/index.ts';
import { inflate } from './adapters/zlib/inflate.ts';
import { openDatabase, type Database } from './app/database.ts';
import { isAlive, readinessChecks, type HealthSources } from './app/health.ts';
import { startIntake, tellingOf } from './app/intake.ts';
import { declaredSensors, registryOptions, sharedFilters } from './app/options.ts';
import { openSpooling } from './app/spooling.ts';
import { startServers, type Servers } from './app/servers.ts';
import { createNotifying, readBack, sinkSetups, type SinkParts } from './app/sinks.ts';
import { startHousekeeping, startLateRefresh, startScheduling } from './app/upkeep.ts';
import type { Config } from './config/index.ts';
import { diffReloadable } from './config/reload.ts';
import type { AlertNotification } from './core/alert/model.ts';
import { RuleSet } from './core/alert/rules.ts';
import type { Finding } from './core/policy/finding.ts';
import { keptBy, withoutExpired } from './core/policy/kept.ts';
import { planOf } from './core/policy/plan.ts';
import { compileRoutes, type Router } from './core/route.ts';
import type { AlertLog, Clock, Connectivity, Logger, MessageSource, ReadingStore } from './ports.ts';
import { Releasers } from './releasers.ts';
import { createAlerting, type Alerting } from './services/alerting.ts';
import { BatchWriter } from './services/batch-writer.ts';
import type { Ingest } from './services/ingest.ts';
import { IntakeLedger, type LedgerTotals } from './services/intake-ledger.ts';
import { tellingLate } from './services/late-ranges.ts';
import type { LateRefresh } from './services/late-refresh.ts';
import type { Notifying } from './services/notifying.ts';
import type { Scheduling } from './services/scheduling.ts';
import { SensorRegistry } from './services/sensor-registry.ts';
import { SilentFeeds } from './services/silent-feeds.ts';
import { StoreWatch, type StoreHealth } from './services/store-health.ts';

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

export interface AppStatus {
  readonly totals: LedgerTotals;
  readonly connectivity: Connectivity;
  readonly store: StoreHealth;
  readonly findings: readonly Finding[];
  readonly sensors: number;
  readonly firing: number;
  /** From the arrival of the newest batch's first message to its commit. */
  readonly lagMs: number | null;
}

export interface Reloaded {
  /** Sections that took effect. */
  readonly applied: readonly string[];
  /** Keys that wait for the next start. */
  readonly needsRestart: readonly string[];
}

/** The parts that live between start and stop. */
interface Running {
  readonly servers: Servers;
  readonly database: Database;
  readonly registry: SensorRegistry;
  readonly alerting: Alerting;
  readonly notifying: Notifying;
  readonly writer: BatchWriter;
  readonly source: MessageSource;
  readonly router: Router;
  readonly ingest: Ingest;
  readonly feeds: SilentFeeds;
  readonly scheduling: Scheduling | undefined;
  readonly lateRefresh: LateRefresh | undefined;
  readonly httpPort: number | undefined;
}

/** The composition root: joins services and adapters; the only place, besides the commands, that knows both. */
export class App {
  private config: Config;
  private readonly deps: AppDeps;
  private readonly clock: Clock;
  private readonly releasers: Releasers;
  private running: Running | undefined;
  private connectivity: Connectivity = { state: 'connecting' };
  /** Over the connection to the broker, once there is one. */
  private publish: Publish | undefined;

  constructor(config: Config, deps: AppDeps) {
    this.config = config;
    this.deps = deps;
    this.clock = deps.clock ?? createSystemClock();
    this.releasers = new Releasers(deps.logger);
  }

  /** Starts all or nothing: a failure releases what was acquired and is thrown on. */
  async start(): Promise<void> {
    try {
      this.running = await this.assemble();
    } catch (error) {
      await this.releasers.releaseAll();
      throw error;
    }
  }

  /** Last in, first out: intake first, so that what is held is stored and acknowledged. Idempotent. */
  stop(): Promise<void> {
    return this.releasers.releaseAll();
  }

  get httpPort(): number | undefined {
    return this.running?.httpPort;
  }

  get urls(): Pick<Servers, 'databaseUrl' | 'mqttUrl'> {
    return this.need().servers;
  }

  /** For the watchdog. */
  alive(): boolean {
    return this.running === undefined || isAlive(this.running.writer, this.clock.monotonicMs());
  }

  status(): AppStatus {
    const { ingest, writer, registry, alerting, scheduling } = this.need();
    return {
      totals: ingest.totals(),
      connectivity: this.connectivity,
      store: writer.health,
      findings: scheduling?.findings() ?? [],
      sensors: registry.size,
      firing: alerting.firing(),
      lagMs: ingest.lagMs,
    };
  }

  /** Takes over routes, sensors, rules and policies; the connection and what is in flight stay as they are. */
  async reload(next: Config): Promise<Reloaded> {
    const { reloadable, needsRestart } = diffReloadable(this.config, next);
    const { database, registry, alerting, notifying, ingest, feeds, source, scheduling, writer } =
      this.need();
    const changed = new Set<string>(reloadable);
    // All that can fail comes first: a reload is whole or it is nothing.
    const router = routerOf(next, this.need().router);
    const rules = new RuleSet(next.alerts);
    const plan = planOf(next.policies);
    if (changed.has('sensors')) {
      await database.directory.declare(declaredSensors(next));
      registry.reconfigure(registryOptions(next));
    }
    await registry.load();
    await writer.commitAlerts(() => alerting.reload(rules, [...registry.all()]));
    this.warnOfEcho(next, router);
    if (changed.has('notify')) await notifying.reconfigure(sinkSetups(next, this.sinkParts(registry)));
    ingest.reroute(router);
    this.running = { ...this.need(), router };
    feeds.reroute(router);
    await source.resubscribe(sharedFilters(next, router.filters));
    scheduling?.replan(plan);
    this.need().lateRefresh?.replan(plan);
    this.config = { ...this.config, ...pick(next, reloadable) };
    return { applied: reloadable, needsRestart };
  }

  private async assemble(): Promise<Running> {
    const { config, clock, releasers, deps } = this;
    const { logger, metrics } = deps;
    const router = routerOf(config);
    const servers = await startServers(config, logger, releasers);
    const database = await openDatabase(config, servers.databaseUrl, { logger, metrics, clock, releasers });
    const registry = new SensorRegistry(registryOptions(config), {
      directory: database.directory,
      clock,
      logger,
      metrics,
    });
    await registry.load();
    const parts = { config, clock, logger, metrics, releasers };
    this.warnOfEcho(config, router);
    const notifying = createNotifying(parts, database, this.sinkParts(registry));
    const ledger = new IntakeLedger(metrics);
    const watch = new StoreWatch(parts);
    const current = () => this.config;
    const lateRefresh = startLateRefresh(parts, servers);
    const watchStore = (store: ReadingStore) =>
      lateRefresh === undefined ? store : tellingLate(store, (rows) => lateRefresh.note(rows));
    const ends = { databaseUrl: servers.databaseUrl, registry, ledger, watch, current, watchStore };
    const spool = await openSpooling(parts, ends);
    const alerting = await this.startAlerting(database, registry, notifying, spool?.told);
    notifying.start();
    startHousekeeping(parts, database, servers);
    const telling = tellingOf(alerting, deps.onAlert);
    const scheduling = await startScheduling(parts, servers, database, (told) => telling.announce(told));
    const stored = watchStore(database.store);
    const store = deps.wrap?.store?.(stored) ?? stored;
    const { min, max } = config.ingest.retry;
    const writer = new BatchWriter(
      { baseMs: min, capMs: max },
      {
        registry,
        alerting: telling,
        watch,
        spool: await spool?.start(telling),
        store,
        clock,
        logger,
        metrics,
        random: Math.random,
      },
    );
    this.followLocations(registry, alerting, writer);
    const feeds = this.watchFeeds(router);
    const httpPort = await this.startHttp({ writer, scheduling, notifying, feeds });
    // Before the first reading: what falls due by time alone (no data, held alerts) is committed between two batches.
    alerting.start(
      (evaluate) => writer.commitAlerts(evaluate),
      (evaluate) => writer.commitCommands(evaluate),
    );
    const { source, ingest, publish } = await startIntake(
      { ...parts, wrap: deps.wrap?.source },
      { url: servers.mqttUrl, router, registry, writer, ledger },
      (connectivity) => {
        this.connectivity = connectivity;
        alerting.onConnectivity(connectivity);
      },
    );
    this.publish = publish;
    return {
      servers,
      database,
      registry,
      alerting,
      notifying,
      writer,
      source,
      router,
      ingest,
      feeds,
      scheduling,
      lateRefresh,
      httpPort,
    };
  }

  private async startAlerting(
    { alertStore, operatorStore }: Database,
    registry: SensorRegistry,
    router: Notifying,
    told: readonly AlertNotification[] = [],
  ): Promise<Alerting> {
    const { logger, metrics, alertLog } = this.deps;
    const alerting = createAlerting({
      rules: new RuleSet(this.config.alerts),
      store: alertStore,
      operators: operatorStore,
      logger,
      metrics,
      clock: this.clock,
      alertLog,
      router,
    });
    alerting.wereTold(told);
    await alerting.load([...registry.all()]);
    this.releasers.add('alerting', () => alerting.stop());
    return alerting;
  }

  /** A location learned from a topic counts for the rules as one of the configuration does, from the next batch on. */
  private followLocations(registry: SensorRegistry, alerting: Alerting, writer: BatchWriter): void {
    registry.onPlaced = () =>
      void writer.commitAlerts(() => alerting.reload(new RuleSet(this.config.alerts), registry.all()));
  }

  /** While nothing can arrive, for the broker is away or reading is paused, no route is called silent. */
  private watchFeeds(router: Router): SilentFeeds {
    const { logger, metrics } = this.deps;
    const receiving = () =>
      this.connectivity.state === 'subscribed' && this.running !== undefined && !this.running.ingest.isPaused;
    const feeds = new SilentFeeds(router, { clock: this.clock, logger, metrics, receiving });
    feeds.start();
    this.releasers.add('silent feeds', () => feeds.stop());
    return feeds;
  }

  private async startHttp(parts: Omit<HealthSources, 'connectivity'>): Promise<number | undefined> {
    const { http } = this.config;
    if (!http.enabled) return undefined;
    const { logger, metrics } = this.deps;
    const server = await startHttp(http, {
      metrics,
      logger,
      readiness: readinessChecks({ ...parts, connectivity: () => this.connectivity }),
      alive: () => this.alive(),
    });
    this.releasers.add('http', () => server.stop());
    return server.port;
  }

  private warnOfEcho(config: Config, { filters }: Router): void {
    for (const prefix of readBack(config, filters))
      this.deps.logger.warn(
        { prefix },
        'a route matches the topics of an mqtt sink and reads its alerts back in',
      );
  }

  private sinkParts(registry: SensorRegistry): SinkParts {
    return {
      clock: this.clock,
      factsOf: (sensorId) => registry.findById(sensorId) ?? { name: null, location: null },
      publish: (topic, payload, options) =>
        this.publish === undefined
          ? Promise.reject(new Error('not connected'))
          : this.publish(topic, payload, options),
    };
  }

  private need(): Running {
    if (this.running === undefined) throw new Error('the app is not started');
    return this.running;
  }
}

/** `before`: the router in force, whose Sparkplug births are still good. */
function routerOf(config: Config, before?: Router): Router {
  const { routes, limits, time_window: timeWindow } = config;
  return withoutExpired(
    compileRoutes(routes, { limits, timeWindow, inflate }, before),
    keptBy(planOf(config.policies)),
  );
}

function pick(config: Config, keys: readonly (keyof Config)[]): Partial<Config> {
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}
