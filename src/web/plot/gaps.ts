/** One metric in columns, as it is drawn: `null` breaks the line. */
export interface PlotColumns {
  /** Seconds since the epoch, rising. */
  readonly time: readonly number[];
  readonly mean: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

export interface SourceColumns {
  /** Milliseconds since the epoch, rising. */
  readonly time: readonly number[];
  readonly mean: readonly (number | null)[];
  readonly min: readonly (number | null)[];
  readonly max: readonly (number | null)[];
}

/** A sensor may miss one interval, and be late with the next, before the plot says that something is missing. */
const TOLERATED = 2.5;

/**
 * The time between two points from which on they are not joined. Buckets that are there stand side by side; single readings have
 * their own rhythm, the distance that three quarters of them keep: neither a burst nor an outage decides on it.
 */
export function gapMs(time: readonly number[], stepMs: number): number {
  if (time.length < 3) return Infinity;
  const distances = time.slice(1).map((at, index) => at - time[index]!);
  distances.sort((a, b) => a - b);
  const usual = distances[Math.floor((distances.length - 1) * 0.75)]!;
  return Math.max(stepMs * 1.5, usual * TOLERATED);
}

/** The columns with a break wherever nothing came for longer than usual. */
export function withGaps(source: SourceColumns, stepMs: number): PlotColumns {
  const most = gapMs(source.time, stepMs);
  const time: number[] = [];
  const mean: (number | null)[] = [];
  const min: (number | null)[] = [];
  const max: (number | null)[] = [];
  const push = (at: number, ...values: (number | null)[]): void => {
    time.push(at / 1000);
    mean.push(values[0] ?? null);
    min.push(values[1] ?? null);
    max.push(values[2] ?? null);
  };
  source.time.forEach((at, index) => {
    const before = source.time[index - 1];
    if (before !== undefined && at - before > most) push((before + at) / 2);
    push(at, source.mean[index]!, source.min[index]!, source.max[index]!);
  });
  return { time, mean, min, max };
}

/** The last moment at which something came before each break, and the first one afterwards: for the table and for readers. */
export function gapsOf(
  source: SourceColumns,
  stepMs: number,
): readonly { readonly fromMs: number; readonly toMs: number }[] {
  const most = gapMs(source.time, stepMs);
  return source.time.flatMap((at, index) => {
    const before = source.time[index - 1];
    return before !== undefined && at - before > most ? [{ fromMs: before, toMs: at }] : [];
  });
}

/**
 * A reading that has just come in, behind the others or as part of the last bucket. What is older than the last point is part of a
 * bucket that is read again anyway.
 */
export function appended(source: SourceColumns, atMs: number, value: number, stepMs: number): SourceColumns {
  const last = source.time.length - 1;
  const lastMs = source.time[last];
  if (lastMs !== undefined && atMs <= lastMs) return source;
  if (lastMs !== undefined && stepMs > 0 && atMs < lastMs + stepMs)
    return {
      time: source.time,
      // The mean of the bucket is not known here: it is read again with the next load.
      mean: source.mean,
      min: replaced(source.min, Math.min(source.min[last] ?? value, value)),
      max: replaced(source.max, Math.max(source.max[last] ?? value, value)),
    };
  const start = stepMs > 0 ? Math.floor(atMs / stepMs) * stepMs : atMs;
  return {
    time: [...source.time, start],
    mean: [...source.mean, value],
    min: [...source.min, value],
    max: [...source.max, value],
  };
}

const replaced = (values: readonly (number | null)[], value: number): readonly (number | null)[] => [
  ...values.slice(0, -1),
  value,
];
