import { messageOf } from '../../core/errors.ts';
import type { Catalog } from '../../core/policy/catalog.ts';
import { type Within, lateCheckWithin } from '../../core/policy/check/late.ts';
import { intervalMs } from '../../core/policy/interval.ts';
import type { PolicyPlan } from '../../core/policy/plan.ts';
import type { StatementExecutor } from '../../core/policy/repair/repair-plan.ts';
import { type Range, clipped, merged } from '../../core/policy/repair/slices.ts';
import type { Micros } from '../../core/reading.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { Outage } from '../../lib/outage.ts';
import { InterruptibleSleep } from '../../lib/sleep.ts';
import type { LeaderLock } from '../../ports/maintenance.ts';
import type { Logger, Metrics } from '../../ports/metrics.ts';
import type { ReadingStore, StorableReading } from '../../ports/store.ts';
import type { Clock } from '../../ports/time.ts';
import { runRepair } from './repair-runner.ts';

export interface LateRefreshOptions {
  readonly catalog: Catalog;
  readonly executor: StatementExecutor;
  /** Only one of several daemons refreshes at a time: two in one range make each other fail. */
  readonly lock: LeaderLock;
  readonly plan: PolicyPlan;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** How long late readings are gathered before their hours are refreshed. */
  readonly gatherMs?: number;
}

/** Reconnected devices send for a while: refreshing each hour once is enough. */
const GATHER_MS = 30_000;
/** Statements in a row; then live readings have the database for themselves. */
const STATEMENTS = 10;
const PAUSE_MS = 500;
const RETRY = { baseMs: 5000, capMs: 600_000 };
const HOUR_US = 3_600_000_000;

/**
 * Refreshes the hours, and then the days, of readings that came too late for the refresh policies, which look back no
 * further than their start_offset, and at its start those that were stored before an aggregate was made. It does what
 * `policies repair --only late` does, for the hours that were touched: in slices, and never where the source was dropped. What is
 * lost in a crash, that check still finds.
 */
export class LateRefresh {
  private readonly options: LateRefreshOptions;
  private readonly logger: Logger;
  private readonly sleeper: InterruptibleSleep;
  private readonly stopping = new AbortController();
  private readonly late = new LateRanges();
  private readonly runs;
  private plan: PolicyPlan;
  /** False until what no refresh ever reached was looked for, and refreshed. */
  private covered = false;
  /** Ranges being refreshed. */
  private current: LateRanges['all'] = [];
  private readonly outage: Outage;
  private windowUs: number | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(options: LateRefreshOptions) {
    this.options = options;
    this.logger = options.logger.child({ component: 'late-refresh' });
    this.sleeper = new InterruptibleSleep(options.clock);
    this.outage = new Outage(options.clock);
    this.plan = options.plan;
    this.windowUs = windowOf(options.plan);
    const hours = options.metrics.gauge(
      'fieldwatch_late_buckets',
      'Hour buckets with late readings that await an aggregate refresh',
    );
    options.metrics.onCollect(() => hours.set(this.late.hours + hoursOf(this.current)));
    this.runs = options.metrics.counter(
      'fieldwatch_late_refreshes_total',
      'Refreshes of aggregates after late readings',
      ['outcome'],
    );
  }

  start(): void {
    this.running = this.run();
  }

  /** Drops what has not begun. Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.sleeper.stop();
    await this.running;
    await this.releaseLock();
  }

  replan(plan: PolicyPlan): void {
    this.plan = plan;
    this.windowUs = windowOf(plan);
  }

  /** After each commit; cheap where nothing is late. */
  note(readings: readonly StorableReading[]): void {
    if (this.windowUs === undefined) return;
    const ranges = hoursBefore(readings, this.options.clock.nowMs() * 1000 - this.windowUs);
    if (ranges.length === 0) return;
    const idle = this.late.all.length === 0;
    this.late.add(ranges);
    if (idle && this.covered) this.sleeper.wake();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      if (this.covered && this.late.all.length === 0) await this.sleeper.sleep(FOR_EVER_MS);
      else {
        await this.sleeper.sleep(this.waitMs(failures));
        if (signal.aborted) return;
        failures = (await this.refresh()) ? 0 : failures + 1;
      }
    }
  }

  private waitMs(failures: number): number {
    const { gatherMs = GATHER_MS, random } = this.options;
    return failures === 0 ? gatherMs : Math.max(gatherMs, backoffMs(failures, RETRY, random));
  }

  /** All that is recorded now, a week at a time. False: some of it is left for later. */
  private async refresh(): Promise<boolean> {
    const { hours } = this.late;
    let statements = 0;
    try {
      if (!(await this.options.lock.tryHold())) throw new Error('another daemon is refreshing');
      if (!this.covered) {
        let filled = 0;
        // One after the other, sources first: what changes below an aggregate that is filled in would outdate it.
        for (const { relation } of this.plan.relations)
          if (relation.kind === 'aggregate') filled += await this.repair({ uncoveredOf: relation.name });
        this.covered = true;
        if (filled > 0) this.logger.info({ statements: filled }, 'history of new aggregates filled in');
      }
      while (this.late.all.length > 0) {
        const week = this.late.takeWeek();
        this.current = week;
        statements += await this.repair(week);
        this.current = [];
        await this.sleeper.sleep(PAUSE_MS);
      }
      if (statements > 0) this.logger.info({ hours, statements }, 'aggregates refreshed after late readings');
      this.outage.recovered();
      return true;
    } catch (error) {
      this.late.add(this.current);
      if (!this.stopping.signal.aborted && this.outage.failed(error))
        this.logger.warn({ hours, error: messageOf(error) }, 'late readings not aggregated yet, retrying');
      return false;
    } finally {
      this.current = [];
      await this.releaseLock();
    }
  }

  /** It ends with its connection at the latest. */
  private async releaseLock(): Promise<void> {
    await this.options.lock.release().catch(() => undefined);
  }

  /** How many refreshes it took. Rejects with the first that failed. */
  private async repair(ranges: Within): Promise<number> {
    const { catalog, executor } = this.options;
    const { signal } = this.stopping;
    const checks = [lateCheckWithin(ranges)];
    let before = '';
    for (let done = 0; ; await this.sleeper.sleep(PAUSE_MS)) {
      signal.throwIfAborted();
      const { plan } = this;
      const effects = ['refresh'] as const;
      const { runs, left } = await runRepair({
        catalog,
        executor,
        plan,
        checks,
        effects,
        signal,
        most: STATEMENTS,
      });
      for (const { error } of runs) this.runs.inc(1, { outcome: error === undefined ? 'ok' : 'failed' });
      const failed = runs.find(({ error }) => error !== undefined);
      if (failed !== undefined) throw new Error(`${failed.step.about}: ${failed.error}`);
      done += runs.length;
      // A range that a refresh does not bring up to date is reported by the `late` check.
      const rest = left.steps.map(({ sql }) => sql).join('\n');
      if (rest === '' || rest === before) return done;
      before = rest;
    }
  }
}

/** Woken by every new entry. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** How far back the refresh of raw readings reaches, less the bucket that it may leave out. */
function windowOf(plan: PolicyPlan): number | undefined {
  const offsets = plan.relations
    .flatMap(({ policies }) => policies)
    .flatMap(({ kind, config }) =>
      kind === 'refresh' ? [intervalMs(config['start_offset'] ?? '0 seconds') * 1000] : [],
    );
  return offsets.length === 0 ? undefined : Math.min(...offsets) - HOUR_US;
}

/** Checked and refreshed together: it bounds the queries, whatever the span of a backfill. */
const WEEK_US = 7 * 24 * HOUR_US;
/** Beyond this many separate ranges they become one: up-to-date buckets in between cost no refresh. */
const MOST_RANGES = 500;

/** Hours that late readings touched, joined where they adjoin, bounded in number. */
export class LateRanges {
  private list: readonly Range[] = [];

  get all(): readonly Range[] {
    return this.list;
  }

  get hours(): number {
    return hoursOf(this.list);
  }

  add(ranges: readonly Range[]): void {
    const joined = merged([...this.list, ...ranges], HOUR_US);
    const [first, last] = [joined[0], joined.at(-1)];
    const tooMany = joined.length > MOST_RANGES && first !== undefined && last !== undefined;
    this.list = tooMany ? [{ from: first.from, until: last.until }] : joined;
  }

  /** Takes the ranges of the oldest week that has any. */
  takeWeek(): readonly Range[] {
    const from = Math.floor((this.list[0]?.from ?? 0) / WEEK_US) * WEEK_US;
    const until = from + WEEK_US;
    const taken = clipped(this.list, [{ from, until }], HOUR_US);
    this.list = clipped(this.list, [{ from: until, until: Number.MAX_SAFE_INTEGER }], HOUR_US);
    return taken;
  }
}

export const hoursOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { from, until }) => sum + (until - from) / HOUR_US, 0);

/** The hours of the readings before `edgeUs`, as ranges of an hour each. */
export function hoursBefore(readings: readonly StorableReading[], edgeUs: Micros): readonly Range[] {
  const hours = new Set<number>();
  for (const { timeUs } of readings) if (timeUs < edgeUs) hours.add(Math.floor(timeUs / HOUR_US));
  return [...hours].map((hour) => ({ from: hour * HOUR_US, until: (hour + 1) * HOUR_US }));
}

/** A store that reports the late readings of every commit, whichever way they came. The store itself where nothing is refreshed. */
export function recordingLate(
  store: ReadingStore,
  refresh: Pick<LateRefresh, 'note'> | undefined,
): ReadingStore {
  if (refresh === undefined) return store;
  return {
    async commit(batch, signal, answered) {
      const result = await store.commit(batch, signal, answered);
      // Duplicates too: an attempt whose reply was lost may have stored them, and was never reported.
      if (result.kind === 'committed') refresh.note(batch.readings);
      return result;
    },
    disconnect: async () => store.disconnect?.(),
    close: () => store.close(),
  };
}
