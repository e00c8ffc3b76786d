import { derivedStart } from './jobs/derived-start.ts';
import type { IntervalText } from './interval.ts';
import {
  type PolicyKind,
  RELATIONS,
  type Relation,
  type RelationName,
  relationNamed,
} from './schema/relations.ts';

/**
 * The declared state of a policy. `config` is the job's own configuration except IDENTITY_KEYS. On TimescaleDB 2.20
 * to 2.29 the add_*_policy functions write no other key unless it is requested: `drop_created_before`,
 * `compress_created_before`, `recompress`, `maxchunks_to_compress`, `verbose_log`, `include_tiered_data`,
 * `buckets_per_batch`, `max_batches_per_execution`, `refresh_newest_first`, `work_mem` (2.25),
 * `compress_after_refresh` (2.27), `recompress_unordered` (2.29). Each changes the effect of a job: one that exists
 * was set manually.
 */
export interface DeclaredPolicy {
  readonly relation: RelationName;
  readonly kind: PolicyKind;
  readonly proc: PolicyProc;
  readonly config: Readonly<Record<string, IntervalText>>;
  /** Its start_offset is not stated, but that of another aggregate, as far as the source allows it. */
  readonly derived?: true;
  readonly every: IntervalText;
  /** Time limit of one run; zero: no limit. */
  readonly maxRuntime: IntervalText;
  /** The value set by the add_*_policy function of its kind, on TimescaleDB 2.20 to 2.29. */
  readonly retryPeriod: IntervalText;
  readonly firstRun: string;
  /** Why the job must not run at present; undefined: it runs. */
  readonly paused?: string | undefined;
}

export interface RelationPlan {
  readonly relation: Relation & { readonly name: RelationName };
  /** Undefined: any. */
  readonly chunkInterval: IntervalText | undefined;
  readonly columnstore: ColumnstorePlan | undefined;
  readonly policies: readonly DeclaredPolicy[];
}

/** The layout of compressed chunks. */
export interface ColumnstorePlan {
  readonly segmentBy: readonly string[];
  readonly orderBy: string;
}

/** The scheduler's action for a finding: repair it, suggest the repair, or only report. */
export const REPAIR_MODES = ['auto', 'suggest', 'off'] as const;
export type RepairMode = (typeof REPAIR_MODES)[number];

/** The desired state: what `policies:` in the configuration declares of every relation. */
export interface PolicyPlan {
  readonly relations: readonly RelationPlan[];
  /** The expected lateness of readings. */
  readonly lateHorizon: IntervalText;
  readonly repair: RepairMode;
  readonly disk: DiskPlan;
}

/** The required free space. */
export interface DiskPlan {
  /** The maximum size of the database; undefined: the size of its disk. */
  readonly budgetBytes: number | undefined;
  /** At the current growth rate it must last for this many days. */
  readonly leastDays: number;
}

/** The procedures behind the policies; their names hold on TimescaleDB 2.20 to 2.29. */
export const POLICY_PROCS = {
  compression: 'policy_compression',
  retention: 'policy_retention',
  refresh: 'policy_refresh_continuous_aggregate',
} as const satisfies Readonly<Record<PolicyKind, string>>;
export type PolicyProc = (typeof POLICY_PROCS)[PolicyKind];

const RETRY_PERIODS = { compression: '1 hour', retention: '5 minutes' } as const;

/** Keys of a job's configuration that say what it works on. */
export const IDENTITY_KEYS: readonly string[] = ['hypertable_id', 'mat_hypertable_id'];
export const identityKey = (kind: PolicyKind): string =>
  kind === 'refresh' ? 'mat_hypertable_id' : 'hypertable_id';

interface PolicySection {
  readonly enabled: boolean;
  readonly every: IntervalText;
  readonly max_runtime: IntervalText;
}
interface CompressionSection extends PolicySection {
  readonly after: IntervalText;
  readonly segment_by: readonly string[];
  readonly order_by: string;
}
interface RetentionSection extends PolicySection {
  readonly after: IntervalText;
  readonly paused: boolean;
  readonly reason?: string | undefined;
}
interface RefreshSection extends PolicySection {
  /** Undefined: derived from the aggregate that is its `model`. */
  readonly start_offset?: IntervalText | undefined;
  readonly end_offset: IntervalText;
}
interface RelationSection {
  readonly chunk_interval?: IntervalText | undefined;
  readonly compression?: CompressionSection;
  readonly retention: RetentionSection;
  readonly refresh?: RefreshSection;
}

/** The `policies` section of the configuration, as the schema gives it. */
export interface PoliciesSection {
  readonly late_horizon: IntervalText;
  readonly repair: RepairMode;
  readonly disk: { readonly budget?: number | undefined; readonly least_days: number };
  readonly hypertables: Readonly<Record<string, RelationSection>>;
  readonly aggregates: Readonly<Record<string, RelationSection>>;
}

export function planOf(section: PoliciesSection): PolicyPlan {
  const relations: RelationPlan[] = [];
  for (const relation of RELATIONS) {
    const declared = (relation.kind === 'hypertable' ? section.hypertables : section.aggregates)[
      relation.name
    ];
    if (declared === undefined) continue;
    const { compression, retention, refresh } = declared;
    const policies: DeclaredPolicy[] = [];
    const declare = (
      kind: PolicyKind,
      policy: PolicySection | undefined,
      config: DeclaredPolicy['config'],
      paused?: string,
    ): void => {
      if (policy?.enabled !== true) return;
      policies.push({
        relation: relation.name,
        kind,
        proc: POLICY_PROCS[kind],
        config,
        every: policy.every,
        maxRuntime: policy.max_runtime,
        retryPeriod: kind === 'refresh' ? policy.every : RETRY_PERIODS[kind],
        ...(kind === 'refresh' && refresh?.start_offset === undefined ? { derived: true as const } : {}),
        firstRun: (relation as Relation).firstRun[kind] ?? '2000-01-01 00:00:00+00',
        ...(paused === undefined ? {} : { paused }),
      });
    };
    const start = refresh?.start_offset ?? startOf(section, relation);
    declare('refresh', refresh, { start_offset: start, end_offset: refresh?.end_offset ?? '' });
    declare('compression', compression, { compress_after: compression?.after ?? '' });
    const paused = retention.paused ? (retention.reason ?? 'no reason given') : undefined;
    declare('retention', retention, { drop_after: retention.after }, paused);
    relations.push({
      relation,
      chunkInterval: declared.chunk_interval,
      columnstore:
        compression?.enabled === true
          ? { segmentBy: compression.segment_by, orderBy: compression.order_by }
          : undefined,
      policies,
    });
  }
  const disk = { budgetBytes: section.disk.budget, leastDays: section.disk.least_days };
  return { relations, lateHorizon: section.late_horizon, repair: section.repair, disk };
}

/** Where the model is not refreshed, its setting says nothing. */
const DEFAULT_STARTS: Readonly<Record<string, IntervalText>> = { '1 hour': '3 days', '1 day': '5 days' };

function startOf(section: PoliciesSection, relation: Relation): IntervalText {
  if (relation.kind !== 'aggregate' || relation.model === undefined) return '';
  const sectionOf = (name: string) => section.hypertables[name] ?? section.aggregates[name];
  const refreshOf = (name: string) => {
    const refresh = sectionOf(name)?.refresh;
    return refresh?.enabled === true ? refresh : undefined;
  };
  const { compression, retention } = sectionOf(relation.source) ?? {};
  const below = relationNamed(relation.source);
  return derivedStart({
    model: refreshOf(relation.model)?.start_offset ?? DEFAULT_STARTS[relation.bucket] ?? '',
    source:
      below === undefined ? undefined : (refreshOf(below.name)?.start_offset ?? startOf(section, below)),
    compressed: compression?.enabled === true ? compression.after : undefined,
    kept: retention?.enabled === true ? retention.after : undefined,
    bucket: relation.bucket,
    endOffset: sectionOf(relation.name)?.refresh?.end_offset ?? '',
  });
}

export function declaredPolicies(plan: PolicyPlan): readonly DeclaredPolicy[] {
  return plan.relations.flatMap((relation) => relation.policies);
}

export function declaredPolicy(
  plan: PolicyPlan,
  relation: string,
  kind: PolicyKind,
): DeclaredPolicy | undefined {
  return declaredPolicies(plan).find((policy) => policy.relation === relation && policy.kind === kind);
}

/** `sensor_readings retention`: the name of a policy in findings, metrics and on the command line. */
export function policyName(policy: { readonly relation: string; readonly kind: PolicyKind }): string {
  return `${policy.relation} ${policy.kind}`;
}
