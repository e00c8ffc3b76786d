import { words } from './words.ts';

const UNITS: readonly (readonly [seconds: number, unit: string])[] = [
  [31_536_000, 'y'],
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** A duration in its two largest units: `45 s`, `3 min 20 s`, `2 d 4 h`, `1 y 40 d`. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const sign = seconds < 0 ? '−' : '';
  let rest = Math.abs(seconds);
  if (rest < 1) return rest === 0 ? '0 s' : `${sign}${Math.max(1, Math.round(rest * 1000))} ms`;
  rest = Math.round(rest);
  const first = UNITS.findIndex(([size]) => rest >= size);
  const [size, unit] = UNITS[first]!;
  const count = Math.floor(rest / size);
  const next = UNITS[first + 1];
  const more = next === undefined ? 0 : Math.floor((rest - count * size) / next[0]);
  return `${sign}${count} ${unit}${more === 0 ? '' : ` ${more} ${next![1]}`}`;
}

/** A duration in its largest unit: for columns in which it keeps changing. */
export function roughDuration(seconds: number): string {
  const rest = Math.max(0, Math.round(seconds));
  const [size, unit] = UNITS.find(([one]) => rest >= one) ?? [1, 's'];
  return `${Math.floor(rest / size)} ${unit}`;
}

/** `just now`, `3 min ago`, `in 5 min`. */
export function agoText(thenMs: number, nowMs: number): string {
  const seconds = (nowMs - thenMs) / 1000;
  if (Math.abs(seconds) < 2) return 'just now';
  return seconds < 0 ? `in ${roughDuration(-seconds)}` : `${roughDuration(seconds)} ago`;
}

const PARTS = words<number>({
  s: 1,
  m: 60,
  min: 60,
  h: 3_600,
  d: 86_400,
  w: 604_800,
  y: 31_536_000,
});

/** Reads `30m`, `2h`, `1h 30m`, `7 d`; undefined for anything else. Seconds. */
export function parseDuration(text: string): number | undefined {
  const input = text.trim().toLowerCase();
  if (!/^(?:\d+(?:\.\d+)?\s*(?:min|[smhdwy])\s*)+$/.test(input)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of input.matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhdwy])/g))
    seconds += Number(count) * PARTS.get(unit!)!;
  return seconds;
}
