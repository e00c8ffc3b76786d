import { formatInterval, intervalMs, parseInterval } from './interval.ts';
import type { PolicyJob } from './jobs/job.ts';
import { POLICY_PROCS, type PolicyPlan, policyName } from './plan.ts';
import type { AggregateRelation } from './schema/relations.ts';

/** A refresh job that reaches into what a retention job drops: the next run of both deletes aggregate history. */
export interface DataLossRisk {
  readonly subject: string;
  readonly refresh: PolicyJob;
  readonly retention: PolicyJob;
  readonly expected: string;
  readonly actual: string;
}

/**
 * The effects of the existing policies on each other, whatever was declared. A refresh over a range whose source rows
 * were dropped finds nothing there and deletes the buckets, silently.
 */
export function dataLossRisks(plan: PolicyPlan, jobs: readonly PolicyJob[]): readonly DataLossRisk[] {
  return plan.relations.flatMap(({ relation }) => {
    if (relation.kind !== 'aggregate') return [];
    const refreshes = jobs.filter(
      (job) => job.relation === relation.name && job.proc === POLICY_PROCS.refresh,
    );
    const retentions = jobs.filter(
      (job) => job.relation === relation.source && job.proc === POLICY_PROCS.retention,
    );
    return refreshes.flatMap((refresh) =>
      retentions.flatMap((retention) => dataLossRisk(relation, refresh, retention) ?? []),
    );
  });
}

function dataLossRisk(
  relation: AggregateRelation,
  refresh: PolicyJob,
  retention: PolicyJob,
): DataLossRisk | undefined {
  const dropAfter = intervalOf(retention, 'drop_after');
  if (dropAfter === undefined) return undefined;
  const kept = formatInterval(dropAfter);
  const start = intervalOf(refresh, 'start_offset');
  const found = { subject: policyName({ relation: relation.name, kind: 'refresh' }), refresh, retention };
  if (start === undefined) {
    return {
      ...found,
      expected: `a start_offset below the ${kept} that ${relation.source} is kept`,
      actual: `an open start_offset (job ${refresh.id}): each refresh deletes the buckets whose source was dropped`,
    };
  }
  if (intervalMs(start) + intervalMs(relation.bucket) <= intervalMs(dropAfter)) return undefined;
  return {
    ...found,
    expected: `start_offset + ${relation.bucket} <= the ${kept} that ${relation.source} is kept`,
    actual: `start_offset = ${formatInterval(start)} (job ${refresh.id}), drop_after = ${kept} (job ${retention.id}): refreshes delete buckets whose source was dropped`,
  };
}

const intervalOf = (job: PolicyJob, key: string) => {
  const value = job.config[key];
  return typeof value === 'string' ? parseInterval(value) : undefined;
};
