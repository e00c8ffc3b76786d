import { capital } from '../../core/capital.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { CORRELATE_SUMMARY, correlate } from '../../queries/analyze/correlate.ts';
import { DESCRIBE_SUMMARY, describe } from '../../queries/analyze/describe.ts';
import { inputReader } from '../../queries/analyze/input.ts';
import { MISSING_SUMMARY, missing } from '../../queries/analyze/missing.ts';
import { OUTLIERS_SUMMARY, THRESHOLDS, outliers } from '../../queries/analyze/outliers.ts';
import { PATTERN_SUMMARY, pattern } from '../../queries/analyze/pattern.ts';
import { readingsUpTo } from '../../queries/analyze/size.ts';
import { appMetrics } from '../../queries/app-metrics.ts';
import { counterUse } from '../../queries/counters.ts';
import type { Selection, TimeRange } from '../../queries/db.ts';
import { RESAMPLE_SUMMARY, resample } from '../../queries/gapfill.ts';
import { type Names, presentKeys } from '../../queries/names.ts';
import {
  appMetricsQuery,
  appMetricsSchema,
  correlateQuery,
  correlationsSchema,
  describeQuery,
  descriptionsSchema,
  missingQuery,
  outliersQuery,
  outliersSchema,
  patternQuery,
  patternSchema,
  presencesSchema,
  resampleQuery,
  resampledSchema,
  useQuery,
  usesSchema,
} from '../contract/analysis.ts';
import type { ApiDeps } from '../deps.ts';
import { RequestFault } from '../problem.ts';
import { rangeOf } from './paging.ts';
import type { AnyResource } from './resource.ts';
import { resource } from './resource.ts';
import { finite, iso } from './values.ts';

/** Readings that a query of the API can go through in its time, also on the embedded database. */
const MOST_READINGS = 500_000;
const MOST_RESAMPLED = 50_000;

const common = {
  method: 'GET',
  tag: 'analysis',
  role: 'viewer',
  shared: true,
  faults: ['SENSOR_UNKNOWN', 'LOCATION_UNKNOWN', 'METRIC_UNKNOWN', 'QUERY_TOO_LARGE'],
} as const;

interface Asked {
  readonly sensor?: readonly string[] | undefined;
  readonly location?: string | undefined;
  readonly from: string;
  readonly to?: string | undefined;
}

/** Checked names, and a range of a size that is answered in time. */
async function chosen(
  asked: Asked,
  metric: Names['metric'],
  { db, clock }: ApiDeps,
): Promise<TimeRange & Selection> {
  const { location } = asked;
  const sensor = await presentKeys(db, { ...asked, metric });
  const range = { ...rangeOf(asked, clock.nowMs(), 0), sensor, location };
  if ((await readingsUpTo(db, range, MOST_READINGS + 1)) <= MOST_READINGS) return range;
  throw tooLarge(`more than ${MOST_READINGS} readings`);
}

const tooLarge = (what: string) =>
  new FieldwatchError(`${what}; \`fieldwatch analyze\` and the library have no such limit`, {
    code: 'QUERY_TOO_LARGE',
    kind: 'config',
    remedy: 'Choose a shorter time range, or fewer sensors.',
  });

const NAMES = { bucket: 'bucket', zone: 'tz', window: 'window' };
const input = inputReader((name, detail) => new RequestFault([{ pointer: `/query/${NAMES[name]}`, detail }]));

const list = <Item>(items: readonly Item[]) => ({ items: [...items], next: null });

const descriptions = resource({
  ...common,
  id: 'describe',
  path: '/analysis/describe',
  summary: capital(DESCRIBE_SUMMARY),
  query: describeQuery,
  answer: descriptionsSchema,
  async handle({ query }, deps) {
    const { metric: metrics, bySensor } = query;
    const asked = { ...(await chosen(query, metrics, deps)), metrics, bySensor };
    const rows = await describe(deps.db, asked, deps.daemon.unitOf);
    return list(rows.map((row) => ({ ...row, first: iso(row.first), last: iso(row.last) })));
  },
});

const correlations = resource({
  ...common,
  id: 'correlate',
  path: '/analysis/correlate',
  summary: capital(CORRELATE_SUMMARY),
  query: correlateQuery,
  answer: correlationsSchema,
  async handle({ query }, deps) {
    const { metric: metrics, of, method } = query;
    const buckets = { bucket: input.bucketOf(query.bucket), zone: input.zoneOf(query.tz) };
    return list(
      await correlate(deps.db, { ...(await chosen(query, metrics, deps)), ...buckets, metrics, of, method }),
    );
  },
});

const patterns = resource({
  ...common,
  id: 'pattern',
  path: '/analysis/pattern',
  summary: capital(PATTERN_SUMMARY),
  query: patternQuery,
  answer: patternSchema,
  async handle({ query }, deps) {
    const { metric, of, bySensor } = query;
    const zone = input.zoneOf(query.tz);
    return list(
      await pattern(deps.db, { ...(await chosen(query, metric, deps)), metric, of, zone, bySensor }),
    );
  },
});

const presences = resource({
  ...common,
  id: 'missing',
  path: '/analysis/missing',
  summary: capital(MISSING_SUMMARY),
  query: missingQuery,
  answer: presencesSchema,
  async handle({ query }, deps) {
    const { metric, factor } = query;
    const zone = input.zoneOf(query.tz);
    const rows = await missing(deps.db, { ...(await chosen(query, metric, deps)), metric, factor, zone });
    return list(
      rows.map(({ gaps, days, ...row }) => ({
        ...row,
        gaps: gaps.map((gap) => ({ ...gap, from: iso(gap.from), to: iso(gap.to) })),
        days: [...days],
      })),
    );
  },
});

const uses = resource({
  ...common,
  id: 'use',
  path: '/analysis/use',
  summary: 'Use of a counter (energy, water, rain) by buckets, across resets and overflows',
  query: useQuery,
  answer: usesSchema,
  faults: [...common.faults, 'METRIC_NOT_COUNTER'],
  async handle({ query }, { db, clock }) {
    const { metric, location } = query;
    const sensor = await presentKeys(db, { ...query, metric });
    const limit = MOST_RESAMPLED + 1;
    const rows = await counterUse(db, {
      ...{ ...rangeOf(query, clock.nowMs(), 0), sensor, location, metric, limit },
      ...{ bucket: input.bucketOf(query.bucket), zone: input.zoneOf(query.tz) },
    });
    if (rows.length > MOST_RESAMPLED) throw tooLarge(`more than ${MOST_RESAMPLED} values`);
    return list(rows.map((row) => ({ ...row, bucket: iso(row.bucket) })));
  },
});

const figuresOfPrograms = resource({
  ...common,
  id: 'appMetrics',
  path: '/app-metrics',
  summary: 'Figures of programs and of the daemon itself, newest first',
  query: appMetricsQuery,
  answer: appMetricsSchema,
  faults: [],
  async handle({ query }, { db, clock }) {
    const { name: metrics, host, limit } = query;
    const rows = await appMetrics(db, { ...rangeOf(query, clock.nowMs(), 0), metrics, host, limit });
    return list(rows.map((row) => ({ ...row, time: iso(row.time) })));
  },
});

const resampled = resource({
  ...common,
  id: 'resample',
  path: '/analysis/resample',
  summary: capital(RESAMPLE_SUMMARY),
  query: resampleQuery,
  answer: resampledSchema,
  async handle({ query }, deps) {
    const { metric, method, fill } = query;
    const buckets = { bucket: input.bucketOf(query.bucket), zone: input.zoneOf(query.tz) };
    const limit = MOST_RESAMPLED + 1;
    const asked = { ...(await chosen(query, metric, deps)), ...buckets, metric, method, fill, limit };
    const rows = await resample(deps.db, asked);
    if (rows.length > MOST_RESAMPLED) throw tooLarge(`more than ${MOST_RESAMPLED} values`);
    return list(rows.map((row) => ({ ...row, bucket: iso(row.bucket), value: finite(row.value) })));
  },
});

const outlying = resource({
  ...common,
  id: 'outliers',
  path: '/analysis/outliers',
  summary: capital(OUTLIERS_SUMMARY),
  query: outliersQuery,
  answer: outliersSchema,
  async handle({ query }, deps) {
    const { metric, method, minValues, limit } = query;
    const { threshold = THRESHOLDS[method] } = query;
    const windowMs = input.windowOf(query.window);
    const asked = {
      ...(await chosen(query, metric, deps)),
      metric,
      method,
      threshold,
      minValues,
      windowMs,
      limit,
    };
    return list((await outliers(deps.db, asked)).map((row) => ({ ...row, time: iso(row.time) })));
  },
});

export const analysis: readonly AnyResource[] = [
  ...[descriptions, correlations, patterns, presences, resampled, outlying, uses, figuresOfPrograms],
];
