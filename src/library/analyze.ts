import { type Bucket, parseBucket } from '../core/bucket.ts';
import { isNamedZone, unknownZone } from '../core/zone.ts';
import { parseDuration } from '../core/duration.ts';
import { FieldwatchError } from '../core/errors.ts';
import { metricUnit } from '../core/metric-unit.ts';
import type { Millis } from '../core/reading.ts';
import { correlate, CORRELATIONS } from '../queries/analyze/correlate.ts';
import { describe } from '../queries/analyze/describe.ts';
import { missing } from '../queries/analyze/missing.ts';
import { OUTLIERS, outliers, THRESHOLDS } from '../queries/analyze/outliers.ts';
import { pattern, PATTERNS } from '../queries/analyze/pattern.ts';
import type { Db, Selection, TimeRange } from '../queries/db.ts';
import { FILLS, METHODS, resample } from '../queries/gapfill.ts';
import { type Names, presentKeys } from '../queries/names.ts';
import type { Analyze, AnalyzeBuckets, AnalyzeRange } from './analyze-types.ts';
import { checkArgument, checkOneOf } from './arguments.ts';
import { timeOf } from './time.ts';

const CORRELATED = ['metrics', 'sensors'];

/** The analyses of a monitor. */
export function analyzeWith(db: Db, nowMs: () => Millis): Analyze {
  const chosen = async (range: AnalyzeRange, metric?: Names['metric']): Promise<TimeRange & Selection> => {
    const { from, to, sensor, location } = range;
    const start = timeOf(from, 'from');
    const end = to === undefined ? new Date(nowMs() + 1) : timeOf(to, 'to');
    if (start >= end) throw invalid(`from ${start.toISOString()} is not before to ${end.toISOString()}`);
    const keys = await presentKeys(db, { sensor, location, metric });
    return { from: start, to: end, sensor: keys, location };
  };
  const analyses: Analyze = {
    describe: async ({ metrics, bySensor, ...range }) => {
      const rows = await describe(db, { ...(await chosen(range, metrics)), metrics, bySensor });
      return rows.map((row) => ({
        ...row,
        unit: metricUnit(row.metric, Math.max(Math.abs(row.min), Math.abs(row.max))) ?? null,
      }));
    },
    correlate: async ({ of = 'metrics', method = 'pearson', metrics, ...range }) => {
      among('of', of, CORRELATED);
      among('method', method, CORRELATIONS);
      return correlate(db, { ...(await chosen(range, metrics)), ...bucketsOf(range), of, method, metrics });
    },
    pattern: async ({ metric, of = 'hour', timeZone, bySensor, ...range }) => {
      among('of', of, PATTERNS);
      return pattern(db, { ...(await chosen(range, metric)), metric, of, zone: zoneOf(timeZone), bySensor });
    },
    missing: async ({ metric, factor = 3, timeZone, ...range }) => {
      number('factor', factor);
      const rows = await missing(db, {
        ...(await chosen(range, metric)),
        metric,
        factor,
        zone: zoneOf(timeZone),
      });
      return rows.map(({ gaps, days, ...row }) => ({
        ...row,
        gaps: gaps.map(({ from, to, open, seconds, missing: due }) => ({
          from,
          to,
          open,
          seconds,
          missing: due,
        })),
        days: days.map(({ day, readings, expected, share }) => ({ day, readings, expected, share })),
      }));
    },
    resample: async ({ metric, method = 'mean', fill = 'null', ...range }) => {
      among('method', method, METHODS);
      among('fill', fill, FILLS);
      return resample(db, { ...(await chosen(range, metric)), ...bucketsOf(range), metric, method, fill });
    },
    outliers: async ({ metric, method = 'rolling', window = '1h', minValues = 10, limit, ...rest }) => {
      among('method', method, OUTLIERS);
      const { threshold = THRESHOLDS[method], ...range } = rest;
      number('threshold', threshold);
      number('minValues', minValues);
      const windowMs = parseDuration(window);
      if (windowMs === undefined || windowMs <= 0)
        throw invalid(`${JSON.stringify(window)} is no window; expected a duration such as 1h`);
      const query = { metric, method, threshold, minValues, windowMs, limit };
      return outliers(db, { ...(await chosen(range, metric)), ...query });
    },
  };
  return {
    describe: async (input) => analyses.describe(checked('describe', input)),
    correlate: async (input) => analyses.correlate(checked('correlate', input)),
    pattern: async (input) => analyses.pattern(checked('pattern', input, 'analysisOfMetric')),
    missing: async (input) => analyses.missing(checked('missing', input)),
    resample: async (input) => analyses.resample(checked('resample', input, 'analysisOfMetric')),
    outliers: async (input) => analyses.outliers(checked('outliers', input, 'analysisOfMetric')),
  };
}

function checked<Input>(
  call: string,
  input: Input,
  shape: 'analysis' | 'analysisOfMetric' = 'analysis',
): Input {
  checkArgument(`analyze.${call}`, 'input', input, shape);
  return input;
}

function bucketsOf({ bucket = '1h', timeZone }: AnalyzeBuckets): {
  readonly bucket: Bucket;
  readonly zone: string;
} {
  const width = parseBucket(bucket);
  if (width === undefined)
    throw invalid(
      `${JSON.stringify(bucket)} is no bucket; expected a second or more, such as 15m, 1h, 1d or 1mo`,
    );
  return { bucket: width, zone: zoneOf(timeZone) };
}

function zoneOf(name = 'UTC'): string {
  if (isNamedZone(name)) return name;
  throw invalid(unknownZone(name));
}

const among = (what: string, given: unknown, known: readonly string[]) =>
  checkOneOf(what, given, known, 'ANALYZE_INVALID');

function number(what: string, given: number): void {
  if (!(Number.isFinite(given) && given > 0)) throw invalid(`${what}: expected a number above 0`);
}

const invalid = (message: string) => new FieldwatchError(message, { code: 'ANALYZE_INVALID', kind: 'data' });
