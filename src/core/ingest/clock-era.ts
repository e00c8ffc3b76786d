import type { Micros, Millis } from '../reading.ts';

/** Arrivals under one setting of the system's clock. */
export interface ClockSpan {
  readonly fromUs: Micros;
  /** Undefined: up to the end of the process. */
  readonly untilUs?: Micros | undefined;
  /** How far the clock of this span was behind the right time, as far as that is known by now. */
  readonly behindUs: Micros;
}

/**
 * The system's clock during one process, from its start to its first contact with the database, whose clock is the
 * reference. A board without a battery-backed clock stamps arrivals with 1970, or with its last shutdown. Records
 * spooled meanwhile name their era, and get the correct time when they drain, in this process or in a later one.
 */
export interface ClockEra {
  readonly id: string;
  /** The boot of the machine; undefined if the system does not report it. */
  readonly boot?: string | undefined;
  /** The wall clock less the time since the boot: it changes only when the clock is set. */
  readonly baseMs: Millis;
  readonly spans: readonly ClockSpan[];
  /** It cannot have been earlier: an earlier process was in contact with the database then. */
  readonly notBeforeMs: Millis;
  /** The correct time at which it became known. After that the era does not change. */
  readonly settledAtMs?: Millis | undefined;
}

/** A difference beyond this is no drift: one of the clocks is wrong. */
export const WRONG_BEYOND_MS = 60_000;
/** The wall clock was set when it moves so far from the monotonic one. */
export const SET_BEYOND_MS = 5000;
/** No clock is right that shows a time before this program was written. */
export const EARLIEST_MS = Date.UTC(2025, 0, 1);

const usOf = (ms: Millis): Micros => Math.round(ms * 1000);

export function beginEra(
  identity: Pick<ClockEra, 'id' | 'boot'>,
  wallMs: Millis,
  uptimeMs: number,
  notBeforeMs: Millis,
): ClockEra {
  return {
    ...identity,
    baseMs: wallMs - uptimeMs,
    spans: [{ fromUs: wallMs * 1000, behindUs: 0 }],
    notBeforeMs,
  };
}

/** The clock was set while the process ran; it would show `wasMs`. It is taken for better than before. */
export function clockSet(era: ClockEra, wasMs: Millis, nowMs: Millis): ClockEra {
  const { spans } = rebased(ended(era, wasMs), era.baseMs + nowMs - wasMs);
  return {
    ...era,
    baseMs: era.baseMs + nowMs - wasMs,
    spans: [...spans, { fromUs: nowMs * 1000, behindUs: 0 }],
  };
}

/** Another process of the same boot found the clock set: the last span of this one was as far behind. */
export function rebased(era: ClockEra, baseMs: Millis): ClockEra {
  if (era.settledAtMs !== undefined || Math.abs(baseMs - era.baseMs) <= SET_BEYOND_MS) return era;
  return { ...behindBy(era, baseMs - era.baseMs), baseMs };
}

/** The first contact of the process of this era: the right time is `aheadMs` ahead of the system's. */
export function fixedNow(era: ClockEra, systemMs: Millis, aheadMs: number): ClockEra {
  const right = behindBy(ended(era, systemMs), aheadMs);
  // No bound is needed: the right time of each of its arrivals is known.
  return { ...right, notBeforeMs: 0, settledAtMs: systemMs + aheadMs };
}

/** A later process knows the correct time. A bound that is even later came from a server whose clock was wrong. */
export function settled(era: ClockEra, atMs: Millis): ClockEra {
  if (era.settledAtMs !== undefined) return era;
  return { ...era, notBeforeMs: era.notBeforeMs > atMs ? EARLIEST_MS : era.notBeforeMs, settledAtMs: atMs };
}

/**
 * The right time of an arrival; a time outside of this era is left as it is. Undefined where no clock is known under
 * which it can be right. A function of the era alone: once that is on disk, it is the same at every attempt, in every process.
 */
export function correctedArrival(era: ClockEra, arrivalUs: Micros): Micros | undefined {
  const { spans, settledAtMs, notBeforeMs } = era;
  if (settledAtMs === undefined) return arrivalUs;
  const [from, until] = [usOf(notBeforeMs - WRONG_BEYOND_MS), usOf(settledAtMs + WRONG_BEYOND_MS)];
  const isPossible = (timeUs: Micros) => timeUs >= from && timeUs <= until;
  const span = spans.find(({ fromUs, untilUs = Infinity }) => arrivalUs >= fromUs && arrivalUs < untilUs);
  // A process that ended within seconds after its clock was set did not notice: then the stamp itself is possible.
  const times = span === undefined ? [arrivalUs] : [arrivalUs + span.behindUs, arrivalUs];
  return times.find(isPossible) ?? (span === undefined ? arrivalUs : undefined);
}

function ended(era: ClockEra, untilMs: Millis): ClockEra {
  const last = era.spans.length - 1;
  // Arrivals are stamped more finely than the clock: the whole last millisecond.
  const untilUs = (untilMs + 1) * 1000;
  return { ...era, spans: era.spans.map((span, at) => (at === last ? { ...span, untilUs } : span)) };
}

function behindBy(era: ClockEra, ms: number): ClockEra {
  return { ...era, spans: era.spans.map((span) => ({ ...span, behindUs: span.behindUs + usOf(ms) })) };
}
