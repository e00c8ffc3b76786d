import { FieldwatchError } from './errors.ts';
import type { Millis } from './reading.ts';

/** Where values of a range come from. Figures outlive the readings that they are made of. */
export type SeriesSource = 'raw' | 'hourly' | 'daily';

/** How long each is kept; undefined: for ever. */
export type Retention = Readonly<Record<SeriesSource, Millis | undefined>>;

/** Retention of metrics with a column of their own, and of all further ones. */
export interface MetricRetention {
  readonly columns: Retention;
  readonly further: Retention;
}

/** How long all of these are kept. */
export const shortestOf = (kept: readonly Retention[]): Retention => {
  const least = (source: SeriesSource): Millis | undefined => {
    const ages = kept.flatMap((each) => each[source] ?? []);
    return ages.length === 0 ? undefined : Math.min(...ages);
  };
  return { raw: least('raw'), hourly: least('hourly'), daily: least('daily') };
};

export interface SeriesRange {
  readonly fromMs: Millis;
  readonly toMs: Millis;
  /** Width of a bucket; undefined: as `points` gives it. */
  readonly stepMs?: Millis | undefined;
  /** Buckets at most. */
  readonly points: number;
}

export interface SeriesPlan {
  readonly source: SeriesSource;
  /** Start of the first bucket: a multiple of the step, so that the same buckets come again with a later range. */
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly stepMs: Millis;
}

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const GRAIN_MS: Readonly<Record<SeriesSource, Millis>> = { raw: SECOND_MS, hourly: HOUR_MS, daily: DAY_MS };

/** Buckets of one series at most. */
export const MOST_BUCKETS = 5000;

/**
 * The coarsest source that is fine enough for the step, and reaches back to the start of the range. Where none reaches back so far,
 * the one that reaches furthest.
 */
export function planSeries(
  { fromMs, toMs, stepMs, points }: SeriesRange,
  retention: Retention,
  nowMs: Millis,
): SeriesPlan {
  const spanMs = toMs - fromMs;
  const wantedMs = stepMs ?? spanMs / points;
  const reaches = (source: SeriesSource) => fromMs >= nowMs - (retention[source] ?? Infinity);
  const source = sourceOf(wantedMs, reaches);
  const grainMs = GRAIN_MS[source];
  // A step that was asked for stays as it is among readings; figures have borders of their own.
  const chosenMs =
    source === 'raw' && stepMs !== undefined
      ? stepMs
      : Math.max(grainMs, Math.ceil(wantedMs / grainMs) * grainMs);
  const plan = { source, fromMs: Math.floor(fromMs / chosenMs) * chosenMs, toMs, stepMs: chosenMs };
  const buckets = (toMs - plan.fromMs) / chosenMs;
  // The first bucket begins before the range: one more than was asked for.
  if (buckets <= MOST_BUCKETS + 1) return plan;
  throw new FieldwatchError(
    `${Math.ceil(buckets)} buckets of ${chosenMs / 1000} s; expected ${MOST_BUCKETS} at most`,
    {
      code: 'QUERY_TOO_LARGE',
      kind: 'config',
      remedy: 'Choose a wider step or a shorter time range.',
    },
  );
}

function sourceOf(wantedMs: Millis, reaches: (source: SeriesSource) => boolean): SeriesSource {
  if (wantedMs < HOUR_MS && reaches('raw')) return 'raw';
  return reaches('hourly') || (reaches('raw') && !reaches('daily')) ? 'hourly' : 'daily';
}
