/** The range of a plot: the newest so-and-so much, which moves on, or a fixed part of the past. */
export type Range =
  | { readonly kind: 'last'; readonly seconds: number }
  | { readonly kind: 'fixed'; readonly fromMs: number; readonly toMs: number };

export interface Preset {
  readonly key: string;
  readonly label: string;
  readonly seconds: number;
}

const HOUR = 3_600;
const DAY = 86_400;

export const PRESETS: readonly Preset[] = [
  { key: '15m', label: '15 min', seconds: 900 },
  { key: '1h', label: '1 h', seconds: HOUR },
  { key: '6h', label: '6 h', seconds: 6 * HOUR },
  { key: '24h', label: '24 h', seconds: DAY },
  { key: '7d', label: '7 d', seconds: 7 * DAY },
  { key: '30d', label: '30 d', seconds: 30 * DAY },
  { key: '1y', label: '1 y', seconds: 365 * DAY },
  { key: '5y', label: '5 y', seconds: 5 * 365 * DAY },
];

const SHORTEST = PRESETS[0]!;
const DEFAULT_PRESET = PRESETS[1]!;

/** The first range of a sensor: of one that has only just begun an hour would be empty but for its end. */
export const presetFor = (firstSeen: string | null, nowMs: number): Preset =>
  firstSeen !== null && nowMs - Date.parse(firstSeen) < SHORTEST.seconds * 1000 ? SHORTEST : DEFAULT_PRESET;

/** Below this nothing is left to see between two readings. */
export const SHORTEST_MS = 10_000;

export function rangeOf(query: Readonly<Record<string, string>>, otherwise = DEFAULT_PRESET): Range {
  const fromMs = Date.parse(query['from'] ?? '');
  const toMs = Date.parse(query['to'] ?? '');
  if (fromMs < toMs) return { kind: 'fixed', fromMs, toMs };
  const preset = PRESETS.find(({ key }) => key === query['range']) ?? otherwise;
  return { kind: 'last', seconds: preset.seconds };
}

export function queryOf(range: Range): Record<string, string | undefined> {
  if (range.kind === 'last')
    return {
      range: PRESETS.find(({ seconds }) => seconds === range.seconds)?.key,
      from: undefined,
      to: undefined,
    };
  const iso = (ms: number): string => new Date(ms).toISOString();
  return { range: undefined, from: iso(range.fromMs), to: iso(range.toMs) };
}

export function boundsOf(range: Range, nowMs: number): { readonly fromMs: number; readonly toMs: number } {
  if (range.kind === 'fixed') return range;
  return { fromMs: nowMs - range.seconds * 1000, toMs: nowMs };
}

/** In (factor below 1) or out around the middle, and never into the future. */
export function zoomed(bounds: { fromMs: number; toMs: number }, factor: number, nowMs: number): Range {
  const middle = (bounds.fromMs + bounds.toMs) / 2;
  const half = Math.max(SHORTEST_MS, (bounds.toMs - bounds.fromMs) * factor) / 2;
  return within(middle - half, middle + half, nowMs);
}

/** By a part of its width, to the left (negative) or right. */
export function moved(bounds: { fromMs: number; toMs: number }, by: number, nowMs: number): Range {
  const step = (bounds.toMs - bounds.fromMs) * by;
  return within(bounds.fromMs + step, bounds.toMs + step, nowMs);
}

function within(fromMs: number, toMs: number, nowMs: number): Range {
  const over = Math.max(0, toMs - nowMs);
  return { kind: 'fixed', fromMs: Math.round(fromMs - over), toMs: Math.round(toMs - over) };
}
