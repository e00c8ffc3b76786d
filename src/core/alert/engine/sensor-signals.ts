import type { Millis } from '../../reading.ts';
import type { Suppressor } from '../suppress/suppressor.ts';
import { type CatchUp, type CatchUpParts, isDue } from './catch-up.ts';
import { silenceDueMs } from './due-times.ts';
import type { Series } from './series.ts';
import type { SeriesIndex, Slot } from './series-index.ts';
import { NEVER } from './series-state.ts';
import type { SeriesTimers } from './timers.ts';
import type { WorkingSet } from './working-set.ts';

interface Availability {
  readonly receivedAtMs: Millis;
  /** A retained message of the broker: its sensor may no longer exist. */
  readonly retained?: boolean | undefined;
}

/** Signals of a sensor as a whole: that it sent something, that something came through it as a gateway, its availability. */
export class SensorSignals {
  private readonly map: SeriesIndex;
  private readonly workingSet: WorkingSet;
  private readonly timers: SeriesTimers;
  private readonly suppressor: Suppressor;
  private readonly catchUp: CatchUp;

  constructor(parts: CatchUpParts & { readonly catchUp: CatchUp }) {
    this.map = parts.map;
    this.workingSet = parts.workingSet;
    this.timers = parts.timers;
    this.suppressor = parts.suppressor;
    this.catchUp = parts.catchUp;
  }

  /** A sensor's availability message, last will or death certificate. */
  availability(slot: Slot, online: boolean, { receivedAtMs, retained }: Availability): void {
    if (online) {
      const { own } = slot;
      if (own === undefined) return;
      const isOpen = own.active > 0 || this.workingSet.open.has(own);
      // What the broker had retained shows only that the sensor is not reported offline any more.
      if (retained === true ? isOpen && this.wasReported(own) : isOpen || slot.rules.countsMessages)
        this.message(slot, own, receivedAtMs);
      return;
    }
    const own = this.map.ownSeries(slot);
    if (own === undefined) return;
    this.workingSet.enter(own);
    this.catchUp.upTo(own, receivedAtMs);
    if (!own.missed) this.catchUpMetrics(slot, receivedAtMs);
    own.leave(receivedAtMs, this.suppressor);
    this.timers.arm(own);
  }

  /** A message of a sensor came through its gateway. */
  gateway(key: string, receivedAtMs: Millis): void {
    const own = this.suppressor.gateways.of(key)?.own;
    if (own !== undefined) this.message(this.map.slotOf(own.sensor), own, receivedAtMs);
  }

  /**
   * A message of a sensor whose messages count, or that was missed. Unless one of them is so, the first message of all is
   * enough: nothing else is written or armed.
   */
  message(slot: Slot, own: Series, receivedAtMs: Millis): void {
    const counts = slot.rules.countsMessages;
    if (!counts && own.wasReceived && own.active === 0 && !this.workingSet.open.has(own)) return;
    this.workingSet.enter(own);
    if (!counts || isDue(own, receivedAtMs) || this.suppressor.dueMs <= receivedAtMs) {
      // What was due for its metrics before it was missed itself comes first.
      const missedMs = counts && !own.missed ? silenceDueMs(own, this.timers.connectedMs) : Infinity;
      if (missedMs <= receivedAtMs) this.catchUpMetrics(slot, missedMs - 1);
      this.catchUp.upTo(own, receivedAtMs);
    }
    const { gateways } = this.suppressor;
    const gateway = gateways.exists ? gateways.of(own.sensorKey) : undefined;
    const explained = gateway !== undefined && gateway.targets.size > 0 && gateway.maybeAway(receivedAtMs);
    const wasMissed = own.missed;
    if (counts) own.countMessage(receivedAtMs, this.timers.connectedMs);
    own.noteSignal(receivedAtMs, undefined, this.suppressor);
    if (counts && own.waits) this.timers.arm(own);
    else own.dueMs = NEVER;
    if (gateway !== undefined && explained) this.suppressor.explainedNoMore(gateway, receivedAtMs);
    if (!wasMissed) return;
    // Nothing else was missed while the sensor was away, or repeated: the silence of its metrics counts from now.
    for (const series of metricsOf(slot)) {
      if (!series.isExpected && series.active === 0) continue;
      this.workingSet.enter(series);
      if (series.isExpected && !series.silent) series.receivedMs = Math.max(series.receivedMs, receivedAtMs);
      this.timers.arm(series);
    }
  }

  private wasReported(own: Series): boolean {
    const { noData } = this.workingSet.enter(own);
    return noData !== undefined && 'episode' in noData.work && noData.work.episode.threshold === 0;
  }

  /** Processes what was due for the metrics of a sensor up to a moment. */
  private catchUpMetrics(slot: Slot, untilMs: Millis): void {
    for (const series of metricsOf(slot)) {
      if (!series.isExpected) continue;
      this.workingSet.enter(series);
      this.catchUp.upTo(series, untilMs);
      this.timers.arm(series);
    }
  }
}

const metricsOf = ({ named, others }: Slot): readonly Series[] =>
  others === undefined ? named : [...named, ...others.values()];
