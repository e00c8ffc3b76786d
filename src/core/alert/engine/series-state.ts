import type { Micros, Millis } from '../../reading.ts';
import { kindOf, isAbsence } from '../kind/index.ts';
import { EMPTY_MEMORY, type Memory } from '../kind/rule-kind.ts';
import { rhythmAfterMs } from '../kind/rhythm.ts';
import type { MetricRule } from '../rules/compile.ts';
import type { SensorFacts } from '../rules/effective.ts';
import { type EpisodeState, type LastEvent, OK, plain } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import { type ReorderBuffer, EMPTY_BUFFER } from './reorder-buffer.ts';
import type { UnstoredNumber, WaitingEntries } from './waiting.ts';

/** No event yet: earlier than any time, and further back than any `stale_after`. */
export const NEVER = -Infinity;

/** A metric of the same sensor, or of another one. */
export interface Partner {
  readonly sensor?: string | undefined;
  readonly metric: string;
}

/** The gateway of a sensor, as far as a series needs it. */
export interface SeriesGateway {
  /** Until when it explains that the series is missed, after its return; `NEVER`, `Infinity` while that is unknown. */
  coversUntilMs(series: SeriesState): Millis;
}

/** The least time that numbers wait for earlier ones, whatever the rules allow. */
export interface MinimumWait {
  us: Micros;
}

/**
 * The state of one metric of one sensor. Everything exists twice: the committed copy, and the copy of the current
 * working set, which starts from the committed one in each working set. So a batch can be evaluated again as if
 * nothing had happened.
 */
export class SeriesState {
  sensor: SensorFacts;
  readonly rule: MetricRule;
  readonly instances: readonly AlertInstance[];
  /** The instance for missing data, if that is watched. */
  readonly noData: AlertInstance | undefined;
  /** Shared by all series of an engine. */
  minimumWait: MinimumWait = { us: 0 };
  /** The silence of a sensor counts if it was ever received, before or after the start, or is expected. */
  expected = false;
  /** For a sensor itself: nothing of it is stored. */
  unreceived = false;
  /** Silence does not count before this; for a sensor that never sent anything. */
  expectedSinceMs: Millis = NEVER;
  /** The series of the sensor itself, if there is one. */
  owner: SeriesState | undefined;
  /** The gateway of its sensor, if it has one. */
  gateway: SeriesGateway | undefined;
  /** Others are compared with its values: each is evaluated at its own time. */
  isCompared = false;
  /** Finds the metrics that its conditions compare with; undefined if none does. */
  partners: ((minus: Partner) => SeriesState | undefined) | undefined;
  /** Numbers waiting for earlier ones. */
  held: ReorderBuffer = EMPTY_BUFFER;
  /** Nothing is due before it in the current working set; `NEVER` if unknown. */
  dueMs: Millis = NEVER;
  /** When it was last received, by the clock; `NEVER` before. */
  receivedMs: Millis = NEVER;
  /** Changes of silences and windows were applied to its alerts up to then, by the clock. */
  reviewedMs: Millis = NEVER;
  /** Its database rows hold copies of waiting numbers, written by an earlier version: they are rewritten without. */
  holdsCopies = false;
  /** Instances in `work` that are not plainly OK: while 0, a quiet value needs no evaluation. */
  active = 0;
  /** The last evaluated reading, which later ones are compared with. */
  protected lastUs: Micros = NEVER;
  protected lastValue = NaN;
  protected workingSet = -1;
  private committedUs: Micros = NEVER;
  private committedValue = NaN;
  private committedReceivedMs: Millis = NEVER;
  private committedReviewedMs: Millis = NEVER;
  private committedHeld: ReorderBuffer = EMPTY_BUFFER;

  constructor(sensor: SensorFacts, rule: MetricRule) {
    this.sensor = sensor;
    this.rule = rule;
    this.instances = rule.conditions.map((condition) => ({
      condition,
      ...{ committed: OK, work: OK },
      ...{ committedMemory: EMPTY_MEMORY, memory: EMPTY_MEMORY },
    }));
    this.noData = this.instances.find(({ condition }) => isAbsence(condition.kind));
  }

  get sensorId(): number {
    return this.sensor.id;
  }

  get allowedUs(): Micros {
    return Math.max(this.rule.allowedLatenessUs, this.minimumWait.us);
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

  /** The last evaluated value of an instance, if it is a value of the metric. */
  lastFor({ condition }: AlertInstance): LastEvent | undefined {
    return kindOf(condition.kind).evaluatesValue === true ? this.last : undefined;
  }

  get lastReceivedMs(): Millis | undefined {
    return this.receivedMs === NEVER ? undefined : this.receivedMs;
  }

  /** Missing data has fired: the other alerts are frozen. */
  get silent(): boolean {
    return this.noData !== undefined && this.noData.work.kind !== 'ok';
  }

  /** `silent`, or closed by hand meanwhile: until something is received. */
  get missed(): boolean {
    return this.noData !== undefined && this.noData.work !== OK;
  }

  /** The sensor itself is missed, as of the working set that last touched this series. */
  get isOwnerAway(): boolean {
    const instance = this.owner?.noData;
    return instance !== undefined && this.owner?.stateIn(this.workingSet, instance) !== OK;
  }

  /** How long it may be silent; undefined: for ever, or its rhythm is not known. `memory` is that of its `noData`. */
  silenceAllowedMs(memory: Memory | undefined): Millis | undefined {
    const { noDataAfterMs, byRhythm } = this.rule;
    if (byRhythm !== true) return noDataAfterMs;
    const afterMs = memory === undefined ? undefined : rhythmAfterMs(memory);
    return (
      afterMs ??
      (this.unreceived && this.receivedMs === NEVER && !this.wasReceived ? noDataAfterMs : undefined)
    );
  }

  /** Whether its silence counts, the current working set included. */
  get isExpected(): boolean {
    return this.expected || this.wasReceived || this.receivedMs !== NEVER;
  }

  /** As committed. */
  get wasReceived(): boolean {
    return this.committedReceivedMs !== NEVER;
  }

  /** Something was evaluated in the current working set. */
  get lastChanged(): boolean {
    return this.lastUs !== this.committedUs;
  }

  get hasHeld(): boolean {
    return this.committedHeld.length > 0;
  }

  get heldChanged(): boolean {
    return this.held !== this.committedHeld;
  }

  /** A copy that the current working set may change. */
  protected ownHeld(): ReorderBuffer {
    if (this.held === this.committedHeld) this.held = this.held.fork();
    return this.held;
  }

  /** Adds the progress of the evaluation and the waiting numbers, as of the working set that it was last entered in. */
  addWaiting(entries: WaitingEntries, unstored: readonly UnstoredNumber[]): void {
    const { sensorId, metric, lastUs, lastValue, held } = this;
    const { firstUs: fromUs = Infinity, lastUs: untilUs = NEVER } = held;
    entries.add({ sensorId, metric, lastUs, lastValue, fromUs, untilUs }, unstored);
  }

  /** Takes over what the database holds; an event never replaces a newer one. */
  restore(past: {
    last?: LastEvent;
    held?: ReorderBuffer | undefined;
    receivedMs?: Millis | undefined;
  }): void {
    if (past.last !== undefined) this.expected = true;
    if (past.last !== undefined && past.last.timeUs > this.committedUs) {
      this.committedUs = past.last.timeUs;
      this.committedValue = past.last.value;
    }
    this.committedHeld = past.held ?? this.committedHeld;
    this.committedReceivedMs = Math.max(this.committedReceivedMs, past.receivedMs ?? NEVER);
    this.workingSet = -1;
  }

  /** Takes over the state of the same metric under other rules. */
  inherit(former: SeriesState): void {
    this.restore({ held: former.committedHeld });
    if (former.committedUs !== NEVER)
      this.restore({ last: { timeUs: former.committedUs, value: former.committedValue } });
    this.committedReceivedMs = former.committedReceivedMs;
    this.committedReviewedMs = former.committedReviewedMs;
    this.expected = former.expected;
    this.unreceived = former.unreceived;
    this.expectedSinceMs = former.expectedSinceMs;
    this.holdsCopies = former.holdsCopies;
  }

  /** When the same series of another engine was last received, and the rhythm of its messages. */
  inheritReceived(former: SeriesState): void {
    this.restore({ receivedMs: former.committedReceivedMs });
    const [own, before] = [this.noData, former.noData];
    if (own !== undefined && before !== undefined && own.committedMemory === EMPTY_MEMORY)
      own.committedMemory = before.committedMemory;
  }

  /** Copies the committed state of the same series of another engine. */
  copy(former: SeriesState): void {
    this.inherit(former);
    this.instances.forEach((instance, index) => {
      instance.committed = former.instances[index]?.committed ?? OK;
      instance.committedMemory = former.instances[index]?.committedMemory ?? EMPTY_MEMORY;
    });
  }

  /** True on the first touch in a working set: the caller remembers the series for `commit`. */
  enter(workingSet: number): boolean {
    if (this.workingSet === workingSet) return false;
    this.workingSet = workingSet;
    this.lastUs = this.committedUs;
    this.lastValue = this.committedValue;
    this.receivedMs = this.committedReceivedMs;
    this.reviewedMs = this.committedReviewedMs;
    this.held = this.committedHeld;
    this.active = 0;
    this.dueMs = NEVER;
    for (const instance of this.instances) {
      instance.work = instance.committed;
      instance.memory = instance.committedMemory;
      if (instance.work !== OK) this.active++;
    }
    return true;
  }

  commit(): void {
    this.committedUs = this.lastUs;
    this.committedValue = this.lastValue;
    this.committedReceivedMs = this.receivedMs;
    this.committedReviewedMs = this.reviewedMs;
    this.committedHeld = this.held;
    this.holdsCopies = false;
    for (const instance of this.instances) {
      instance.committed = instance.work;
      instance.committedMemory = instance.memory;
    }
  }

  /** The state of an instance in a working set, whether or not the series was touched in it. */
  stateIn(workingSet: number, instance: AlertInstance): EpisodeState {
    return this.workingSet === workingSet ? instance.work : instance.committed;
  }

  /**
   * The value that it had at a moment, whether or not it was touched in that working set: the newest of those that are
   * evaluated or wait; where it is ahead of the moment, its last. Undefined where it is further away than `withinUs`.
   */
  valueAt(workingSet: number, timeUs: Micros, withinUs: Micros): LastEvent | undefined {
    const isIn = this.workingSet === workingSet;
    const held = isIn ? this.held : this.committedHeld;
    const [lastUs, lastValue] = isIn
      ? [this.lastUs, this.lastValue]
      : [this.committedUs, this.committedValue];
    let found = { timeUs: lastUs, value: lastValue };
    for (let at = held.length - 1; at >= 0 && lastUs <= timeUs; at--) {
      if (held.timeAt(at) > timeUs) continue;
      found = { timeUs: held.timeAt(at), value: held.valueAt(at) };
      break;
    }
    return Math.abs(timeUs - found.timeUs) <= withinUs ? found : undefined;
  }

  /** `reviewedMs` in a working set, whether or not the series was touched in it. */
  reviewedIn(workingSet: number): Millis {
    return this.workingSet === workingSet ? this.reviewedMs : this.committedReviewedMs;
  }

  /** `receivedMs` likewise. */
  receivedIn(workingSet: number): Millis {
    return this.workingSet === workingSet ? this.receivedMs : this.committedReceivedMs;
  }

  /** Sets the working state of an instance. */
  set(instance: AlertInstance, state: EpisodeState): void {
    const before = instance.work;
    instance.work = plain(state);
    this.active += Number(instance.work !== OK) - Number(before !== OK);
  }
}
