import type { Micros, Millis } from '../../reading.ts';
import { EMPTY_WINDOW, type Window } from '../kind/anomaly.ts';
import type { MetricRule } from '../rules/compile.ts';
import type { SensorFacts } from '../rules/effective.ts';
import { type EpisodeState, type LastEvent, OK, plain } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import { type ReorderBuffer, EMPTY_BUFFER } from './reorder-buffer.ts';
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
export class SeriesState {
  readonly sensor: SensorFacts;
  readonly rule: MetricRule;
  readonly instances: readonly AlertInstance[];
  /** The cell of the silence, if that is watched. */
  readonly noData: AlertInstance | undefined;
  /** Shared by all series of an engine. */
  patience: Patience = { us: 0 };
  /** The silence of a sensor counts once it was heard, now or before the start, or is expected to be. */
  expected = false;
  /** Silence does not count before; of a sensor that never sent anything. */
  expectedSinceMs: Millis = NEVER;
  window: Window = EMPTY_WINDOW;
  /** The series of the sensor itself, where there is one. */
  owner: SeriesState | undefined;
  /** Numbers that wait for earlier ones. */
  held: ReorderBuffer = EMPTY_BUFFER;
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
  private workingSet = -1;
  private committedUs: Micros = NEVER;
  private committedValue = NaN;
  private committedReceivedMs: Millis = NEVER;
  private committedWindow: Window = EMPTY_WINDOW;
  private committedHeld: ReorderBuffer = EMPTY_BUFFER;

  constructor(sensor: SensorFacts, rule: MetricRule) {
    this.sensor = sensor;
    this.rule = rule;
    this.instances = rule.conditions.map((condition) => ({ condition, committed: OK, work: OK }));
    this.noData = this.instances.find(({ condition: { kind } }) => kind === 'no_data' || kind === 'offline');
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
  lastFor({ condition }: AlertInstance): LastEvent | undefined {
    return ['threshold', 'anomaly'].includes(condition.kind) ? this.last : undefined;
  }

  get lastReceivedMs(): Millis | undefined {
    return this.receivedMs === NEVER ? undefined : this.receivedMs;
  }

  /** No data fires: the other alerts are held. */
  get silent(): boolean {
    return this.noData !== undefined && this.noData.work.kind !== 'ok';
  }

  /** The sensor itself is missed, as of the generation that this series was last touched in. */
  get isOwnerAway(): boolean {
    const instance = this.owner?.noData;
    return instance !== undefined && this.owner?.stateIn(this.workingSet, instance).kind !== 'ok';
  }

  /** Whether its silence counts, or will with the generation in hand. */
  get isExpected(): boolean {
    return this.expected || this.wasReceived || this.receivedMs !== NEVER;
  }

  /** As committed. */
  get wasReceived(): boolean {
    return this.committedReceivedMs !== NEVER;
  }

  /** Something was evaluated in the generation in hand. */
  get lastChanged(): boolean {
    return this.lastUs !== this.committedUs;
  }

  get windowChanged(): boolean {
    return this.window !== this.committedWindow;
  }

  get hasHeld(): boolean {
    return this.committedHeld.length > 0;
  }

  get heldChanged(): boolean {
    return this.held !== this.committedHeld;
  }

  /** For a change of them in the generation in hand. */
  protected ownHeld(): ReorderBuffer {
    if (this.held === this.committedHeld) this.held = this.held.fork();
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
    held?: ReorderBuffer | undefined;
    receivedMs?: Millis | undefined;
  }): void {
    if (past.last !== undefined) this.expected = true;
    if (past.last !== undefined && past.last.timeUs > this.committedUs) {
      this.committedUs = past.last.timeUs;
      this.committedValue = past.last.value;
    }
    this.committedWindow = past.window ?? this.committedWindow;
    this.committedHeld = past.held ?? this.committedHeld;
    this.committedReceivedMs = Math.max(this.committedReceivedMs, past.receivedMs ?? NEVER);
    this.workingSet = -1;
  }

  /** The memory of the same metric under other rules. */
  inherit(former: SeriesState): void {
    this.restore({ window: former.committedWindow, held: former.committedHeld });
    if (former.committedUs !== NEVER)
      this.restore({ last: { timeUs: former.committedUs, value: former.committedValue } });
    this.committedReceivedMs = former.committedReceivedMs;
    this.expected = former.expected;
    this.expectedSinceMs = former.expectedSinceMs;
    this.holdsCopies = former.holdsCopies;
  }

  /** The committed state of the same series of another engine. */
  copy(former: SeriesState): void {
    this.inherit(former);
    this.instances.forEach((instance, index) => {
      instance.committed = former.instances[index]?.committed ?? OK;
    });
  }

  /** True when this is the first touch of the generation: the caller remembers the series for `commit`. */
  enter(workingSet: number): boolean {
    if (this.workingSet === workingSet) return false;
    this.workingSet = workingSet;
    this.lastUs = this.committedUs;
    this.lastValue = this.committedValue;
    this.receivedMs = this.committedReceivedMs;
    this.window = this.committedWindow;
    this.held = this.committedHeld;
    this.active = 0;
    this.dueMs = NEVER;
    for (const instance of this.instances) {
      instance.work = instance.committed;
      if (instance.work !== OK) this.active++;
    }
    return true;
  }

  commit(): void {
    this.committedUs = this.lastUs;
    this.committedValue = this.lastValue;
    this.committedReceivedMs = this.receivedMs;
    this.committedWindow = this.window;
    this.committedHeld = this.held;
    this.holdsCopies = false;
    for (const instance of this.instances) instance.committed = instance.work;
  }

  /** The state of a cell in a generation, whether or not the series was touched in it. */
  stateIn(workingSet: number, instance: AlertInstance): EpisodeState {
    return this.workingSet === workingSet ? instance.work : instance.committed;
  }

  /** The working state of a cell. */
  set(instance: AlertInstance, state: EpisodeState): void {
    const before = instance.work;
    instance.work = plain(state);
    this.active += Number(instance.work !== OK) - Number(before !== OK);
  }
}
