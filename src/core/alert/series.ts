import type { Micros, Millis } from '../reading.ts';
import type { MetricRule } from './compile.ts';
import { activeFirst } from './cell.ts';
import type { Cell, Outcome, Outlet } from './cell.ts';
import { heldDueMs } from './deadlines.ts';
import { deliver, deliveryDueMs, review, tellAgain } from './delivery.ts';
import type { DeliveryRules, SuppressedAt, Told } from './delivery.ts';
import type { SensorFacts } from './effective.ts';
import { judge } from './judge.ts';
import { EMPTY_WINDOW, slide } from './kind/anomaly.ts';
import type { Window } from './kind/anomaly.ts';
import { resumed, silence } from './kind/no-data.ts';
import { hold, NONE_HELD, releasable, releaseDueMs } from './lateness.ts';
import type { HeldNumbers } from './lateness.ts';
import { OK } from './state.ts';
import type { EpisodeState, LastEvent, StepInput, StepResult } from './state.ts';
import { step } from './step.ts';

/** No event yet: earlier than any time, and further back than any `stale_after`. */
const NEVER = -Infinity;

const LIVE: DeliveryRules = { backfillAfterUs: Infinity, repeatUs: undefined };

/**
 * One metric of one sensor. Everything has two copies: the settled one, and the one that the batch in hand works on,
 * which starts from the settled one in each generation. So a batch can be evaluated again as if nothing had happened.
 */
export class Series {
  readonly sensor: SensorFacts;
  readonly rule: MetricRule;
  readonly cells: readonly Cell[];
  /** The silence of a sensor counts once it was heard, now or before the start, or is expected to be. */
  expected = false;
  /** For the engine's timers: when it looks here next. */
  armedMs: Millis = Infinity;
  /** May explain other alerts: at the same moment it is looked at first. */
  precedes = false;
  window: Window = EMPTY_WINDOW;
  /** Numbers that wait for earlier ones. */
  held: HeldNumbers = NONE_HELD;
  private readonly noData: Cell | undefined;
  private generation = -1;
  /** The evaluated reading that later ones are compared with. */
  private lastUs: Micros = NEVER;
  private lastValue = NaN;
  private receivedMs: Millis = NEVER;
  private settledUs: Micros = NEVER;
  private settledValue = NaN;
  private settledReceivedMs: Millis = NEVER;
  private settledWindow: Window = EMPTY_WINDOW;
  private settledHeld: HeldNumbers = NONE_HELD;
  /** Cells in `work` that are not plainly OK: while there are none, a quiet value needs no further look. */
  private active = 0;

  constructor(sensor: SensorFacts, rule: MetricRule) {
    this.sensor = sensor;
    this.rule = rule;
    this.cells = rule.conditions.map((condition) => ({ condition, committed: OK, work: OK }));
    this.noData = this.cells.find(({ condition }) => condition.kind === 'no_data');
  }

  get sensorId(): number {
    return this.sensor.id;
  }

  get sensorKey(): string {
    return this.sensor.key;
  }

  get metric(): string {
    return this.rule.metric;
  }

  get last(): LastEvent | undefined {
    return this.lastUs === NEVER ? undefined : { timeUs: this.lastUs, value: this.lastValue };
  }

  get windowChanged(): boolean {
    return this.window !== this.settledWindow;
  }

  /** When it was last heard, by the clock. */
  get heardMs(): Millis | undefined {
    return this.receivedMs === NEVER ? undefined : this.receivedMs;
  }

  get hasHeld(): boolean {
    return this.settledHeld.length > 0;
  }

  get heldChanged(): boolean {
    return this.held !== this.settledHeld;
  }

  /** Takes over what is known from the database; an event never replaces a newer one. */
  restore(past: {
    last?: LastEvent;
    window?: Window | undefined;
    held?: HeldNumbers | undefined;
    receivedMs?: Millis | undefined;
  }): void {
    if (past.last !== undefined) this.expected = true;
    if (past.last !== undefined && past.last.timeUs > this.settledUs) {
      this.settledUs = past.last.timeUs;
      this.settledValue = past.last.value;
    }
    this.settledWindow = past.window ?? this.settledWindow;
    this.settledHeld = past.held ?? this.settledHeld;
    this.settledReceivedMs = Math.max(this.settledReceivedMs, past.receivedMs ?? NEVER);
    this.generation = -1;
  }

  /** The memory of the same metric under other rules. */
  inherit(former: Series): void {
    this.restore({ window: former.settledWindow, held: former.settledHeld });
    if (former.settledUs !== NEVER)
      this.restore({ last: { timeUs: former.settledUs, value: former.settledValue } });
    this.settledReceivedMs = former.settledReceivedMs;
    this.expected = former.expected;
  }

  /** True when this is the first touch of the generation: the caller remembers the series for `adopt`. */
  enter(generation: number): boolean {
    if (this.generation === generation) return false;
    this.generation = generation;
    this.lastUs = this.settledUs;
    this.lastValue = this.settledValue;
    this.receivedMs = this.settledReceivedMs;
    this.window = this.settledWindow;
    this.held = this.settledHeld;
    this.active = 0;
    for (const cell of this.cells) {
      cell.work = cell.committed;
      if (cell.work !== OK) this.active++;
    }
    return true;
  }

  adopt(): void {
    this.settledUs = this.lastUs;
    this.settledValue = this.lastValue;
    this.settledReceivedMs = this.receivedMs;
    this.settledWindow = this.window;
    this.settledHeld = this.held;
    for (const cell of this.cells) cell.committed = cell.work;
  }

  /** Steps (c) to (g) of the pipeline for one finite number. */
  receive(timeUs: Micros, value: number, receivedAtMs: Millis, out: Outlet): Outcome {
    if (receivedAtMs > this.receivedMs) this.receivedMs = receivedAtMs;
    const { noData } = this;
    if (noData !== undefined && noData.work !== OK)
      this.put(noData, resumed(noData.work, receivedAtMs * 1000, value), receivedAtMs, out);
    if (timeUs <= this.lastUs)
      return timeUs === this.lastUs && value === this.lastValue ? 'duplicate' : 'late';
    if (this.rule.allowedLatenessUs === 0) {
      this.evaluate(timeUs, value, receivedAtMs, out);
      return 'evaluated';
    }
    const held = hold(this.held, { timeUs, value, receivedAtMs });
    if (held === 'duplicate' || held === 'late') return held;
    this.held = held;
    this.release(receivedAtMs, out);
    return 'held';
  }

  /** What was due at `dueMs`, looked at now. `connectedMs` is undefined while the broker is away: then silence says nothing. */
  tick(dueMs: Millis, nowMs: Millis, connectedMs: Millis | undefined, out: Outlet): void {
    this.release(dueMs, out);
    const silentMs = this.silenceDueMs(connectedMs);
    // Once no data fires, the other alerts are held.
    if (!this.silent) this.passTime(dueMs, nowMs, out);
    if (this.noData !== undefined && silentMs <= dueMs)
      this.put(
        this.noData,
        silence(this.noData.work, silentMs * 1000, this.noData.condition),
        nowMs,
        out,
        dueMs,
      );
    for (const cell of this.cells) {
      if (this.tellDueMs(cell) > dueMs) continue;
      this.tell(
        cell,
        tellAgain(cell.work, nowMs, this.valueFor(cell), this.suppressedAt(cell, dueMs, out)),
        out,
      );
    }
  }

  /** What suppresses alerts has changed at `at.dueMs`: what is open here is deferred or told because of it. */
  review(lookMs: Millis, at: { readonly dueMs: Millis; readonly nowMs: Millis }, out: Outlet): void {
    if (this.active === 0) return;
    for (const cell of this.cells)
      this.tell(cell, review(cell.work, at, this.valueFor(cell), this.suppressedAt(cell, lookMs, out)), out);
  }

  /** The state of a cell in a generation, whether or not the series was touched in it. */
  stateIn(generation: number, cell: Cell): EpisodeState {
    return this.generation === generation ? cell.work : cell.committed;
  }

  /** When time alone next decides something here; Infinity: only a number can. */
  nextDueMs(connectedMs: Millis | undefined): Millis {
    const { noData, held, rule } = this;
    let dueMs = noData === undefined ? Infinity : this.silenceDueMs(connectedMs);
    if (held.length > 0) dueMs = Math.min(dueMs, releaseDueMs(held, rule.allowedLatenessUs));
    if (this.active === 0) return dueMs;
    for (const cell of this.cells) {
      dueMs = Math.min(dueMs, this.tellDueMs(cell));
      if (!this.silent && cell !== noData)
        dueMs = Math.min(dueMs, heldDueMs(cell, this.last, this.receivedMs));
    }
    return dueMs;
  }

  /** Whether time may decide something that the timers do not know of yet. Costs nothing for a quiet series. */
  get waits(): boolean {
    if (this.active > 0 || this.held.length > 0) return true;
    const { noDataAfterMs } = this.rule;
    return noDataAfterMs !== undefined && this.armedMs > this.receivedMs + noDataAfterMs;
  }

  /** An operator's or the configuration's input to one cell. */
  apply(
    cell: Cell,
    input: Exclude<StepInput, { kind: 'reading' }>,
    nowMs: Millis,
    out: Outlet,
    atMs = nowMs,
  ): void {
    this.put(cell, step(cell.work, input, cell.condition), nowMs, out, atMs);
  }

  /** The last judged value of a cell, where it is a value of the metric. */
  lastFor(cell: Cell): LastEvent | undefined {
    return ['threshold', 'anomaly'].includes(cell.condition.kind) ? this.last : undefined;
  }

  private get silent(): boolean {
    return this.noData !== undefined && this.noData.work !== OK;
  }

  private valueFor(cell: Cell): number | undefined {
    if (cell === this.noData) return cell.condition.levels[0]?.limit;
    return this.lastFor(cell)?.value;
  }

  private silenceDueMs(connectedMs: Millis | undefined): Millis {
    const afterMs = this.rule.noDataAfterMs;
    if (afterMs === undefined || connectedMs === undefined || this.silent) return Infinity;
    if (this.receivedMs === NEVER && !this.expected) return Infinity;
    return Math.max(this.receivedMs, connectedMs) + afterMs;
  }

  private tellDueMs(cell: Cell): Millis {
    // A reminder of something that nobody measures any more says nothing: the no-data alert is what counts then.
    if (cell.work === OK || (this.silent && cell !== this.noData)) return Infinity;
    const { delivery, staleAfterUs } = this.rule;
    const quiet = cell === this.noData ? Infinity : staleAfterUs;
    return deliveryDueMs(cell.work, this.receivedMs, quiet, delivery);
  }

  private passTime(untilMs: Millis, nowMs: Millis, out: Outlet): void {
    if (this.active === 0) return;
    const input: StepInput = { kind: 'tick', nowUs: untilMs * 1000, last: this.last };
    for (const cell of this.cells)
      if (cell !== this.noData && heldDueMs(cell, this.last, this.receivedMs) <= untilMs)
        this.apply(cell, input, nowMs, out, untilMs);
  }

  private release(nowMs: Millis, out: Outlet): void {
    if (this.held.length === 0) return;
    // What was evaluated is older than what waits, or waits no more.
    const newestUs = Math.max(this.lastUs, this.held.at(-1)?.timeUs ?? NEVER);
    const count = releasable(this.held, newestUs, nowMs, this.rule.allowedLatenessUs);
    if (count === 0) return;
    const due = this.held.slice(0, count);
    this.held = count === this.held.length ? NONE_HELD : this.held.slice(count);
    for (const { timeUs, value } of due) this.evaluate(timeUs, value, nowMs, out);
  }

  /** Steps (f) and (g). */
  private evaluate(timeUs: Micros, value: number, nowMs: Millis, out: Outlet): void {
    const { rule } = this;
    const quiet = this.active === 0 && rule.simple && value <= rule.quietMax && value >= rule.quietMin;
    if (!quiet) this.judgeAll(timeUs, value, nowMs, out);
    this.lastUs = timeUs;
    this.lastValue = value;
  }

  private judgeAll(timeUs: Micros, value: number, nowMs: Millis, out: Outlet): void {
    const gap = timeUs - this.lastUs > this.rule.staleAfterUs;
    const { last, window } = this;
    const sample = { value, timeUs, gap, last, window };
    for (const cell of this.active === 0 ? this.cells : activeFirst(this.cells)) {
      const { condition } = cell;
      if (condition.kind === 'no_data') continue;
      const verdict = judge(condition, sample);
      if (condition.kind === 'anomaly') this.window = slide(window, this.rule.window, value, verdict);
      if (cell.work === OK && (verdict === undefined || verdict.breached < 0)) continue;
      const input: StepInput = { kind: 'reading', timeUs, gap, verdict, last };
      this.put(cell, step(cell.work, input, condition), nowMs, out);
      this.repay(cell, timeUs, verdict?.value, nowMs, out);
    }
  }

  /** Readings are recent again and the episode is still open: what was owed is told now. */
  private repay(cell: Cell, timeUs: Micros, value: number | undefined, nowMs: Millis, out: Outlet): void {
    if (!('episode' in cell.work) || cell.work.episode.owedSinceMs === undefined) return;
    if (nowMs * 1000 - timeUs > this.rule.delivery.backfillAfterUs) return;
    this.tell(cell, tellAgain(cell.work, nowMs, value, this.suppressedAt(cell, nowMs, out)), out);
  }

  /** `atMs` is when it happened by the clock, `nowMs` when it is noticed. */
  private put(cell: Cell, { state, effects }: StepResult, nowMs: Millis, out: Outlet, atMs = nowMs): void {
    const before = cell.work;
    const suppressedAt = this.suppressedAt(cell, atMs, out);
    if (effects.length === 0) this.set(cell, state);
    else {
      // Silence is measured by the clock: it is never history.
      const rules = cell === this.noData ? LIVE : this.rule.delivery;
      this.tell(cell, deliver(state, effects, nowMs, rules, suppressedAt), out);
    }
    out.moved(this, cell, before, atMs);
    // A lesser severity may be suppressed where the higher one was not, and the other way round.
    const lower = effects.find(({ transition }) => transition === 'deescalated');
    if (lower !== undefined)
      this.tell(cell, review(cell.work, { dueMs: atMs, nowMs }, lower.value, suppressedAt), out);
  }

  private tell(cell: Cell, { state, delivered }: Told, out: Outlet): void {
    this.set(cell, state);
    for (const each of delivered) out.push({ series: this, cell, ...each });
  }

  private suppressedAt(cell: Cell, atMs: Millis, out: Outlet): SuppressedAt {
    return (severity) => out.suppressedBy(this, cell, severity, atMs);
  }

  private set(cell: Cell, state: EpisodeState): void {
    const before = cell.work;
    // Plainly OK is one object, so that a comparison tells.
    cell.work = state.kind === 'ok' && state.flaps.length === 0 ? OK : state;
    this.active += Number(cell.work !== OK) - Number(before !== OK);
  }
}
