import * as z from '../../core/schema/zod.ts';
import { parseDuration } from '../../core/duration.ts';
import { parseTime } from '../../core/ingest/mapping/instant.ts';
import { UTC } from '../../core/ingest/mapping/zone.ts';
import type { Micros, Millis } from '../../core/reading.ts';

/** A moment: seconds after the start, a duration after it (`5m`), or an ISO 8601 time. */
export const moment = z.union([z.number(), z.string()]);
export type ScenarioMoment = z.output<typeof moment>;

export function momentUs(given: ScenarioMoment, startMs: Millis): Micros {
  const seconds = typeof given === 'number' ? given : Number(given.trim() === '' ? NaN : given);
  if (Number.isFinite(seconds)) return startMs * 1000 + Math.round(seconds * 1e6);
  const text = String(given);
  const afterMs = parseDuration(text);
  if (afterMs !== undefined) return startMs * 1000 + Math.round(afterMs * 1000);
  const timeUs = isoUs(text);
  if (timeUs === undefined)
    throw new Error(`"${text}" is neither seconds, nor a duration, nor a time in ISO 8601`);
  return timeUs;
}

/** A time without a zone is UTC: a scenario means the same on every machine. */
export function isoUs(text: string): Micros | undefined {
  return parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text, 'iso', UTC);
}

export interface NotedReading {
  readonly timeUs: Micros;
  /** When it arrived, if the notation says so. */
  readonly receivedUs: Micros | undefined;
  readonly value: unknown;
}

/** Words that a sensor may send instead of a number; any other word is a typing error. */
const WORDS = new Map<string, unknown>([
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

const READING =
  /\(\s*([^,()\s]+)\s*,\s*("[^"]*"|'[^']*'|[^,()\s]+)(?:[\s,]+rx\s*[=:]\s*([^,()\s]+))?\s*\)[\s,;]*/g;

/** `(0,25)(60,31 rx=70)`: times, values and times of arrival, the notation of the contract. */
export function notedReadings(text: string, startMs: Millis): readonly NotedReading[] {
  const rest = text.replace(READING, '').trim();
  if (rest !== '') throw unreadable(rest);
  return [...text.matchAll(READING)].map(([whole, time = '', value = '', received]) => ({
    timeUs: momentUs(time, startMs),
    receivedUs: received === undefined ? undefined : momentUs(received, startMs),
    value: valueOf(value, whole),
  }));
}

function valueOf(text: string, whole: string): unknown {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (WORDS.has(text)) return WORDS.get(text);
  const value = Number(text);
  if (!Number.isFinite(value)) throw unreadable(whole.trim());
  return value;
}

const unreadable = (text: string): Error =>
  new Error(`readings: cannot read "${text}"; write (seconds,value)(seconds,value rx=seconds)`);
