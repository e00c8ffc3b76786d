import { FieldwatchError } from '../core/errors.ts';
import type { Millis } from '../core/reading.ts';
import { CORRELATED, CORRELATE_DEFAULTS, CORRELATIONS, correlate } from '../queries/analyze/correlate.ts';
import { describe } from '../queries/analyze/describe.ts';
import { inputReader } from '../queries/analyze/input.ts';
import { DEFAULT_FACTOR, missing } from '../queries/analyze/missing.ts';
import { OUTLIERS, OUTLIER_DEFAULTS, THRESHOLDS, outliers } from '../queries/analyze/outliers.ts';
import { DEFAULT_PATTERN, PATTERNS, pattern } from '../queries/analyze/pattern.ts';
import type { Db, Selection, TimeRange } from '../queries/db.ts';
import { FILLS, METHODS, RESAMPLE_DEFAULTS, resample } from '../queries/gapfill.ts';
import { type Names, presentKeys } from '../queries/names.ts';
import type { Analyze, AnalyzeBuckets, AnalyzeRange } from './analyze-types.ts';
import { checkArgument, checkOneOf } from './arguments.ts';
import { timeOf } from './time.ts';

const invalid = (message: string) => new FieldwatchError(message, { code: 'ANALYZE_INVALID', kind: 'data' });
const input = inputReader((_, detail) => invalid(detail));

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
  return {
    describe: async (given) => {
      const { metrics, bySensor, ...range } = checked('describe', given);
      return describe(db, { ...(await chosen(range, metrics)), metrics, bySensor });
    },
    correlate: async (given) => {
      const {
        of = CORRELATE_DEFAULTS.of,
        method = CORRELATE_DEFAULTS.method,
        ...rest
      } = checked('correlate', given);
      const { metrics, ...range } = rest;
      among('of', of, CORRELATED);
      among('method', method, CORRELATIONS);
      return correlate(db, { ...(await chosen(range, metrics)), ...bucketsOf(range), of, method, metrics });
    },
    pattern: async (given) => {
      const {
        metric,
        of = DEFAULT_PATTERN,
        timeZone,
        bySensor,
        ...range
      } = checkedOfMetric('pattern', given);
      among('of', of, PATTERNS);
      const zone = input.zoneOf(timeZone);
      return pattern(db, { ...(await chosen(range, metric)), metric, of, zone, bySensor });
    },
    missing: async (given) => {
      const { metric, factor = DEFAULT_FACTOR, timeZone, ...range } = checked('missing', given);
      number('factor', factor);
      const zone = input.zoneOf(timeZone);
      return missing(db, { ...(await chosen(range, metric)), metric, factor, zone });
    },
    resample: async (given) => {
      const { metric, ...rest } = checkedOfMetric('resample', given);
      const { method = RESAMPLE_DEFAULTS.method, fill = RESAMPLE_DEFAULTS.fill, ...range } = rest;
      among('method', method, METHODS);
      among('fill', fill, FILLS);
      return resample(db, { ...(await chosen(range, metric)), ...bucketsOf(range), metric, method, fill });
    },
    outliers: async (given) => {
      const { metric, method = OUTLIER_DEFAULTS.method, ...rest } = checkedOfMetric('outliers', given);
      among('method', method, OUTLIERS);
      const { threshold = THRESHOLDS[method], minValues = OUTLIER_DEFAULTS.minValues, ...others } = rest;
      const { window, limit, ...range } = others;
      number('threshold', threshold);
      number('minValues', minValues);
      const windowMs = input.windowOf(window);
      const query = { metric, method, threshold, minValues, windowMs, limit };
      return outliers(db, { ...(await chosen(range, metric)), ...query });
    },
  };
}

function checked<Input>(call: string, given: Input): Input {
  checkArgument(`analyze.${call}`, 'input', given, 'analysis');
  return given;
}

function checkedOfMetric<Input>(call: string, given: Input): Input {
  checkArgument(`analyze.${call}`, 'input', given, 'analysisOfMetric');
  return given;
}

const bucketsOf = ({ bucket, timeZone }: AnalyzeBuckets) => ({
  bucket: input.bucketOf(bucket),
  zone: input.zoneOf(timeZone),
});

const among = (what: string, given: unknown, known: readonly string[]) =>
  checkOneOf(what, given, known, 'ANALYZE_INVALID');

function number(what: string, given: number): void {
  if (!(Number.isFinite(given) && given > 0)) throw invalid(`${what}: expected a number above 0`);
}
