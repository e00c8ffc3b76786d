import { createHash } from 'node:crypto';
import type { Config } from './schema/index.ts';
import { isPlainObject } from './walk.ts';

/** The sections that decide which rows the readings of a daemon become. None of them holds a secret. */
const SECTIONS = ['routes', 'limits', 'time_window', 'sensors', 'alerts'] as const;

/** By section: 16 hexadecimal characters, the same for the same settings, in whatever order they were written. */
export function sectionDigests(config: Config): Readonly<Record<(typeof SECTIONS)[number], string>> {
  const digests = SECTIONS.map((section) => {
    const text = JSON.stringify(config[section], sortedKeys) ?? '';
    return [section, createHash('sha256').update(text).digest('hex').slice(0, 16)];
  });
  return Object.fromEntries(digests) as Record<(typeof SECTIONS)[number], string>;
}

const sortedKeys = (_key: string, value: unknown): unknown =>
  isPlainObject(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
