import type { Micros, Millis } from '../reading.ts';
import { activeFirst } from './cell.ts';
import type { Cell, Outcome, Outlet } from './cell.ts';
import { decidesAtMs, heldDueMs, silenceDueMs, tellDueMs, watermarkUs } from './deadlines.ts';
import { judge } from './judge.ts';
import { slide } from './kind/anomaly.ts';
import { resumed, silence } from './kind/no-data.ts';
import { releasable } from './lateness.ts';
import { NEVER, SeriesMemory } from './series-memory.ts';
import { closedUsOf, OK } from './state.ts';
import type { StepInput } from './state.ts';
import { step } from './step.ts';
import { put, reconsider, remind, repay } from './telling.ts';

/** One metric of one sensor: what its numbers and the passing of time do to its cells. */
export class Series extends SeriesMemory {
  /** For the engine's timers: when it looks here next. */
  armedMs: Millis = Infinity;
  /** May explain other alerts: at the same moment it is looked at first. */
  precedes = false;

  /** Steps (c) to (g) of the pipeline for one finite number. */
  receive(timeUs: Micros, value: number, receivedAtMs: Millis, out: Outlet): Outcome {
    this.hear(receivedAtMs, value, out);
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

  /** A sign of life, however old its number is. */
  hear(receivedAtMs: Millis, value: number | undefined, out: Outlet): void {
    if (receivedAtMs > this.receivedMs) this.receivedMs = receivedAtMs;
    const { noData } = this;
    if (noData !== undefined && noData.work !== OK) {
      const { work } = noData;
      // Another daemon held it for a while: the no-data alert that was announced does not begin anew.
      if ('episode' in work)
        this.receivedMs = Math.max(this.receivedMs, Math.ceil(work.episode.startedAtUs / 1000));
      put(this, noData, resumed(work, receivedAtMs * 1000, value), receivedAtMs, out);
    }
  }

  /** It said that it is gone, or its broker did. What an operator closed stays closed until it was heard again. */
  leave(receivedAtMs: Millis, out: Outlet): void {
    const { noData } = this;
    if (noData === undefined) return;
    const closedUs = closedUsOf(noData.work);
    if (closedUs !== undefined && this.receivedMs * 1000 <= closedUs) return;
    put(this, noData, silence(noData.work, receivedAtMs * 1000, noData.condition, 0), receivedAtMs, out);
  }

  /** What was due at `dueMs`, looked at now. `connectedMs` is undefined while the broker is away: then silence says nothing. */
  tick(dueMs: Millis, nowMs: Millis, connectedMs: Millis | undefined, out: Outlet): void {
    this.releaseQuiet(Math.min(nowMs, silenceDueMs(this, connectedMs)));
    this.release(dueMs, out);
    const silentMs = silenceDueMs(this, connectedMs);
    // Once no data fires, the other alerts are held.
    if (!this.silent) this.passTime(dueMs, nowMs, out);
    const { noData } = this;
    if (noData !== undefined && silentMs <= dueMs)
      put(this, noData, silence(noData.work, silentMs * 1000, noData.condition), nowMs, out, dueMs);
    for (const cell of this.cells) if (tellDueMs(this, cell) <= dueMs) remind(this, cell, dueMs, nowMs, out);
  }

  /** What suppresses alerts has changed at `at.dueMs`: what is open here is deferred or told because of it. */
  review(lookMs: Millis, at: { readonly dueMs: Millis; readonly nowMs: Millis }, out: Outlet): void {
    if (this.active === 0) return;
    for (const cell of this.cells) reconsider(this, cell, lookMs, at, out);
  }

  /** An operator's or the configuration's input to one cell. */
  apply(
    cell: Cell,
    input: Exclude<StepInput, { kind: 'reading' }>,
    nowMs: Millis,
    out: Outlet,
    atMs = nowMs,
  ): void {
    put(this, cell, step(cell.work, input, cell.condition), nowMs, out, atMs);
  }

  /** When time alone next decides something here; Infinity: only a number can. */
  nextDueMs(connectedMs: Millis | undefined): Millis {
    return decidesAtMs(this, connectedMs);
  }

  /** Whether time may decide something that the timers do not know of yet. Costs nothing for a quiet series. */
  get waits(): boolean {
    if (this.active > 0 || this.held.length > 0) return true;
    const { noDataAfterMs } = this.rule;
    return noDataAfterMs !== undefined && this.armedMs > this.receivedMs + noDataAfterMs;
  }

  private passTime(untilMs: Millis, nowMs: Millis, out: Outlet): void {
    if (this.active === 0) return;
    const input: StepInput = { kind: 'tick', nowUs: watermarkUs(this, untilMs), last: this.last };
    for (const cell of this.cells)
      if (cell !== this.noData && heldDueMs(this, cell) <= untilMs)
        this.apply(cell, input, nowMs, out, untilMs);
  }

  /**
   * Quiet numbers at the head of what waits, due at any time until now: they change nothing that other series could see, so
   * one look is enough for all of them, instead of one for each moment of arrival.
   */
  private releaseQuiet(nowMs: Millis): void {
    if (this.active > 0) return;
    const { held } = this;
    const count = this.releasable(nowMs);
    let quiet = 0;
    while (quiet < count && this.isQuiet(held.valueAt(quiet))) quiet++;
    if (quiet === 0) return;
    this.lastUs = held.timeAt(quiet - 1);
    this.lastValue = held.valueAt(quiet - 1);
    this.ownHeld().drop(quiet);
  }

  /** How many of the numbers that wait may be evaluated, from the earliest. */
  private releasable(nowMs: Millis): number {
    if (this.held.length === 0) return 0;
    // What was evaluated is older than what waits, or waits no more.
    const newestUs = Math.max(this.lastUs, this.held.lastUs ?? NEVER);
    return releasable(this.held, newestUs, nowMs, this.allowedUs);
  }

  private release(nowMs: Millis, out: Outlet): void {
    const count = this.releasable(nowMs);
    if (count === 0) return;
    // None of them is waited for any more once the first is evaluated; what is dropped can be read still.
    const due = this.held.fork();
    this.ownHeld().drop(count);
    for (let at = 0; at < count; at++) this.evaluate(due.timeAt(at), due.valueAt(at), nowMs, out);
  }

  /** Steps (f) and (g). */
  private evaluate(timeUs: Micros, value: number, nowMs: Millis, out: Outlet): void {
    if (this.active > 0 || !this.isQuiet(value)) this.judgeAll(timeUs, value, nowMs, out);
    this.lastUs = timeUs;
    this.lastValue = value;
  }

  /** While no cell is active, such a value changes none. */
  private isQuiet(value: number): boolean {
    const { simple, quietMin, quietMax } = this.rule;
    return simple && value <= quietMax && value >= quietMin;
  }

  private judgeAll(timeUs: Micros, value: number, nowMs: Millis, out: Outlet): void {
    const gap = timeUs - this.lastUs > this.rule.staleAfterUs;
    const { last, window } = this;
    const sample = { value, timeUs, gap, last, window };
    for (const cell of this.active === 0 ? this.cells : activeFirst(this.cells)) {
      const { condition } = cell;
      if (condition.kind === 'no_data' || condition.kind === 'offline') continue;
      const verdict = judge(condition, sample);
      if (condition.kind === 'anomaly') this.window = slide(window, this.rule.window, value, verdict);
      if (cell.work === OK && (verdict === undefined || verdict.breached < 0)) continue;
      const input: StepInput = { kind: 'reading', timeUs, gap, verdict, last };
      put(this, cell, step(cell.work, input, condition), nowMs, out);
      repay(this, cell, timeUs, verdict?.value, nowMs, out);
    }
  }
}
