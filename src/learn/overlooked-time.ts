import type { Inflate } from '../core/ingest/codec/codec.ts';
import type { Limits } from '../core/ingest/mapping/context.ts';
import { isObject, pointerTo } from '../core/ingest/mapping/document.ts';
import { parseTime } from '../core/ingest/mapping/instant.ts';
import { TIME_NAMES } from '../core/ingest/mapping/pair-keys.ts';
import { UTC } from '../core/ingest/mapping/zone.ts';
import { type Sample, observe } from '../core/ingest/preset/samples.ts';
import type { Decoded } from '../core/reading.ts';

const YEAR_US = 365 * 86_400_000_000;
const MAX_LEVELS = 3;
const MAX_KEYS = 200;

/**
 * The location of what looks like a time in a payload whose readings got the time of arrival (D6'); undefined if
 * there is none. For the operator: a candidate for `time.path`.
 */
export function overlookedTime(
  message: Sample,
  decoded: Decoded,
  limits: Limits,
  inflate: Inflate | undefined,
): string | undefined {
  if (decoded.kind !== 'readings' || !decoded.readings.some(({ stamped }) => stamped)) return undefined;
  const { content } = observe(message, limits, inflate);
  if (content.kind !== 'tree') return undefined;
  return timeIn(content.value, '', message.receivedAtMs * 1000, MAX_LEVELS);
}

function timeIn(value: unknown, path: string, nowUs: number, levels: number): string | undefined {
  if (Array.isArray(value)) return levels === 0 ? undefined : timeIn(value[0], path, nowUs, levels - 1);
  if (!isObject(value)) return undefined;
  const keys = Object.keys(value).slice(0, MAX_KEYS);
  const found = keys.find((key) => TIME_NAMES.test(key) && isRecent(value[key], nowUs));
  if (found !== undefined) return path + pointerTo(found);
  if (levels === 0) return undefined;
  for (const key of keys) {
    const deeper = timeIn(value[key], path + pointerTo(key), nowUs, levels - 1);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

function isRecent(value: unknown, nowUs: number): boolean {
  const timeUs = parseTime(value, 'auto', UTC);
  return timeUs !== undefined && Math.abs(timeUs - nowUs) < YEAR_US;
}
