import { type IntervalText, intervalMs } from './interval.ts';
import type { DeclaredPolicy, PolicyPlan, RelationPlan } from './plan.ts';
import type { AggregateRelation } from './schema/relations.ts';

/** A declaration that must not be applied. */
export interface PlanFault {
  /** Below the `policies` section. */
  readonly path: readonly string[];
  /** With the numbers, the reason, and the remedy. */
  readonly message: string;
}

/** Beyond this, drops run out of locks and unbounded queries are slow to plan. */
const MOST_CHUNKS = 1500;

/**
 * The ordering rule: late horizon <= start_offset < compress_after < drop_after, each aggregate reaching at least as
 * far back as its source does, and no refresh ever reaching what retention drops. A plan that breaks it loses
 * aggregate history or never sees late readings, silently; so it is rejected before anything runs.
 */
export function planFaults(plan: PolicyPlan): readonly PlanFault[] {
  return plan.relations.flatMap((relation) =>
    relation.relation.kind === 'hypertable'
      ? hypertableFaults(relation)
      : aggregateFaults(plan, relation, relation.relation),
  );
}

const policyOf = (
  relation: RelationPlan | undefined,
  kind: DeclaredPolicy['kind'],
): DeclaredPolicy | undefined => relation?.policies.find((policy) => policy.kind === kind);

const setting = (policy: DeclaredPolicy | undefined, key: string): IntervalText | undefined =>
  policy?.config[key];

function hypertableFaults(relation: RelationPlan): readonly PlanFault[] {
  const { name } = relation.relation;
  const compress = setting(policyOf(relation, 'compression'), 'compress_after');
  const drop = setting(policyOf(relation, 'retention'), 'drop_after');
  const faults: PlanFault[] = [];
  if (compress !== undefined && drop !== undefined && intervalMs(compress) >= intervalMs(drop)) {
    faults.push({
      path: ['hypertables', name, 'compression', 'after'],
      message: `${compress} must be less than the ${drop} of its retention: chunks would be dropped before they are compressed; shorten it, or disable compression`,
    });
  }
  if (relation.chunkInterval !== undefined && drop !== undefined) {
    const chunks = Math.ceil(intervalMs(drop) / intervalMs(relation.chunkInterval));
    if (chunks > MOST_CHUNKS) {
      faults.push({
        path: ['hypertables', name, 'chunk_interval'],
        message: `${relation.chunkInterval} over a retention of ${drop} makes ${chunks} chunks, more than ${MOST_CHUNKS}: drops run out of locks and queries are slow to plan; lengthen it, or shorten the retention`,
      });
    }
  }
  return faults;
}

function aggregateFaults(
  plan: PolicyPlan,
  relation: RelationPlan,
  aggregate: AggregateRelation,
): readonly PlanFault[] {
  const refresh = policyOf(relation, 'refresh');
  const [start, end] = [setting(refresh, 'start_offset'), setting(refresh, 'end_offset')];
  if (start === undefined || end === undefined) return [];
  const source = plan.relations.find((candidate) => candidate.relation.name === aggregate.source);
  // What is derived is as near to these two as the source allows, and neither loses data.
  const isDerived = refresh?.derived === true;
  const messages = [
    tooNarrow(start, end, aggregate),
    source?.relation.kind === 'hypertable'
      ? isDerived
        ? undefined
        : tooLate(start, plan.lateHorizon)
      : shorterThanSource(start, setting(policyOf(source, 'refresh'), 'start_offset'), aggregate),
    isDerived ? undefined : readsCompressed(plan, start, aggregate),
    reachesDropped(start, setting(policyOf(source, 'retention'), 'drop_after'), aggregate),
  ];
  const path = ['aggregates', aggregate.name, 'refresh', 'start_offset'];
  return messages.filter((message) => message !== undefined).map((message) => ({ path, message }));
}

function tooNarrow(
  start: IntervalText,
  end: IntervalText,
  { bucket }: AggregateRelation,
): string | undefined {
  if (intervalMs(start) - intervalMs(end) >= 2 * intervalMs(bucket)) return undefined;
  return `${start} less the end_offset of ${end} must be at least two buckets of ${bucket}: TimescaleDB refuses a narrower window; lengthen it`;
}

function tooLate(start: IntervalText, lateHorizon: IntervalText): string | undefined {
  if (intervalMs(lateHorizon) <= intervalMs(start)) return undefined;
  return `${start} must be at least the late_horizon of ${lateHorizon}: readings that come later would never be aggregated; lengthen it, or lower late_horizon`;
}

function shorterThanSource(
  start: IntervalText,
  sourceStart: IntervalText | undefined,
  { source }: AggregateRelation,
): string | undefined {
  if (sourceStart === undefined || intervalMs(sourceStart) <= intervalMs(start)) return undefined;
  return `${start} must be at least the ${sourceStart} of ${source}: what that one refreshes further back would never arrive here; lengthen it`;
}

/** The hypertable at the bottom: refreshing an aggregate of an aggregate follows a refresh of that one. */
function readsCompressed(
  plan: PolicyPlan,
  start: IntervalText,
  aggregate: AggregateRelation,
): string | undefined {
  let bottom = plan.relations.find(({ relation }) => relation.name === aggregate.source);
  while (bottom?.relation.kind === 'aggregate') {
    const { source } = bottom.relation;
    bottom = plan.relations.find(({ relation }) => relation.name === source);
  }
  const compress = setting(policyOf(bottom, 'compression'), 'compress_after');
  if (compress === undefined || intervalMs(start) < intervalMs(compress)) return undefined;
  return `${start} must be less than the ${compress} after which ${bottom?.relation.name ?? ''} is compressed: late readings would be written to compressed chunks as a rule; shorten it, or compress later`;
}

function reachesDropped(
  start: IntervalText,
  drop: IntervalText | undefined,
  { source, bucket }: AggregateRelation,
): string | undefined {
  if (drop === undefined || intervalMs(start) + intervalMs(bucket) <= intervalMs(drop)) return undefined;
  return `${start} and a bucket of ${bucket} must not exceed the ${drop} that ${source} is kept: a refresh over dropped data deletes the aggregate's history; shorten it, or keep ${source} longer`;
}
