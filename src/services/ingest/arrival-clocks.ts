import { randomUUID } from 'node:crypto';
import { FieldwatchError } from '../../core/errors.ts';
import {
  type ClockEra,
  EARLIEST_MS,
  SET_BEYOND_MS,
  beginEra,
  clockSet,
  correctedArrival,
  rebased,
  settled,
  fixedNow,
} from '../../core/ingest/clock-era.ts';
import type { Micros, Millis } from '../../core/reading.ts';
import { SerialQueue } from '../../lib/serial-queue.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { ClockNotes, ClockRecord } from '../../ports/spool.ts';
import type { BootClock } from '../../ports/time.ts';

export interface ArrivalClocksDeps {
  readonly systemMs: () => Millis;
  readonly monotonicMs: () => number;
  readonly boot: BootClock;
  readonly notes: ClockNotes;
  readonly logger: Logger;
}

/** How often the time of the last contact is written: it shows later that a clock was set back. */
const CONFIRM_EVERY_MS = 3_600_000;
/** Messages from before the first contact are in the spool by then. */
const TAGGED_FOR_MS = 600_000;

/**
 * Notes on the clocks under which readings in the spool were stamped, on disk beside the spool. Arrivals are corrected only
 * by what is on disk: after a crash in the middle of a drain the same row has the same time.
 */
export class ArrivalClocks {
  private readonly deps: ArrivalClocksDeps;
  private others: readonly ClockEra[];
  private own: ClockEra;
  private confirmedMs: Millis | undefined;
  private fixedMonotonicMs: number | undefined;
  private notedMonotonicMs = -Infinity;
  /** The era of this process is on disk: something in the spool names it. */
  private isNamed = false;
  private isDirty = false;
  private readonly writes = new SerialQueue();

  private constructor(deps: ArrivalClocksDeps, { eras, confirmedMs }: ClockRecord) {
    this.deps = deps;
    const [systemMs, uptimeMs, boot] = [deps.systemMs(), deps.boot.uptimeMs(), deps.boot.id];
    this.confirmedMs = confirmedMs;
    const notBeforeMs = Math.max(confirmedMs ?? EARLIEST_MS, EARLIEST_MS);
    this.own = beginEra({ id: randomUUID(), boot }, systemMs, uptimeMs, notBeforeMs);
    this.others = eras.map((era) => (this.isSameBoot(era) ? rebased(era, this.own.baseMs) : era));
    this.isDirty = this.others.some((era, at) => era !== eras[at]);
  }

  static async open(deps: ArrivalClocksDeps): Promise<ArrivalClocks> {
    return new ArrivalClocks(deps, await deps.notes.read());
  }

  /** The spool holds nothing more of earlier processes. */
  forget(): void {
    this.others = [];
  }

  /** No better clock is known than this system's, which may be wrong. */
  get isUnknown(): boolean {
    return this.own.settledAtMs === undefined;
  }

  /** The era that spooled records have to name; undefined once arrivals are stamped with the right time. */
  get era(): string | undefined {
    const since = this.fixedMonotonicMs;
    return since !== undefined && this.deps.monotonicMs() - since > TAGGED_FOR_MS ? undefined : this.own.id;
  }

  /** Before a record that names the era is spooled. Rejects where the note cannot be written. */
  async name(): Promise<void> {
    if (this.era === undefined) return;
    this.isDirty ||= !this.isNamed;
    this.isNamed = true;
    await this.write();
  }

  /** The system's clock was set; it would show `wasMs`. */
  clockSet(wasMs: Millis, nowMs: Millis): void {
    if (this.own.settledAtMs !== undefined) return;
    // A machine that slept: its monotonic clock stood still, the time since boot went on.
    if (Math.abs(nowMs - this.deps.boot.uptimeMs() - this.own.baseMs) <= SET_BEYOND_MS) return;
    this.own = clockSet(this.own, wasMs, nowMs);
    this.others = this.others.map((era) => (this.isSameBoot(era) ? rebased(era, this.own.baseMs) : era));
    this.changed();
  }

  /** At each contact with the database. `aheadMs`: how far the right time is ahead of the system's; 0 where that is right. */
  confirmed(systemMs: Millis, aheadMs: number): void {
    const nowMs = systemMs + aheadMs;
    this.confirmedMs = nowMs;
    if (this.own.settledAtMs === undefined) this.fixEra(systemMs, aheadMs);
    else if (this.deps.monotonicMs() - this.notedMonotonicMs <= CONFIRM_EVERY_MS) return;
    this.changed();
  }

  /** Resolves once the right time is known and on disk, which must come before any correction. */
  async fixed(): Promise<void> {
    if (this.own.settledAtMs === undefined)
      throw new FieldwatchError('the clock was not compared with the database server yet', {
        code: 'CLOCK_UNKNOWN',
        kind: 'transient',
      });
    await this.write();
  }

  /** The right time of an arrival under the clock of an era; undefined where it cannot be known. */
  corrected(id: string | undefined, arrivalUs: Micros): Micros | undefined {
    const era = id === this.own.id ? this.own : this.others.find((each) => each.id === id);
    return era === undefined ? arrivalUs : correctedArrival(era, arrivalUs);
  }

  /** When an earlier process wrote something, as far as its clock is known; undefined where it may have been wrong. */
  writtenAtMs(atMs: Millis): Millis | undefined {
    const era = this.others.find(({ spans }) =>
      spans.some(({ fromUs, untilUs = Infinity }) => atMs * 1000 >= fromUs && atMs * 1000 < untilUs),
    );
    if (era === undefined) return atMs;
    if (era.settledAtMs === undefined && !this.isSameBoot(era)) return undefined;
    const rightUs = correctedArrival(
      { ...era, settledAtMs: era.settledAtMs ?? this.deps.systemMs() },
      atMs * 1000,
    );
    return rightUs === undefined ? undefined : rightUs / 1000;
  }

  private fixEra(systemMs: Millis, aheadMs: number): void {
    const rightBaseMs = systemMs + aheadMs - this.deps.boot.uptimeMs();
    const atMs = systemMs + aheadMs;
    this.others = this.others.map((era) =>
      settled(this.isSameBoot(era) ? rebased(era, rightBaseMs) : this.byItsBoot(era), atMs),
    );
    this.own = fixedNow(this.own, systemMs, aheadMs);
    this.fixedMonotonicMs = this.deps.monotonicMs();
  }

  /** The last process of another boot may have seen a step of the clock that the processes before it used. */
  private byItsBoot(era: ClockEra): ClockEra {
    const last = this.others.findLast(({ boot }) => boot !== undefined && boot === era.boot);
    return last === undefined ? era : rebased(era, last.baseMs);
  }

  private isSameBoot({ boot }: ClockEra): boolean {
    return boot !== undefined && boot === this.deps.boot.id;
  }

  /** Callers that depend on it wait, and retry. */
  private changed(): void {
    this.isDirty = true;
    this.write().catch((error: unknown) =>
      this.deps.logger.debug({ err: error }, 'clock: state not saved, retrying'),
    );
  }

  private write(): Promise<void> {
    return this.writes.run(async () => {
      if (!this.isDirty) return;
      this.isDirty = false;
      try {
        const eras = this.isNamed ? [...this.others, this.own] : this.others;
        await this.deps.notes.write({ eras, confirmedMs: this.confirmedMs });
        this.notedMonotonicMs = this.deps.monotonicMs();
      } catch (error) {
        this.isDirty = true;
        throw error;
      }
    });
  }
}
