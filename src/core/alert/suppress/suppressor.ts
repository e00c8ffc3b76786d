import type { Millis } from '../../reading.ts';
import type { AlertInstance } from '../engine/alert-instance.ts';
import type { Counters } from '../engine/counters.ts';
import { isAhead, type SeriesTimers } from '../engine/timers.ts';
import type { Series, InstanceEffect, EffectSink } from '../engine/series.ts';
import { NEVER } from '../engine/series-state.ts';
import type { WorkingSet } from '../engine/working-set.ts';
import type { Severity, SuppressedBy } from '../model.ts';
import type { AlertsConfig } from '../rules/config.ts';
import { type EpisodeState, OK } from '../state/state.ts';
import { type Gateway, type GatewayClock, Gateways } from './gateways.ts';
import { Inhibition } from './inhibition.ts';
import { Maintenance } from './maintenance.ts';
import { type AlertLabels, matches } from './matcher.ts';
import { type Silence, isSilent, nextSilenceChangeMs } from './silence.ts';

const SECOND_MS = 1000;

/** When open alerts have to be reviewed because their suppression may have changed. */
export interface Schedule {
  /** A silence or a window begins or ends. */
  readonly timedMs: Millis;
  /** An inhibiting alert came or went. */
  readonly inhibitedMs: Millis;
}

export const NOTHING_DUE: Schedule = { timedMs: Infinity, inhibitedMs: Infinity };

/**
 * The output of an engine: collects the effects of a working set, and tracks what suppresses alerts and when that has
 * to be reviewed. Like everything else it works on a copy until `commit`.
 */
export class Suppressor implements EffectSink {
  effects: InstanceEffect[] = [];
  readonly gateways: Gateways;
  private readonly counters: Counters;
  private readonly suppressions: SuppressionIndex;
  private schedule = NOTHING_DUE;
  private committed = NOTHING_DUE;
  /** The inhibition state is not that of the committed states. */
  private stale = false;
  /** The sources were recounted: which series the last changes affect is unknown. */
  private recounted = false;
  /** No silence or window begins or ends in between: most series of a backlog are reviewed up to about the same time. */
  private unchanged = { fromMs: Infinity, untilMs: -Infinity };

  constructor(config: AlertsConfig, clock: GatewayClock, counters: Counters) {
    this.suppressions = new SuppressionIndex(config);
    this.counters = counters;
    this.gateways = new Gateways(clock);
  }

  /** Starts from the committed state of another one, with its open series. */
  follow(former: Suppressor, open: Iterable<Series>): void {
    this.suppressions.silence(former.silences);
    this.gateways.follow(former.gateways);
    this.committed = former.committed;
    this.restored();
    this.begin(open);
  }

  /** A new working set, from the committed states. */
  begin(open: Iterable<Series>): void {
    this.effects = [];
    this.schedule = this.committed;
    if (!this.stale) return;
    this.suppressions.inhibition.clear();
    this.gateways.clear();
    this.counters.clear();
    for (const series of open)
      for (const instance of series.instances)
        this.recount(series, instance, OK, instance.committed, undefined);
    this.stale = false;
    this.recounted = true;
  }

  commit(): void {
    this.committed = this.schedule;
    this.stale = false;
  }

  /** States were set outside a working set: the open sources have to be recounted. */
  restored(): void {
    this.stale = this.relates;
  }

  /** Alerts may suppress others. */
  private get relates(): boolean {
    return this.relatesByLabels || this.gateways.exists;
  }

  /** Silences or maintenance windows may suppress alerts. */
  get suppressesByLabels(): boolean {
    return this.suppressions.exist;
  }

  /** Alerts may suppress or count others by their labels. */
  get relatesByLabels(): boolean {
    return this.suppressions.inhibition.exists || this.counters.exists;
  }

  /** A gateway that may have been away was received: its sensors are missed without it. */
  explainedNoMore(gateway: Gateway, atMs: Millis): void {
    for (const series of gateway.targets.values()) this.suppressions.inhibition.affected.add(series);
    this.reviewAfter(atMs);
  }

  get silences(): readonly Silence[] {
    return this.suppressions.silences;
  }

  /** Replaces all silences. Not part of a working set. Without open alerts there is nothing to review. */
  silence(silences: readonly Silence[], nowMs: Millis, anyOpen: boolean): void {
    this.suppressions.silence(silences);
    this.unchanged = { fromMs: Infinity, untilMs: -Infinity };
    const timedMs = anyOpen ? nowMs : this.suppressions.nextChangeMs(nowMs);
    this.committed = { ...this.committed, timedMs: Math.min(this.committed.timedMs, timedMs) };
    this.schedule = { ...this.schedule, timedMs: Math.min(this.schedule.timedMs, timedMs) };
  }

  /** When all open alerts have to be reviewed. */
  get dueMs(): Millis {
    return Math.min(this.schedule.timedMs, this.schedule.inhibitedMs);
  }

  /** The next changes that all open series have to be reviewed for. */
  get due(): Schedule {
    return this.schedule;
  }

  /** The next changes to apply to a series reviewed up to `reviewedMs`: it may be ahead of the others. */
  dueAfter(reviewedMs: Millis): Schedule {
    const { timedMs, inhibitedMs } = this.schedule;
    return {
      timedMs: reviewedMs < timedMs ? timedMs : this.timedAfter(reviewedMs),
      inhibitedMs: reviewedMs < inhibitedMs ? inhibitedMs : Infinity,
    };
  }

  private timedAfter(afterMs: Millis): Millis {
    const { fromMs, untilMs } = this.unchanged;
    if (afterMs >= fromMs && afterMs < untilMs) return untilMs;
    this.unchanged = { fromMs: afterMs, untilMs: this.suppressions.nextChangeMs(afterMs) };
    return this.unchanged.untilMs;
  }

  /** The open series that the due change may affect. */
  candidates(open: Iterable<Series>): Iterable<Series> {
    return this.concernsAll ? open : this.suppressions.inhibition.affected;
  }

  /** The due change may affect any open series. */
  get concernsAll(): boolean {
    return this.recounted || this.schedule.timedMs <= this.dueMs;
  }

  /** A series was reviewed: the next slice of the review skips it. */
  markReviewed(series: Series): void {
    if (this.suppressions.inhibition.affected.delete(series)) this.stale = true;
  }

  /** All candidates were reviewed as of `dueMs`. */
  reviewed(): void {
    const { dueMs, schedule } = this;
    if (schedule.inhibitedMs <= dueMs && this.relates) {
      this.suppressions.inhibition.affected.clear();
      this.recounted = false;
      this.stale = true;
    }
    this.schedule = {
      timedMs: schedule.timedMs <= dueMs ? this.suppressions.nextChangeMs(dueMs) : schedule.timedMs,
      inhibitedMs: schedule.inhibitedMs <= dueMs ? Infinity : schedule.inhibitedMs,
    };
  }

  /** Whether a series may inhibit others, so that its deadlines come first at the same moment. */
  isSource(series: Series): boolean {
    const { inhibition } = this.suppressions;
    return series.instances.some((instance) =>
      instance.condition.levels.some(({ severity }) =>
        inhibition.isSource(labelsOf(series, instance, severity)),
      ),
    );
  }

  push(effect: InstanceEffect): void {
    this.effects.push(effect);
  }

  suppressedBy(
    series: Series,
    instance: AlertInstance,
    severity: Severity,
    atMs: Millis,
  ): SuppressedBy | undefined {
    const reason = this.suppressions.of(labelsOf(series, instance, severity), atMs);
    if (reason !== undefined || !this.gateways.exists) return reason;
    return this.gateways.covers(series, instance, atMs) ? 'inhibition' : undefined;
  }

  moved(series: Series, instance: AlertInstance, before: EpisodeState, atMs: Millis): void {
    if (before === instance.work || !this.relates) return;
    if (this.recount(series, instance, before, instance.work, atMs)) this.reviewAfter(atMs);
  }

  private reviewAfter(atMs: Millis): void {
    const checkedMs = (Math.floor(atMs / SECOND_MS) + 1) * SECOND_MS;
    this.schedule = { ...this.schedule, inhibitedMs: Math.min(this.schedule.inhibitedMs, checkedMs) };
  }

  /** True if it changes the suppression of other alerts. */
  private recount(
    series: Series,
    instance: AlertInstance,
    before: EpisodeState,
    after: EpisodeState,
    atMs: Millis | undefined,
  ): boolean {
    const { inhibition } = this.suppressions;
    const [wasOpen, isOpen] = [severityOf(before), severityOf(after)];
    const [was, is] = [explains(before), explains(after)];
    if (wasOpen === isOpen && was === is) return false;
    this.stale = true;
    const labels = (severity: Severity) => labelsOf(series, instance, severity);
    if (this.counters.exists && instance.condition.kind !== 'count')
      this.counters.moved({ was, is, labels }, atMs, this);
    const covered = this.gateways.exists
      ? this.gateways.moved(series, instance, isOpen !== undefined, atMs ?? NEVER)
      : [];
    for (const each of covered) inhibition.affected.add(each);
    if (wasOpen !== isOpen) {
      if (wasOpen !== undefined) inhibition.list(labelsOf(series, instance, wasOpen), instance, undefined);
      if (isOpen !== undefined) inhibition.list(labelsOf(series, instance, isOpen), instance, series);
    }
    if (was === is) return covered.length > 0;
    const ended = was !== undefined && inhibition.count(labelsOf(series, instance, was), -1);
    const began = is !== undefined && inhibition.count(labelsOf(series, instance, is), 1);
    return ended || began || covered.length > 0;
  }
}

const severityOf = (state: EpisodeState): Severity | undefined =>
  'episode' in state ? state.episode.severity : undefined;

/** The severity at which a state inhibits others. A latched alert is over: it inhibits nothing. */
function explains(state: EpisodeState): Severity | undefined {
  return state.kind === 'latched' ? undefined : severityOf(state);
}

function labelsOf(series: Series, { condition }: AlertInstance, severity: Severity): AlertLabels {
  const { metric, alertType, labels } = condition;
  return { sensor: series.sensor, metric, alertType, severity, labels };
}

/** All suppressions: silences of operators, maintenance windows, inhibition. */
export class SuppressionIndex {
  readonly inhibition: Inhibition;
  private readonly maintenance: readonly Maintenance[];
  private active: readonly Silence[] = [];

  constructor({ maintenance, inhibit }: Pick<AlertsConfig, 'maintenance' | 'inhibit'>) {
    this.maintenance = maintenance.map((each) => new Maintenance(each));
    this.inhibition = new Inhibition(inhibit);
  }

  get silences(): readonly Silence[] {
    return this.active;
  }

  /** Silences or maintenance windows. */
  get exist(): boolean {
    return this.active.length + this.maintenance.length > 0;
  }

  silence(silences: readonly Silence[]): void {
    this.active = silences;
  }

  /** Order of precedence: the operator's silence, then planned maintenance, then inhibition. */
  of(alert: AlertLabels, atMs: Millis): SuppressedBy | undefined {
    if (this.active.some((silence) => isSilent(silence, atMs) && matches(silence.matchers, alert)))
      return 'silence';
    if (this.maintenance.some((each) => each.covers(alert, atMs))) return 'maintenance';
    return this.inhibition.covers(alert) ? 'inhibition' : undefined;
  }

  /** When the passing of time may start or end a suppression. */
  nextChangeMs(afterMs: Millis): Millis {
    return this.maintenance.reduce(
      (nextMs, each) => Math.min(nextMs, each.nextChangeMs(afterMs)),
      nextSilenceChangeMs(this.active, afterMs),
    );
  }
}

/**
 * Defers or notifies open alerts after a change of the suppressions. At most `limit` series, in the order of their
 * deadlines, so that a run is repeatable. Returns how many there were; the rest stays due.
 */
export function reevaluateOpen(
  {
    workingSet,
    timers,
    suppressor,
  }: { workingSet: WorkingSet; timers: SeriesTimers; suppressor: Suppressor },
  nowMs: Millis,
  limit: number,
): number {
  const concerned: Series[] = [];
  const { concernsAll } = suppressor;
  let armed = 0;
  for (const series of suppressor.candidates(workingSet.openNow())) {
    if (concerned.length + armed >= limit) break;
    if (isConcerned(series, workingSet, suppressor)) concerned.push(series);
    else if (!concernsAll && suppressor.gateways.over(series) !== undefined) {
      // When its gateway ceases to explain it has changed.
      timers.arm(workingSet.enter(series));
      armed++;
    }
    suppressor.markReviewed(series);
  }
  concerned.sort((a, b) => (isAhead(a, b) ? -1 : 1));
  for (const series of concerned) {
    reevaluateSeries(workingSet.enter(series), suppressor, suppressor.due, nowMs);
    timers.arm(series);
    workingSet.putLast(series);
  }
  if (concerned.length + armed < limit) suppressor.reviewed();
  return concerned.length + armed;
}

/** Applies the earlier of these changes to a series, but never as of a moment before the last review. */
export function reevaluateSeries(
  series: Series,
  suppressor: Suppressor,
  { timedMs, inhibitedMs }: Schedule,
  nowMs: Millis,
): void {
  // Alerts that come back together get a second to end together.
  const changedMs = timedMs <= inhibitedMs ? timedMs : inhibitedMs - SECOND_MS;
  const dueMs = Math.max(changedMs, series.reviewedMs);
  series.reviewedMs = Math.max(Math.min(timedMs, inhibitedMs), series.reviewedMs);
  series.review(series.reviewedMs, { dueMs, nowMs }, suppressor);
}

function isConcerned(series: Series, workingSet: WorkingSet, suppressor: Suppressor): boolean {
  const { dueMs, due } = suppressor;
  const reviewedMs = workingSet.reviewedMsOf(series);
  if (due.inhibitedMs > dueMs && reviewedMs >= dueMs) return false;
  return series.instances.some((instance) => {
    const state = workingSet.stateOf(series, instance);
    if (!('episode' in state)) return false;
    const { severity, deferredBy } = state.episode;
    return suppressor.suppressedBy(series, instance, severity, Math.max(dueMs, reviewedMs)) !== deferredBy;
  });
}
