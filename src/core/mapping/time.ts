import type { Micros } from '../reading.ts';
import { lookup, type Doc, type Pointer } from './document.ts';
import type { Draft, Fault } from './draft.ts';
import { parseTime, type TimeUnit } from './instant.ts';
import type { Zone } from './zone.ts';

/** Where the time is when the route does not say (D6), in order; never metrics. */
export const TIME_KEYS = ['time', 'timestamp', 'ts'] as const;

export interface TimePlan {
  /** `time.path`, several in order of preference; undefined: the usual keys. */
  readonly paths: readonly Pointer[] | undefined;
  readonly unit: TimeUnit;
  /** For ISO text without an offset. */
  readonly zone: Zone;
  /** `received`: a bad time counts as none (a device before NTP says 1970). */
  readonly onBad: 'reject' | 'received';
  readonly maxPastUs: Micros;
  readonly maxFutureUs: Micros;
}

const BAD_TIME: Fault = { fault: 'bad_time' };
const OUT_OF_RANGE: Fault = { fault: 'time_out_of_range' };

/** The record's own time; undefined if it has none. */
export function ownTime(plan: TimePlan, draft: Draft, receivedAtUs: Micros): Micros | Fault | undefined {
  let timeUs = draft.timeUs;
  if (timeUs === undefined) {
    const raw = rawTime(plan, draft);
    // Null and "" say "none", as an absent key does (D6).
    if (raw === undefined || raw === null || raw === '') return undefined;
    timeUs = parseTime(raw, plan.unit, plan.zone);
  }
  if (
    timeUs !== undefined &&
    timeUs >= receivedAtUs - plan.maxPastUs &&
    timeUs <= receivedAtUs + plan.maxFutureUs
  )
    return timeUs;
  if (plan.onBad === 'received') return undefined;
  return timeUs === undefined ? BAD_TIME : OUT_OF_RANGE;
}

function rawTime(plan: TimePlan, draft: Draft): unknown {
  if (plan.paths !== undefined)
    return firstOf(plan.paths, draft.record) ?? (draft.outer && firstOf(plan.paths, draft.outer));
  if (draft.time !== undefined) return draft.time;
  return usualTime(draft.record) ?? (draft.outer && usualTime(draft.outer));
}

function firstOf(paths: readonly Pointer[], record: Doc): unknown {
  for (const path of paths) {
    const value = lookup(record, path);
    if (value !== undefined && value !== null && value !== '') return value;
  }
  return undefined;
}

/** Plain access, on the path of every message: nothing that a prototype has is called like a time. */
function usualTime({ time, timestamp, ts }: Doc): unknown {
  if (time !== undefined && time !== null && time !== '') return time;
  if (timestamp !== undefined && timestamp !== null && timestamp !== '') return timestamp;
  return ts === '' ? undefined : ts;
}
