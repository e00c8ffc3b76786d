import type { Millis } from '../reading.ts';
import type { Cell, CellEffect, Outlet } from './cell.ts';
import type { AlertsConfig } from './config.ts';
import type { Severity } from './model.ts';
import type { Series } from './series.ts';
import { OK } from './state.ts';
import type { EpisodeState } from './state.ts';
import type { AlertLabels } from './suppress/labels.ts';
import type { Silence } from './suppress/silence.ts';
import { Suppressions } from './suppress/suppressions.ts';
import type { SuppressedBy } from './suppress/suppressions.ts';

const SECOND_MS = 1000;

/** When open alerts have to be looked at again, because what suppresses them may have changed. */
interface Schedule {
  /** A silence or a window begins or ends. */
  readonly timedMs: Millis;
  /** An alert that explains others came or went. */
  readonly inhibitedMs: Millis;
}

const NOTHING: Schedule = { timedMs: Infinity, inhibitedMs: Infinity };

/**
 * The way out of an engine: collects the effects of a generation, and knows what suppresses alerts and when that has to
 * be looked at again. Like everything else it works on a copy until `adopt`.
 */
export class Suppressing implements Outlet {
  effects: CellEffect[] = [];
  private readonly suppressions: Suppressions;
  private schedule = NOTHING;
  private settled = NOTHING;
  /** What inhibition knows is not that of the committed states. */
  private stale = false;
  /** It was counted anew: whom the last changes concerned is not known any more. */
  private recounted = false;

  constructor(config: AlertsConfig) {
    this.suppressions = new Suppressions(config);
  }

  /** Begins with the committed state of another, whose open series these are. */
  follow(former: Suppressing, open: Iterable<Series>): void {
    this.suppressions.silence(former.silences);
    this.settled = former.settled;
    this.restored();
    this.begin(open);
  }

  /** A new generation, from the committed states. */
  begin(open: Iterable<Series>): void {
    this.effects = [];
    this.schedule = this.settled;
    if (!this.stale) return;
    this.suppressions.inhibition.clear();
    for (const series of open)
      for (const cell of series.cells) this.recount(series, cell, OK, cell.committed);
    this.stale = false;
    this.recounted = true;
  }

  adopt(): void {
    this.settled = this.schedule;
    this.stale = false;
  }

  /** States were put in place by something else than a generation: the open sources are counted anew. */
  restored(): void {
    this.stale = this.suppressions.inhibition.exists;
  }

  get silences(): readonly Silence[] {
    return this.suppressions.silences;
  }

  /** All silences there are, from now on. Not part of a generation. Without anything open there is nothing to review. */
  silence(silences: readonly Silence[], nowMs: Millis, anyOpen: boolean): void {
    this.suppressions.silence(silences);
    const timedMs = anyOpen ? nowMs : this.suppressions.nextChangeMs(nowMs);
    this.settled = { ...this.settled, timedMs: Math.min(this.settled.timedMs, timedMs) };
    this.schedule = { ...this.schedule, timedMs: Math.min(this.schedule.timedMs, timedMs) };
  }

  /** When all that is open has to be reviewed. */
  get dueMs(): Millis {
    return Math.min(this.schedule.timedMs, this.schedule.inhibitedMs);
  }

  /** What was changed a moment ago; alerts that come back together are given that moment to end together. */
  get changedMs(): Millis {
    const { timedMs, inhibitedMs } = this.schedule;
    return timedMs <= inhibitedMs ? timedMs : inhibitedMs - SECOND_MS;
  }

  /** Whom the change that is due may concern, of all that is open. */
  candidates(open: Iterable<Series>): Iterable<Series> {
    const any = this.recounted || this.schedule.timedMs <= this.dueMs;
    return any ? open : this.suppressions.inhibition.affected;
  }

  /** One of them was looked at: the next slice of the review need not. */
  looked(series: Series): void {
    if (this.suppressions.inhibition.affected.delete(series)) this.stale = true;
  }

  /** All candidates were reviewed as of `dueMs`. */
  reviewed(): void {
    const { dueMs, schedule } = this;
    if (schedule.inhibitedMs <= dueMs && this.suppressions.inhibition.exists) {
      this.suppressions.inhibition.affected.clear();
      this.recounted = false;
      this.stale = true;
    }
    this.schedule = {
      timedMs: schedule.timedMs <= dueMs ? this.suppressions.nextChangeMs(dueMs) : schedule.timedMs,
      inhibitedMs: schedule.inhibitedMs <= dueMs ? Infinity : schedule.inhibitedMs,
    };
  }

  /** Whether a series may explain others, so that at the same moment its deadlines come first. */
  isSource(series: Series): boolean {
    const { inhibition } = this.suppressions;
    return series.cells.some((cell) =>
      cell.condition.levels.some(({ severity }) => inhibition.isSource(labelsOf(series, cell, severity))),
    );
  }

  push(effect: CellEffect): void {
    this.effects.push(effect);
  }

  suppressedBy(series: Series, cell: Cell, severity: Severity, atMs: Millis): SuppressedBy | undefined {
    return this.suppressions.of(labelsOf(series, cell, severity), atMs);
  }

  moved(series: Series, cell: Cell, before: EpisodeState, atMs: Millis): void {
    if (!this.suppressions.inhibition.exists || before === cell.work) return;
    if (!this.recount(series, cell, before, cell.work)) return;
    const lookMs = (Math.floor(atMs / SECOND_MS) + 1) * SECOND_MS;
    this.schedule = { ...this.schedule, inhibitedMs: Math.min(this.schedule.inhibitedMs, lookMs) };
  }

  /** True if others are told, or not told, because of it. */
  private recount(series: Series, cell: Cell, before: EpisodeState, after: EpisodeState): boolean {
    const { inhibition } = this.suppressions;
    const [wasOpen, isOpen] = [severityOf(before), severityOf(after)];
    const [was, is] = [explains(before), explains(after)];
    if (wasOpen === isOpen && was === is) return false;
    this.stale = true;
    if (wasOpen !== isOpen) {
      if (wasOpen !== undefined) inhibition.list(labelsOf(series, cell, wasOpen), cell, undefined);
      if (isOpen !== undefined) inhibition.list(labelsOf(series, cell, isOpen), cell, series);
    }
    if (was === is) return false;
    const ended = was !== undefined && inhibition.count(labelsOf(series, cell, was), -1);
    const began = is !== undefined && inhibition.count(labelsOf(series, cell, is), 1);
    return ended || began;
  }
}

const severityOf = (state: EpisodeState): Severity | undefined =>
  'episode' in state ? state.episode.severity : undefined;

/** The severity at which a state explains others. One that is only latched is over: it explains nothing any more. */
function explains(state: EpisodeState): Severity | undefined {
  return state.kind === 'latched' ? undefined : severityOf(state);
}

function labelsOf(series: Series, { condition }: Cell, severity: Severity): AlertLabels {
  return { sensor: series.sensor, metric: condition.metric, alertType: condition.alertType, severity };
}
