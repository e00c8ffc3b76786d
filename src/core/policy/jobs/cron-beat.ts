import type { Millis } from '../../reading.ts';

/** A slot of a schedule that has come: due now, or missed (the process was stopped, or the clock was set). */
export interface CronBeatTick {
  readonly kind: 'due' | 'missed';
  readonly atMs: Millis;
}

export interface CronBeat {
  /** The slot being waited for. */
  readonly slotMs: Millis;
  /** The wall clock at this call. */
  readonly atMs: Millis;
}

export interface CronBeatOutcome {
  readonly tick: CronBeatTick | undefined;
  readonly beat: CronBeat;
  /** When to call again, at the latest. */
  readonly waitMs: number;
}

/** A slot found this late is still due; beyond, it was missed. */
const TOLERANCE_MS = 1000;
/** The wall clock may be set while a schedule waits for hours: it is checked at this interval. */
const POLL_EVERY_MS = 30_000;

/**
 * One step of a schedule. However many slots lie between the last call and this one, at most one tick results: a
 * clock that is set forward by a year has not missed half a million runs. A clock that is set back restarts the
 * schedule.
 *
 * @param nextMs the first slot after `nowMs`; called only when it is needed
 */
export function cronBeat(last: CronBeat, nowMs: Millis, nextMs: () => Millis): CronBeatOutcome {
  const wasSetBack = nowMs < last.atMs - TOLERANCE_MS;
  if (wasSetBack || nowMs < last.slotMs) {
    const slotMs = wasSetBack ? nextMs() : last.slotMs;
    return outcome(undefined, slotMs, nowMs);
  }
  const kind = nowMs - last.slotMs <= TOLERANCE_MS ? 'due' : 'missed';
  return outcome({ kind, atMs: last.slotMs }, nextMs(), nowMs);
}

/** The first step of a schedule. */
export function firstCronBeat(nowMs: Millis, nextMs: () => Millis): CronBeatOutcome {
  return outcome(undefined, nextMs(), nowMs);
}

function outcome(tick: CronBeatTick | undefined, slotMs: Millis, nowMs: Millis): CronBeatOutcome {
  const waitMs = Math.min(Math.max(slotMs - nowMs, 1), POLL_EVERY_MS);
  return { tick, beat: { slotMs, atMs: nowMs }, waitMs };
}
