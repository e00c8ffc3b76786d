import type { Millis } from '../reading.ts';
import type { Cell, CellEffect, Outlet } from './cell.ts';
import type { AlertsConfig } from './config.ts';
import type { Severity } from './model.ts';
import type { Series } from './series.ts';
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
  /** The open sources are not those of the committed states. */
  private stale = false;

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
    this.stale = false;
    const { inhibition } = this.suppressions;
    inhibition.clear();
    for (const series of open)
      for (const cell of series.cells) {
        const severity = explains(cell.committed);
        if (severity !== undefined) inhibition.count(labelsOf(series, cell, severity), 1);
      }
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

  /** All that is open was reviewed as of `dueMs`. */
  reviewed(): void {
    const { dueMs, schedule } = this;
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
    const { inhibition } = this.suppressions;
    if (!inhibition.exists || before === cell.work) return;
    const was = explains(before);
    const is = explains(cell.work);
    if (was === is) return;
    this.stale = true;
    const ended = was !== undefined && inhibition.count(labelsOf(series, cell, was), -1);
    const began = is !== undefined && inhibition.count(labelsOf(series, cell, is), 1);
    if (!ended && !began) return;
    const lookMs = (Math.floor(atMs / SECOND_MS) + 1) * SECOND_MS;
    this.schedule = { ...this.schedule, inhibitedMs: Math.min(this.schedule.inhibitedMs, lookMs) };
  }
}

/** The severity at which a state explains others. One that is only latched is over: it explains nothing any more. */
function explains(state: EpisodeState): Severity | undefined {
  return 'episode' in state && state.kind !== 'latched' ? state.episode.severity : undefined;
}

function labelsOf(series: Series, { condition }: Cell, severity: Severity): AlertLabels {
  return { sensor: series.sensor, metric: condition.metric, alertType: condition.alertType, severity };
}
