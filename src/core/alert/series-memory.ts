import type { Micros, Millis } from '../reading.ts';
import type { MetricRule } from './compile.ts';
import type { Cell } from './cell.ts';
import type { SensorFacts } from './effective.ts';
import { EMPTY_WINDOW } from './kind/anomaly.ts';
import type { Window } from './kind/anomaly.ts';
import { NONE_HELD, type HeldNumbers } from './lateness.ts';
import { OK, plain } from './state.ts';
import type { EpisodeState, LastEvent } from './state.ts';
import type { UnstoredNumber, WaitingEntries } from './waiting.ts';

/** No event yet: earlier than any time, and further back than any `stale_after`. */
export const NEVER = -Infinity;

/** How long numbers wait for earlier ones at least, whatever the rules allow. */
export interface Patience {
  us: Micros;
}

/**
 * What is remembered of one metric of one sensor. Everything has two copies: the settled one, and the one that the
 * batch in hand works on, which starts from the settled one in each generation. So a batch can be evaluated again as if
 * nothing had happened.
 */
export class SeriesMemory {
  readonly sensor: SensorFacts;
  readonly rule: MetricRule;
  readonly cells: readonly Cell[];
  /** The cell of the silence, if that is watched. */
  readonly noData: Cell | undefined;
  /** Shared by all series of an engine. */
  patience: Patience = { us: 0 };
  /** The silence of a sensor counts once it was heard, now or before the start, or is expected to be. */
  expected = false;
  /** Silence does not count before; of a sensor that never sent anything. */
  expectedSinceMs: Millis = NEVER;
  window: Window = EMPTY_WINDOW;
  /** The series of the sensor itself, where there is one. */
  owner: SeriesMemory | undefined;
  /** Numbers that wait for earlier ones. */
  held: HeldNumbers = NONE_HELD;
  /** Before it nothing is due here in the generation in hand, as it was armed; `NEVER` where that is not known. */
  dueMs: Millis = NEVER;
  /** When it was last heard, by the clock; `NEVER` before. */
  receivedMs: Millis = NEVER;
  /** Its rows in the database hold copies of numbers that wait, by an earlier version: they are written without. */
  holdsCopies = false;
  /** Cells in `work` that are not plainly OK: while there are none, a quiet value needs no further look. */
  active = 0;
  /** The evaluated reading that later ones are compared with. */
  protected lastUs: Micros = NEVER;
  protected lastValue = NaN;
  private generation = -1;
  private settledUs: Micros = NEVER;
  private settledValue = NaN;
  private settledReceivedMs: Millis = NEVER;
  private settledWindow: Window = EMPTY_WINDOW;
  private settledHeld: HeldNumbers = NONE_HELD;

  constructor(sensor: SensorFacts, rule: MetricRule) {
    this.sensor = sensor;
    this.rule = rule;
    this.cells = rule.conditions.map((condition) => ({ condition, committed: OK, work: OK }));
    this.noData = this.cells.find(({ condition: { kind } }) => kind === 'no_data' || kind === 'offline');
  }

  get sensorId(): number {
    return this.sensor.id;
  }

  get allowedUs(): Micros {
    return Math.max(this.rule.allowedLatenessUs, this.patience.us);
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

  /** The last judged value of a cell, where it is a value of the metric. */
  lastFor({ condition }: Cell): LastEvent | undefined {
    return ['threshold', 'anomaly'].includes(condition.kind) ? this.last : undefined;
  }

  get heardMs(): Millis | undefined {
    return this.receivedMs === NEVER ? undefined : this.receivedMs;
  }

  /** No data fires: the other alerts are held. */
  get silent(): boolean {
    return this.noData !== undefined && this.noData.work.kind !== 'ok';
  }

  /** The sensor itself is missed, as of the generation that this series was last touched in. */
  get isOwnerAway(): boolean {
    const cell = this.owner?.noData;
    return cell !== undefined && this.owner?.stateIn(this.generation, cell).kind !== 'ok';
  }

  /** Whether its silence counts, or will with the generation in hand. */
  get isExpected(): boolean {
    return this.expected || this.wasHeard || this.receivedMs !== NEVER;
  }

  /** As committed. */
  get wasHeard(): boolean {
    return this.settledReceivedMs !== NEVER;
  }

  /** Something was evaluated in the generation in hand. */
  get lastChanged(): boolean {
    return this.lastUs !== this.settledUs;
  }

  get windowChanged(): boolean {
    return this.window !== this.settledWindow;
  }

  get hasHeld(): boolean {
    return this.settledHeld.length > 0;
  }

  get heldChanged(): boolean {
    return this.held !== this.settledHeld;
  }

  /** For a change of them in the generation in hand. */
  protected ownHeld(): HeldNumbers {
    if (this.held === this.settledHeld) this.held = this.held.fork();
    return this.held;
  }

  /** Up to where it was evaluated, and what waits, in the generation that it was entered in last. */
  addWaiting(entries: WaitingEntries, unstored: readonly UnstoredNumber[]): void {
    const { sensorId, metric, lastUs, lastValue, held } = this;
    const { firstUs: fromUs = Infinity, lastUs: untilUs = NEVER } = held;
    entries.add({ sensorId, metric, lastUs, lastValue, fromUs, untilUs }, unstored);
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
  inherit(former: SeriesMemory): void {
    this.restore({ window: former.settledWindow, held: former.settledHeld });
    if (former.settledUs !== NEVER)
      this.restore({ last: { timeUs: former.settledUs, value: former.settledValue } });
    this.settledReceivedMs = former.settledReceivedMs;
    this.expected = former.expected;
    this.expectedSinceMs = former.expectedSinceMs;
    this.holdsCopies = former.holdsCopies;
  }

  /** The committed state of the same series of another engine. */
  copy(former: SeriesMemory): void {
    this.inherit(former);
    this.cells.forEach((cell, index) => {
      cell.committed = former.cells[index]?.committed ?? OK;
    });
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
    this.dueMs = NEVER;
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
    this.holdsCopies = false;
    for (const cell of this.cells) cell.committed = cell.work;
  }

  /** The state of a cell in a generation, whether or not the series was touched in it. */
  stateIn(generation: number, cell: Cell): EpisodeState {
    return this.generation === generation ? cell.work : cell.committed;
  }

  /** The working state of a cell. */
  set(cell: Cell, state: EpisodeState): void {
    const before = cell.work;
    cell.work = plain(state);
    this.active += Number(cell.work !== OK) - Number(before !== OK);
  }
}
