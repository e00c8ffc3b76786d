import * as z from './zod.ts';
import { parseDuration } from '../duration.ts';
import { ordered, section } from './fields.ts';

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** `64MiB`, `10 MB`, `512 B` -> bytes; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)$/i.exec(text.trim());
  const unit = BYTES[match?.[2]?.toLowerCase() ?? ''];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

const DURATION = z.string().describe('duration, such as 250ms, 10s, 1h30m, 90 days');
const SIZE = z.string().describe('size, such as 512 B, 64KiB, 16MiB, 1GiB');

/** Whether a text (the schema behind a transform) is a duration. */
export const isDurationText = (schema: z.core.$ZodType): boolean => schema === DURATION;

/** A duration such as `10m`, `1h30m`, `90 days`; milliseconds after parsing. */
export const duration = (bounds: { min?: string; max?: string } = {}) =>
  DURATION.transform((text, context) => {
    const ms = parseDuration(text);
    if (ms === undefined) {
      context.addIssue({
        code: 'custom',
        message: `"${text}" is no duration; write it like 250ms, 10s, 1h30m or 90 days`,
      });
      return z.NEVER;
    }
    if (
      (bounds.min !== undefined && ms < (parseDuration(bounds.min) ?? 0)) ||
      (bounds.max !== undefined && ms > (parseDuration(bounds.max) ?? Infinity))
    ) {
      context.addIssue({
        code: 'custom',
        message: `"${text}" is out of bounds: ${bounds.min ?? '0s'} to ${bounds.max ?? 'any'}`,
      });
      return z.NEVER;
    }
    return ms;
  });

/** A size such as `1MiB`; bytes after parsing. */
export const bytes = (bounds: { min?: number; max?: number } = {}) =>
  SIZE.transform((text, context) => {
    const size = parseBytes(text);
    if (size === undefined || size < (bounds.min ?? 0) || size > (bounds.max ?? Number.MAX_SAFE_INTEGER)) {
      context.addIssue({
        code: 'custom',
        message: `"${text}" is no size within bounds; write it like 64KiB or 16MiB`,
      });
      return z.NEVER;
    }
    return size;
  });

/** Jittered waits between attempts: the bounds of the setting, and its default. */
export const backoff = (
  waits: {
    readonly least: string;
    readonly mostAtFirst: string;
    readonly first: string;
    readonly every: string;
  },
  description: string,
) => {
  const { least, mostAtFirst, first, every } = waits;
  const bounds = {
    min: duration({ min: least, max: mostAtFirst })
      .prefault(first)
      .describe('bound of the first wait; it doubles with each attempt'),
    max: duration({ min: least, max: '1h' }).prefault(every).describe('bound of every wait'),
  };
  const fault = { path: ['min'], error: 'must not be longer than max' };
  return ordered(section(bounds, description), ['min'], ['max'], fault);
};
