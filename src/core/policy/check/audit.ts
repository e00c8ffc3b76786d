import { counted } from '../../counted.ts';
import { type RefreshedAggregate, refreshedAggregates } from '../aggregate.ts';
import type { CatalogRow } from '../catalog.ts';
import type { PolicyCheck } from '../check.ts';
import type { Finding } from '../finding.ts';
import { intervalMs } from '../interval.ts';
import type { PolicyPlan } from '../plan.ts';
import { type Sample, differingQuery, sampleOf, sampleQuery } from '../repair/recomputed.ts';
import { numberOf, optionalText, textOf } from '../row.ts';
import {
  type Range,
  beyondSource,
  heldQuery,
  isoTime,
  merged,
  refreshSteps,
  without,
} from '../repair/slices.ts';
import type { CatalogSnapshot } from '../snapshot.ts';

const CHECK = 'audit';

/**
 * V7: the figures of an aggregate equal those of its source, recomputed for a sample of buckets and sensors. It finds
 * what no counter shows. Buckets with a pending refresh are excluded: their difference is known and repairs itself.
 */
export const auditCheck: PolicyCheck = {
  name: CHECK,
  causes: () => 'rows_differ',
  follows: ({ subject }, causes) => causes.countsOthers(subject),
  about: 'aggregates equal a recomputation from their source, by a sample',
  queries: (plan, snapshot) => {
    const aggregates = refreshedAggregates(plan, snapshot);
    return aggregates.length === 0 ? [] : [sampleQuery(aggregates)];
  },
  followUpQueries: (...args) =>
    sampled(...args).map(({ aggregate, sample }) => differingQuery(aggregate, sample)),
  evaluate: (...args) => wrong(...args).map(({ aggregate, rows }) => evaluate(aggregate, rows)),
  repair: {
    queries: (...args) =>
      wrong(...args).flatMap(({ aggregate, rows }) => {
        const [text, values] = beyondSource(aggregate.relation, spanOf(aggregate, rows));
        return [heldQuery(aggregate), { text, values }];
      }),
    steps: ({ plan, snapshot, answers, details }) =>
      wrong(plan, snapshot, answers).flatMap(({ aggregate, rows }, index) => {
        const [held, unsafe] = details.slice(2 * index);
        if (held === undefined || unsafe === undefined) return [];
        const { name, bucket } = aggregate.relation;
        // A bucket with more readings than its source holds history whose rows were dropped, or deleted on purpose.
        const width = intervalMs(bucket) * 1000;
        const buckets = unsafe.map((each) => numberOf(each, 'bucket'));
        const ranges = without(rangesOf(aggregate, rows), buckets, width);
        // Forced: these buckets were never logged as invalid, so a refresh would leave them as they are.
        return refreshSteps({ check: CHECK, subject: name }, aggregate, ranges, held, true);
      }),
  },
};

type Answers = readonly (readonly CatalogRow[])[];

function sampled(
  plan: PolicyPlan,
  snapshot: CatalogSnapshot,
  answers: Answers,
): readonly { readonly aggregate: RefreshedAggregate; readonly sample: Sample }[] {
  return refreshedAggregates(plan, snapshot).flatMap((aggregate) => {
    const row = answers[0]?.find((each) => textOf(each, 'name') === aggregate.relation.name);
    if (row === undefined) return [];
    const sample = sampleOf(aggregate, row);
    return sample.windows.length === 0 || sample.sensors.length === 0 ? [] : [{ aggregate, sample }];
  });
}

interface Wrong {
  readonly aggregate: RefreshedAggregate;
  /** Answer to its query, a bucket each. */
  readonly rows: readonly CatalogRow[];
}

function wrong(plan: PolicyPlan, snapshot: CatalogSnapshot, answers: Answers): readonly Wrong[] {
  const found = answers.slice(1);
  return sampled(plan, snapshot, answers)
    .map(({ aggregate }, index) => ({ aggregate, rows: found[index] ?? [] }))
    .filter(({ rows }) => rows.length > 0);
}

function rangesOf({ relation }: RefreshedAggregate, rows: readonly CatalogRow[]): readonly Range[] {
  const width = intervalMs(relation.bucket) * 1000;
  const buckets = rows.map((row) => numberOf(row, 'bucket'));
  return merged(
    buckets.map((from) => ({ from, until: from + width })),
    width,
  );
}

function spanOf(aggregate: RefreshedAggregate, rows: readonly CatalogRow[]): Range {
  const ranges = rangesOf(aggregate, rows);
  return { from: ranges[0]?.from ?? 0, until: ranges.at(-1)?.until ?? 0 };
}

function evaluate(aggregate: RefreshedAggregate, rows: readonly CatalogRow[]): Finding {
  const { relation } = aggregate;
  const { from, until } = spanOf(aggregate, rows);
  const buckets = rows.reduce((sum, row) => sum + numberOf(row, 'rows'), 0);
  const names = new Set(rows.flatMap((row) => (optionalText(row, 'names') ?? '').split(/[,;] /)));
  const figures = [...names].filter((name) => name !== '').sort();
  return {
    check: CHECK,
    subject: relation.name,
    verdict: 'mismatched',
    severity: 'critical',
    expected: `the figures that ${relation.source} gives`,
    actual: `${counted(buckets, 'bucket')} of the sample differ${buckets === 1 ? 's' : ''}${figures.length === 0 ? '' : ` in ${figures.join(', ')}`}, from ${isoTime(from)} to ${isoTime(until)}: rows were changed by hand`,
    remedy: `\`fieldwatch policies repair --only ${CHECK}\` recomputes those of which the source still has all rows; where rows were deleted on purpose: \`fieldwatch storage refresh ${relation.name} --from ${isoTime(from)} --to ${isoTime(until)} --force\``,
  };
}
