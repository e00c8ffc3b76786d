import type { Micros, Millis } from '../reading.ts';
import type { MetricRule } from './compile.ts';
import { judge } from './judge.ts';
import { EMPTY_WINDOW, slide } from './kind/anomaly.ts';
import type { Window } from './kind/anomaly.ts';
import type { Condition } from './rule.ts';
import { OK } from './state.ts';
import type { Effect, EpisodeState, LastEvent, StepInput } from './state.ts';
import { step } from './step.ts';

/** No event yet: earlier than any time, and further back than any `stale_after`. */
const NEVER = -Infinity;

/** What became of a number in the pipeline (ALERTS.md section 3). */
export type Outcome = 'evaluated' | 'late' | 'duplicate';

/** One alert type of one sensor: committed state, and the state as the batch in hand would leave it. */
export interface Cell {
  readonly condition: Condition;
  committed: EpisodeState;
  work: EpisodeState;
}

/** A transition of one cell, on its way out of the engine. */
export interface CellEffect {
  readonly series: Series;
  readonly cell: Cell;
  readonly effect: Effect;
}

/**
 * One metric of one sensor. Everything has two copies: `committed`, and the one that the batch in hand works on, which
 * starts from `committed` in each generation. So a batch can be evaluated again as if nothing had happened.
 */
export class Series {
  readonly sensorId: number;
  readonly sensorKey: string;
  readonly rule: MetricRule;
  readonly cells: readonly Cell[];
  private generation = -1;
  private committedUs: Micros;
  private committedValue: number;
  private settledWindow: Window = EMPTY_WINDOW;
  private lastUs: Micros = NEVER;
  private lastValue = NaN;
  private window: Window = EMPTY_WINDOW;
  /** Cells in `work` that are not plainly OK: while there are none, a quiet value needs no further look. */
  private active = 0;

  constructor(sensor: { readonly id: number; readonly key: string }, rule: MetricRule) {
    this.sensorId = sensor.id;
    this.sensorKey = sensor.key;
    this.rule = rule;
    this.cells = rule.conditions.map((condition) => ({ condition, committed: OK, work: OK }));
    this.committedUs = NEVER;
    this.committedValue = NaN;
  }

  get last(): LastEvent | undefined {
    return this.lastUs === NEVER ? undefined : { timeUs: this.lastUs, value: this.lastValue };
  }

  get currentWindow(): Window {
    return this.window;
  }

  get committedWindow(): Window {
    return this.settledWindow;
  }

  get windowChanged(): boolean {
    return this.window !== this.settledWindow;
  }

  get committedLast(): LastEvent | undefined {
    return this.committedUs === NEVER ? undefined : { timeUs: this.committedUs, value: this.committedValue };
  }

  /** Takes over what is known from the database; never older than what is known already. */
  restore(last: LastEvent, window: Window = this.settledWindow): void {
    if (last.timeUs > this.committedUs) {
      this.committedUs = last.timeUs;
      this.committedValue = last.value;
    }
    this.settledWindow = window;
    this.generation = -1;
  }

  /** True when this is the first touch of the generation: the caller remembers the series for `adopt`. */
  enter(generation: number): boolean {
    if (this.generation === generation) return false;
    this.generation = generation;
    this.lastUs = this.committedUs;
    this.lastValue = this.committedValue;
    this.window = this.settledWindow;
    this.active = 0;
    for (const cell of this.cells) {
      cell.work = cell.committed;
      if (cell.work !== OK) this.active++;
    }
    return true;
  }

  adopt(): void {
    this.committedUs = this.lastUs;
    this.committedValue = this.lastValue;
    this.settledWindow = this.window;
    for (const cell of this.cells) cell.committed = cell.work;
  }

  /** Steps (d), (f) and (g) of the pipeline for one finite number. */
  reading(timeUs: Micros, value: number, out: CellEffect[]): Outcome {
    if (timeUs <= this.lastUs)
      return timeUs === this.lastUs && value === this.lastValue ? 'duplicate' : 'late';
    const { rule } = this;
    const quiet = this.active === 0 && rule.simple && value <= rule.quietMax && value >= rule.quietMin;
    if (!quiet) this.evaluate(timeUs, value, out);
    this.lastUs = timeUs;
    this.lastValue = value;
    return 'evaluated';
  }

  tick(nowMs: Millis, out: CellEffect[]): void {
    const input: StepInput = { kind: 'tick', nowUs: nowMs * 1000, last: this.last };
    for (const cell of this.cells) this.apply(cell, input, out);
  }

  apply(cell: Cell, input: StepInput, out: CellEffect[]): void {
    const before = cell.work;
    const { state, effects } = step(before, input, cell.condition);
    // Plainly OK is one object, so that a comparison tells.
    cell.work = state.kind === 'ok' && state.flaps.length === 0 ? OK : state;
    this.active += Number(cell.work !== OK) - Number(before !== OK);
    for (const effect of effects) out.push({ series: this, cell, effect });
  }

  private evaluate(timeUs: Micros, value: number, out: CellEffect[]): void {
    const gap = timeUs - this.lastUs > this.rule.staleAfterUs;
    const { last, window } = this;
    const sample = { value, timeUs, gap, last, window };
    const cells = this.active === 0 ? this.cells : activeFirst(this.cells);
    for (const cell of cells) {
      const verdict = judge(cell.condition, sample);
      if (cell.condition.kind === 'anomaly') this.window = slide(window, this.rule.window, value, verdict);
      this.apply(cell, { kind: 'reading', timeUs, gap, verdict, last }, out);
    }
  }
}

/** The active side first, so that high resolves before low fires. */
function activeFirst(cells: readonly Cell[]): readonly Cell[] {
  return [...cells].sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)));
}

const isOpen = (cell: Cell) => cell.work.kind !== 'ok';
