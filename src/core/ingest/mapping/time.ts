import type { Micros } from '../../reading.ts';
import type { MessageContext } from './context.ts';
import { type Doc, type Pointer, lookup } from './document.ts';
import type { Draft, Fault } from './draft.ts';
import { type TimeUnit, parseTime } from './instant.ts';
import type { Zone } from './zone.ts';

/** Keys of the time if the route does not name one (D6), in order; never metrics. */
export const TIME_KEYS = ['time', 'timestamp', 'ts'] as const;

export interface TimePlan {
  /** `time.path`, several in order of preference; undefined: the usual keys. */
  readonly paths: readonly Pointer[] | undefined;
  readonly unit: TimeUnit;
  /** For ISO text without an offset. */
  readonly zone: Zone;
  /** `received`: a bad time counts as absent (a device before NTP sends 1970). */
  readonly onBad: 'reject' | 'received';
  readonly maxPastUs: Micros;
  readonly maxFutureUs: Micros;
}

const BAD_TIME: Fault = { fault: 'bad_time' };
const OUT_OF_RANGE: Fault = { fault: 'time_out_of_range' };

/** The record's own time; undefined if it has none. */
export function ownTime(
  plan: TimePlan,
  draft: Draft,
  { receivedAtUs, clockUnknown }: Pick<MessageContext, 'receivedAtUs' | 'clockUnknown'>,
): Micros | Fault | undefined {
  let timeUs = draft.timeUs;
  if (timeUs === undefined) {
    const raw = rawTime(plan, draft);
    // Null and "" count as absent (D6).
    if (raw === undefined || raw === null || raw === '') return undefined;
    timeUs = parseTime(raw, plan.unit, plan.zone);
  }
  if (
    timeUs !== undefined &&
    timeUs >= receivedAtUs - plan.maxPastUs &&
    (timeUs <= receivedAtUs + plan.maxFutureUs || (clockUnknown === true && plan.onBad === 'reject'))
  )
    return timeUs;
  if (plan.onBad === 'received') return undefined;
  return timeUs === undefined ? BAD_TIME : OUT_OF_RANGE;
}

function rawTime(plan: TimePlan, draft: Draft): unknown {
  const { record, outer, pair } = draft;
  if (plan.paths !== undefined)
    return (
      (pair && timeAt(plan.paths, pair)) ?? timeAt(plan.paths, record) ?? (outer && timeAt(plan.paths, outer))
    );
  if (draft.time !== undefined) return draft.time;
  return (pair && usualTime(pair)) ?? usualTime(record) ?? (outer && usualTime(outer));
}

/** The first of `paths` that holds something. */
export function timeAt(paths: readonly Pointer[], record: Doc): unknown {
  for (const path of paths) {
    const value = lookup(record, path);
    if (isThere(value)) return value;
  }
  return undefined;
}

/**
 * Values of the usual keys, in their order; other spellings of them (`Timestamp`) come after. Plain access, on the path
 * of every message: nothing that a prototype has is called like a time.
 */
export function usualTime(record: Doc): unknown {
  const { time, timestamp, ts } = record;
  if (isThere(time)) return time;
  if (isThere(timestamp)) return timestamp;
  return isThere(ts) ? ts : otherSpelling(record);
}

function otherSpelling(record: Doc): unknown {
  let best: unknown;
  let bestRank = Infinity;
  for (const key in record) {
    const { length } = key;
    if (length !== 2 && length !== 4 && length !== 9) continue;
    const rank = TIME_KEYS.indexOf(key.toLowerCase() as (typeof TIME_KEYS)[number]);
    if (rank < 0 || rank >= bestRank || !Object.hasOwn(record, key) || !isThere(record[key])) continue;
    best = record[key];
    bestRank = rank;
  }
  return best;
}

/** Null and "" count as absent (D6). */
const isThere = (value: unknown): boolean => value !== undefined && value !== null && value !== '';
