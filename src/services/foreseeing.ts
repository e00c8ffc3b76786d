import type { Foresight } from '../core/alert/foresight.ts';
import type { Clock, Logger, Timer } from '../ports.ts';
import type { Alerting, EvaluatedReading } from './alerting.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import type { IntakeBatch, ResolvedRow } from './intake-batch.ts';
import type { SensorRegistry } from './sensor-registry.ts';

export interface ForeseeingDeps {
  readonly alerting: Pick<Alerting, 'foresee' | 'knows'> & Pick<AlertEvaluator, 'announceUnpersisted'>;
  readonly registry: Pick<SensorRegistry, 'find'>;
  /** What waits for its commit, oldest first. */
  readonly waiting: () => readonly IntakeBatch[];
  /** Earlier readings of the device are still to be evaluated. */
  readonly holds: (device: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A line leaves a second after its reading at most: so long a commit has time, and the rest is for a busy machine. */
const PATIENCE_MS = 500;
const LOOK_EVERY_MS = 100;
/** Readings of one look, and the time that it takes: what is left comes with the next one, and messages in between. */
const MOST_ROWS = 20_000;
const LOOK_MS = 50;
/** Values between two looks at the clock: each may raise an alert. */
const PART_VALUES = 200;
/** At most a fifth of the time goes into it. */
const REST_FACTOR = 4;

/**
 * Tells the alerts of readings whose commit takes too long, before their rows exist: a database that is away, slow or
 * silent must not keep the alarm. Their commit finds the lines told (`AlertAnnouncer`). What time alone decides is not
 * told ahead: the reading that contradicts it may wait at the broker, which sends no more before it is acknowledged.
 */
export class Foreseeing {
  private readonly deps: ForeseeingDeps;
  private foresight: Foresight | undefined;
  /** Devices with readings that cannot be evaluated yet: what follows of them has to wait behind. */
  private readonly unknown = new Set<string>();
  private failing = false;
  private timer: Timer | undefined;

  constructor(deps: ForeseeingDeps) {
    this.deps = deps;
  }

  start(): void {
    this.again(LOOK_EVERY_MS);
  }

  /** Idempotent. */
  stop(): void {
    this.timer?.cancel();
  }

  private again(ms: number): void {
    this.timer = this.deps.clock.after(ms, () => {
      const startedMs = this.deps.clock.monotonicMs();
      this.look();
      const tookMs = this.deps.clock.monotonicMs() - startedMs;
      this.again(Math.max(LOOK_EVERY_MS, tookMs * REST_FACTOR));
    });
  }

  private look(): void {
    try {
      if (this.isLate()) this.foresee();
      else this.foresight = undefined;
      this.failing = false;
    } catch (error) {
      this.foresight = undefined;
      if (!this.failing)
        this.deps.logger.error(
          { err: error },
          'cannot foresee what late commits will tell; the lines leave with their rows',
        );
      this.failing = true;
    }
  }

  /** Asked of the batch: what a broker delivers again arrived long ago, and may be committed in a moment. */
  private isLate(): boolean {
    const [head] = this.deps.waiting();
    return head !== undefined && this.deps.clock.monotonicMs() - head.openedAtMs >= PATIENCE_MS;
  }

  private foresee(): void {
    const { alerting } = this.deps;
    const foresight = alerting.foresee(this.foresight);
    if (foresight !== this.foresight) this.unknown.clear();
    this.foresight = foresight;
    if (foresight === undefined) return;
    const { clock } = this.deps;
    const untilMs = clock.monotonicMs() + LOOK_MS;
    const next = this.next(foresight);
    for (let rows = 0; rows < MOST_ROWS;) {
      const part = take(next, PART_VALUES);
      if (part.length === 0) return;
      const notifications = foresight.readings(part);
      if (notifications.length > 0) void alerting.announceUnpersisted(notifications);
      if (clock.monotonicMs() >= untilMs) return;
      rows += part.length;
    }
  }

  /** The readings that have waited long enough, in the order in which they will be committed. */
  private *next(foresight: Foresight): Generator<EvaluatedReading, undefined> {
    const nowMs = this.deps.clock.nowMs();
    for (const batch of this.deps.waiting())
      for (const row of batch.rowList) {
        if (row.foreseenBy === foresight) continue;
        const waitedMs = nowMs - row.receivedAtMs;
        // A clock that was set back says nothing about how long it has waited.
        if (waitedMs >= 0 && waitedMs < PATIENCE_MS) return;
        const sensor = row.sensor ?? this.deps.registry.find(row.key);
        if (sensor === undefined || !this.deps.alerting.knows(sensor.id) || this.deps.holds(row.key))
          this.unknown.add(row.key);
        if (sensor === undefined || this.unknown.has(row.key)) continue;
        row.foreseenBy = foresight;
        yield row.sensor === undefined ? { ...row, sensor } : (row as ResolvedRow);
      }
  }
}

function take(from: Iterator<EvaluatedReading, undefined>, mostValues: number): EvaluatedReading[] {
  const taken: EvaluatedReading[] = [];
  for (let values = 0; values < mostValues;) {
    const next = from.next();
    if (next.done === true) break;
    taken.push(next.value);
    values += next.value.metrics.size;
  }
  return taken;
}
