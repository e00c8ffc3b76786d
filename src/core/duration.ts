import type { Millis } from './reading.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  y: 31_536_000_000,
  year: 31_536_000_000,
};

const PART = /(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy;

/** Reads `10m`, `1h30m`, `90 days`, `250ms`; a bare `0` is zero. Returns milliseconds, or undefined for anything else. */
export function parseDuration(text: string): Millis | undefined {
  const input = text.trim().toLowerCase();
  if (input === '0') return 0;
  if (input === '') return undefined;
  let total = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < input.length) {
    const part = PART.exec(input);
    if (part === null) return undefined;
    const unit = part[2] ?? '';
    const ms = UNIT_MS[unit] ?? UNIT_MS[unit.replace(/s$/, '')];
    if (ms === undefined) return undefined;
    total += Number(part[1]) * ms;
  }
  return total;
}

const SHORT: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

/** The shortest exact text of a duration: `90d`, `1h30m`, `0s`. */
export function formatDuration(ms: Millis): string {
  let rest = Math.round(ms);
  if (rest === 0) return '0s';
  let text = '';
  for (const [unit, size] of SHORT) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
