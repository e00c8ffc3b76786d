import type { Severity, SuppressedBy } from '../model.ts';
import type { Micros, Millis } from '../../reading.ts';
import { kindOf } from '../kind/index.ts';
import { resumed, retire, silence } from '../kind/no-data.ts';
import { withMessage } from '../kind/rhythm.ts';
import { nextState } from '../state/machine.ts';
import {
  type EpisodeState,
  type LastEvent,
  OK,
  type StepInput,
  type StepResult,
  closedUsOf,
} from '../state/state.ts';
import { type AlertInstance, activeFirst } from './alert-instance.ts';
import { decidesAtMs, heldDueMs, silenceDueMs, notificationDueMs, watermarkUs } from './due-times.ts';
import {
  type DeliveryRules,
  type SuppressedAt,
  type Notified,
  deliver,
  review,
  renotify,
  type Delivered,
} from './notification-policy.ts';
import { releasable } from './reorder-buffer.ts';
import { NEVER, type Partner, SeriesState } from './series-state.ts';

/** One metric of one sensor: applies its numbers and the passing of time to its alert instances. */
export class Series extends SeriesState {
  /** For the engine's timers: when this series is due next. */
  armedMs: Millis = Infinity;
  /** Order among series due at the same time, the lower first. */
  rank = 0;

  /** Steps (c) to (g) of the pipeline for one finite number. */
  receive(timeUs: Micros, value: number, receivedAtMs: Millis, out: EffectSink): Outcome {
    this.noteSignal(receivedAtMs, value, out);
    if (timeUs <= this.lastUs)
      return timeUs === this.lastUs && value === this.lastValue ? 'duplicate' : 'late';
    if (this.held.length === 0 && this.allowedUs === 0) {
      this.evaluate(timeUs, value, receivedAtMs, out);
      return 'evaluated';
    }
    const outcome = this.ownHeld().add(timeUs, value, receivedAtMs);
    if (outcome === 'held') this.release(receivedAtMs, out);
    return outcome;
  }

  /** The sensor is alive, however old the number is. */
  noteSignal(receivedAtMs: Millis, value: number | undefined, out: EffectSink): void {
    if (receivedAtMs > this.receivedMs) this.receivedMs = receivedAtMs;
    const { noData } = this;
    if (noData !== undefined && noData.work !== OK) {
      const { work } = noData;
      // Another daemon owned it for a while: an announced no-data alert does not restart.
      if ('episode' in work)
        this.receivedMs = Math.max(this.receivedMs, Math.ceil(work.episode.startedAtUs / 1000));
      put(this, noData, resumed(work, receivedAtMs * 1000, value), receivedAtMs, out);
    }
  }

  /** A message of the sensor: of its rhythm, unless it ends a silence that was missed or that the broker's absence explains. */
  countMessage(receivedAtMs: Millis, connectedMs: Millis | undefined): void {
    const { noData } = this;
    if (noData === undefined || this.rule.byRhythm !== true) return;
    noData.memory = withMessage(
      noData.memory,
      receivedAtMs,
      this.missed ? Infinity : (connectedMs ?? Infinity),
    );
  }

  /** The sensor or its broker reported it offline. What an operator closed stays closed until data was received again. */
  leave(receivedAtMs: Millis, out: EffectSink): void {
    const { noData } = this;
    if (noData === undefined) return;
    const closedUs = closedUsOf(noData.work);
    if (closedUs !== undefined && this.receivedMs * 1000 <= closedUs) return;
    put(this, noData, silence(noData.work, receivedAtMs * 1000, noData.condition, 0), receivedAtMs, out);
  }

  /**
   * Processes what was due at `dueMs`. `connectedMs` is undefined while the broker is disconnected: silence then has
   * no meaning.
   */
  tick(dueMs: Millis, nowMs: Millis, connectedMs: Millis | undefined, out: EffectSink): void {
    this.releaseQuiet(Math.min(nowMs, silenceDueMs(this, connectedMs)));
    this.release(dueMs, out);
    const silentMs = silenceDueMs(this, connectedMs);
    // Once missing data has fired, the other alerts are frozen.
    if (!this.silent) this.passTime(dueMs, nowMs, out);
    const { noData } = this;
    if (noData !== undefined && silentMs <= dueMs) {
      const seconds = (this.silenceAllowedMs(noData.memory) ?? 0) / 1000;
      put(this, noData, silence(noData.work, silentMs * 1000, noData.condition, seconds), nowMs, out, dueMs);
    }
    for (const instance of this.instances) {
      if (notificationDueMs(this, instance) > dueMs) continue;
      if ('episode' in instance.work && instance.work.episode.deferredBy !== undefined)
        reevaluateSuppression(this, instance, dueMs, { dueMs, nowMs }, out);
      else remind(this, instance, dueMs, nowMs, out);
    }
  }

  /** It is expected no longer, until it is received again. */
  forgetData(dueMs: Millis, nowMs: Millis, out: EffectSink): void {
    const { noData } = this;
    if (noData === undefined) return;
    put(this, noData, retire(noData.work, dueMs * 1000), nowMs, out, dueMs);
  }

  /** The suppressions changed at `at.dueMs`: open alerts are deferred or notified accordingly. */
  review(checkedMs: Millis, at: { readonly dueMs: Millis; readonly nowMs: Millis }, out: EffectSink): void {
    if (this.active === 0) return;
    for (const instance of this.instances) reevaluateSuppression(this, instance, checkedMs, at, out);
  }

  /** An operator's or the configuration's input to one alert instance. */
  apply(
    instance: AlertInstance,
    input: Exclude<StepInput, { kind: 'reading' }>,
    nowMs: Millis,
    out: EffectSink,
    atMs = nowMs,
  ): void {
    put(this, instance, nextState(instance.work, input, instance.condition), nowMs, out, atMs);
  }

  /** When time next decides something here; Infinity: only a number can. */
  nextDueMs(connectedMs: Millis | undefined): Millis {
    return decidesAtMs(this, connectedMs);
  }

  /** Whether time may decide something that is not in the timers yet. Cheap for a quiet series. */
  get waits(): boolean {
    if (this.active > 0 || this.held.length > 0) return true;
    const afterMs = this.silenceAllowedMs(this.noData?.memory);
    return afterMs !== undefined && this.armedMs > this.receivedMs + afterMs;
  }

  private passTime(untilMs: Millis, nowMs: Millis, out: EffectSink): void {
    if (this.active === 0) return;
    const input: StepInput = { kind: 'tick', nowUs: watermarkUs(this, untilMs), last: this.last };
    for (const instance of this.instances)
      if (instance !== this.noData && heldDueMs(this, instance) <= untilMs)
        this.apply(instance, input, nowMs, out, untilMs);
  }

  /**
   * Drops quiet numbers at the head of the buffer that are due by now: they change nothing visible to other series,
   * so one pass is enough for all of them, instead of one per arrival time.
   */
  private releaseQuiet(nowMs: Millis): void {
    if (this.active > 0 || this.isCompared) return;
    const { held } = this;
    const count = this.releasable(nowMs);
    let quiet = 0;
    while (quiet < count && this.isQuiet(held.valueAt(quiet))) quiet++;
    if (quiet === 0) return;
    this.lastUs = held.timeAt(quiet - 1);
    this.lastValue = held.valueAt(quiet - 1);
    this.ownHeld().drop(quiet);
  }

  /** How many of the waiting numbers may be evaluated, from the earliest. */
  private releasable(nowMs: Millis): number {
    if (this.held.length === 0) return 0;
    // What was evaluated is older than what is waiting, or no longer waiting.
    const newestUs = Math.max(this.lastUs, this.held.lastUs ?? NEVER);
    return releasable(this.held, newestUs, nowMs, this.allowedUs);
  }

  private release(nowMs: Millis, out: EffectSink): void {
    const count = this.releasable(nowMs);
    if (count === 0) return;
    // All of them leave the buffer before the first is evaluated; the fork still reads them.
    const due = this.held.fork();
    this.ownHeld().drop(count);
    for (let at = 0; at < count; at++) this.evaluate(due.timeAt(at), due.valueAt(at), nowMs, out);
  }

  /** Steps (f) and (g). */
  private evaluate(timeUs: Micros, value: number, nowMs: Millis, out: EffectSink): void {
    if (this.active > 0 || !this.isQuiet(value)) this.evaluateAll(timeUs, value, nowMs, out);
    this.lastUs = timeUs;
    this.lastValue = value;
  }

  /** While no instance is active, such a value changes none. */
  private isQuiet(value: number): boolean {
    const { simple, quietMin, quietMax } = this.rule;
    return simple && value <= quietMax && value >= quietMin;
  }

  private partnerOf(minus: Partner, timeUs: Micros): LastEvent | undefined {
    return this.partners?.(minus)?.valueAt(this.workingSet, timeUs, this.rule.staleAfterUs);
  }

  /** The number of a count has changed: it holds until it changes again. */
  count(value: number, atMs: Millis, out: EffectSink): void {
    const timeUs = Math.max(atMs * 1000, this.lastUs);
    for (const instance of this.instances) {
      const evaluation = kindOf(instance.condition.kind).evaluate(instance.condition, {
        ...{ value, timeUs, gap: false, last: this.last, memory: instance.memory },
      });
      if (instance.work === OK && (evaluation === undefined || evaluation.breached < 0)) continue;
      const input: StepInput = { kind: 'reading', timeUs, gap: false, evaluation, last: this.last };
      put(this, instance, nextState(instance.work, input, instance.condition), atMs, out);
    }
    this.lastUs = timeUs;
    this.lastValue = value;
  }

  private evaluateAll(timeUs: Micros, value: number, nowMs: Millis, out: EffectSink): void {
    const gap = timeUs - this.lastUs > this.rule.staleAfterUs;
    const { last } = this;
    for (const instance of this.active === 0 ? this.instances : activeFirst(this.instances)) {
      if (instance === this.noData) continue;
      const { condition, memory } = instance;
      const kind = kindOf(condition.kind);
      const partner = condition.minus === undefined ? undefined : this.partnerOf(condition.minus, timeUs);
      const sample = { value, timeUs, gap, last, memory, partner };
      const evaluation = kind.evaluate(condition, sample);
      if (kind.remember !== undefined) instance.memory = kind.remember(condition, sample, evaluation);
      if (instance.work === OK && (evaluation === undefined || evaluation.breached < 0)) continue;
      const input: StepInput = { kind: 'reading', timeUs, gap, evaluation, last };
      put(this, instance, nextState(instance.work, input, condition), nowMs, out);
      sendDeferred(this, instance, timeUs, evaluation?.value, nowMs, out);
    }
  }
}

/** Silence is measured by the clock: it is never history. */
const LIVE: DeliveryRules = { backfillAfterUs: Infinity, repeatUs: undefined };

/**
 * Applies the result of a transition and sends its effects. `atMs` is when it happened by the clock, `nowMs` when it
 * is noticed.
 */
export function put(
  series: Series,
  instance: AlertInstance,
  { state, effects }: StepResult,
  nowMs: Millis,
  out: EffectSink,
  atMs = nowMs,
): void {
  let before = instance.work;
  const suppressedAt = suppressing(series, instance, atMs, out);
  const lower = effects.find(({ transition }) => transition === 'deescalated');
  if (lower !== undefined) {
    // At the higher severity the alert may have inhibited itself at the lower one.
    series.set(instance, state);
    out.moved(series, instance, before, atMs);
    before = instance.work;
  }
  if (effects.length === 0) series.set(instance, state);
  else {
    const rules = instance === series.noData ? LIVE : series.rule.delivery;
    send(series, instance, deliver(state, effects, nowMs, rules, suppressedAt), out);
  }
  out.moved(series, instance, before, atMs);
  // A lower severity may be suppressed where the higher one was not, and vice versa.
  if (lower !== undefined)
    send(series, instance, review(instance.work, { dueMs: atMs, nowMs }, lower.value, suppressedAt), out);
}

/** Sends the notification of an instance that was due at `dueMs`. */
export function remind(
  series: Series,
  instance: AlertInstance,
  dueMs: Millis,
  nowMs: Millis,
  out: EffectSink,
): void {
  const value = valueFor(series, instance, dueMs);
  send(
    series,
    instance,
    renotify(instance.work, nowMs, value, suppressing(series, instance, dueMs, out)),
    out,
  );
}

/** The suppressions changed at `at.dueMs`: an open alert is deferred or notified accordingly. */
export function reevaluateSuppression(
  series: Series,
  instance: AlertInstance,
  checkedMs: Millis,
  at: { readonly dueMs: Millis; readonly nowMs: Millis },
  out: EffectSink,
): void {
  const value = valueFor(series, instance, at.dueMs);
  send(
    series,
    instance,
    review(instance.work, at, value, suppressing(series, instance, checkedMs, out)),
    out,
  );
}

/** Sends the deferred notification once readings are recent again and the episode is still open. */
export function sendDeferred(
  series: Series,
  instance: AlertInstance,
  timeUs: Micros,
  value: number | undefined,
  nowMs: Millis,
  out: EffectSink,
): void {
  if (!('episode' in instance.work) || instance.work.episode.deferredSinceMs === undefined) return;
  if (nowMs * 1000 - timeUs > series.rule.delivery.backfillAfterUs) return;
  send(
    series,
    instance,
    renotify(instance.work, nowMs, value, suppressing(series, instance, nowMs, out)),
    out,
  );
}

/** The last value of an instance; for missing data, the seconds of silence so far. */
function valueFor(series: Series, instance: AlertInstance, atMs: Millis): number | undefined {
  if (instance !== series.noData) return series.lastFor(instance)?.value;
  if (!('episode' in instance.work)) return undefined;
  const { startedAtUs, threshold } = instance.work.episode;
  return threshold + Math.max(0, Math.round(atMs - startedAtUs / 1000)) / 1000;
}

function send(
  series: Series,
  instance: AlertInstance,
  { state, delivered }: Notified,
  out: EffectSink,
): void {
  series.set(instance, state);
  for (const each of delivered) out.push({ series, instance, ...each });
}

function suppressing(series: Series, instance: AlertInstance, atMs: Millis, out: EffectSink): SuppressedAt {
  return (severity) => out.suppressedBy(series, instance, severity, atMs);
}

/** The outcome of a number in the pipeline (ALERTS.md section 3). */
export type Outcome = 'evaluated' | 'held' | 'late' | 'duplicate';

/** A transition of one alert instance, as output of the engine. */
export interface InstanceEffect extends Delivered {
  readonly series: Series;
  readonly instance: AlertInstance;
}

/** Receives the effects of a series, and answers whether an alert is suppressed. */
export interface EffectSink {
  push(effect: InstanceEffect): void;
  /** The reason that suppresses an alert at a moment of the receive clock. */
  suppressedBy(
    series: Series,
    instance: AlertInstance,
    severity: Severity,
    atMs: Millis,
  ): SuppressedBy | undefined;
  /** The state of an instance has changed: it may inhibit other alerts now, or no longer. */
  moved(series: Series, instance: AlertInstance, before: EpisodeState, atMs: Millis): void;
}
