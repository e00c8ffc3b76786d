import { type CorrectableClock, createCorrectableClock, createSystemClock } from './adapters/system/clock.ts';
import { assemble, liveOf } from './app/build.ts';
import type { AppDeps, Context, Servers } from './app/context.ts';
import { isAlive } from './app/health.ts';
import { type Reloaded, reload } from './app/reload.ts';
import type { Config } from './config/schema/index.ts';
import type { Finding } from './core/policy/finding.ts';
import { CleanupStack } from './lib/cleanup-stack.ts';
import type { Connectivity } from './ports/messages.ts';
import type { AccountingTotals } from './services/ingest/accounting.ts';
import type { StoreHealth } from './services/ingest/outage-monitor.ts';

export interface AppStatus {
  readonly totals: AccountingTotals;
  readonly connectivity: Connectivity;
  readonly store: StoreHealth;
  readonly findings: readonly Finding[];
  readonly sensors: number;
  readonly firing: number;
  /** From the arrival of the newest batch's first message to its commit. */
  readonly lagMs: number | null;
}

/** The composition root: joins services and adapters; with its folder the only place, besides the commands, that knows both. */
export class App {
  private readonly config: Config;
  private readonly deps: AppDeps;
  private readonly clock: CorrectableClock;
  private readonly cleanup: CleanupStack;
  private running: Context | undefined;

  constructor(config: Config, deps: AppDeps) {
    this.config = config;
    this.deps = deps;
    this.clock = createCorrectableClock(deps.clock ?? createSystemClock());
    this.cleanup = new CleanupStack(deps.logger);
  }

  /** Starts all or nothing: a failure releases what was acquired and is thrown on. */
  async start(): Promise<void> {
    const { config, clock, cleanup, deps } = this;
    try {
      this.running = await assemble({
        ...deps,
        config,
        clock,
        cleanup,
        live: liveOf(config, this.shownAs(deps.shown)),
      });
    } catch (error) {
      await cleanup.releaseAll();
      throw error;
    }
  }

  /** Last in, first out: ingest first, so that what is held is stored and acknowledged. Idempotent. */
  stop(): Promise<void> {
    return this.cleanup.releaseAll();
  }

  get httpPort(): number | undefined {
    return this.running?.http?.port;
  }

  get urls(): Pick<Servers, 'databaseUrl' | 'mqttUrl'> {
    return this.need().servers;
  }

  /** Undefined where the database has been there since the start; otherwise resolves when it is. */
  get awaitsDatabase(): Promise<void> | undefined {
    const { start } = this.need();
    return start.done ? undefined : start.whenDone;
  }

  /** For the watchdog. */
  alive(): boolean {
    return this.running === undefined || isAlive(this.running.writer, this.clock.monotonicMs());
  }

  status(): AppStatus {
    const { live, ingest, writer, registry, alertManager, scheduler } = this.need();
    return {
      totals: ingest.totals(),
      connectivity: live.connectivity,
      store: writer.health,
      findings: scheduler?.findings() ?? [],
      sensors: registry.size,
      firing: alertManager.firing(),
      lagMs: ingest.lagMs,
    };
  }

  /** Takes over routes, sensors, rules and policies; the connection and what is in flight stay as they are. */
  async reload(next: Config, shown?: AppDeps['shown']): Promise<Reloaded> {
    const context = this.need();
    const reloaded = await reload(context, next);
    context.live.shown = this.shownAs(shown);
    return reloaded;
  }

  private shownAs(make: AppDeps['shown']): Context['live']['shown'] {
    return make === undefined ? undefined : { make, loadedAtMs: this.clock.nowMs() };
  }

  private need(): Context {
    if (this.running === undefined) throw new Error('the app is not started');
    return this.running;
  }
}
