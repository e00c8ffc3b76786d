import type { Millis } from '../../reading.ts';
import { EMPTY_MEMORY, type Memory } from './rule-kind.ts';

/** Messages that the rhythm of a sensor is made of, and how many it needs at least. */
const MESSAGES = 200;
const LEAST_MESSAGES = 20;
const LEAST_MS = 60_000;
const FACTOR = 5;

/** Messages within this time are one: a device with a topic for each value, or one that sends what it had stored. */
const BURST_MS = 1000;
/** Relative change from which on it is stored again. */
const WORTH_STORING = 0.1;

/** messages · intervals · time of the last message (ms) · the silence that was stored (ms); then index and interval (ms) of some */
const HEAD = 4;
const STORED = 3;

/**
 * The memory after a message. Of the last 199 intervals those are kept that can become one of the two longest: about
 * ten of them. `sinceMs`: an interval that began earlier does not count, since the broker was away or the sensor was missed.
 */
export function withMessage(memory: Memory, atMs: Millis, sinceMs: Millis): Memory {
  const [messages = 0, intervals = 0, lastMs = 0, storedMs = 0] = memory;
  if (messages > 0 && atMs - lastMs < BURST_MS) return memory;
  const next = [messages + 1, intervals, atMs, storedMs];
  if (messages === 0 || lastMs < sinceMs) next.push(...memory.slice(HEAD));
  else {
    next[1] = intervals + 1;
    addLongest(next, memory, intervals, atMs - lastMs);
  }
  const afterMs = rhythmAfterMs(next) ?? 0;
  if (Math.abs(afterMs - storedMs) > WORTH_STORING * storedMs) next[STORED] = afterMs;
  return next;
}

/** Keeps an interval until two later ones are at least as long, and adds the new one. */
function addLongest(next: number[], memory: Memory, index: number, interval: Millis): void {
  let longest = interval;
  let second = 0;
  const kept: number[] = [];
  for (let at = memory.length - 2; at >= HEAD; at -= 2) {
    const [each = 0, length = 0] = [memory[at], memory[at + 1]];
    if (each <= index - (MESSAGES - 1)) break;
    if (length <= second) continue;
    kept.push(length, each);
    if (length > longest) [longest, second] = [length, longest];
    else second = length;
  }
  for (let at = kept.length - 1; at >= 0; at--) next.push(kept[at] ?? 0);
  next.push(index, interval);
}

/**
 * The silence after which a sensor is offline: five times the 99th percentile of its intervals (nearest rank), at least a
 * minute. Undefined until it has sent 20 messages.
 */
export function rhythmAfterMs(memory: Memory): Millis | undefined {
  const [messages = 0, intervals = 0] = memory;
  if (messages < LEAST_MESSAGES || intervals === 0) return undefined;
  let [longest, second] = [0, 0];
  for (let at = HEAD + 1; at < memory.length; at += 2) {
    const length = memory[at] ?? 0;
    if (length > longest) [longest, second] = [length, longest];
    else if (length > second) second = length;
  }
  const percentile = Math.min(intervals, MESSAGES - 1) < 100 ? longest : second;
  return Math.max(LEAST_MS, FACTOR * percentile);
}

/** Changes when the memory is to be stored: rarely, once the rhythm is known. */
export const rhythmMark = (memory: Memory): number => (memory === EMPTY_MEMORY ? 0 : (memory[STORED] ?? 0));
