/**
 * The managed relations, as sql/ creates them: their fixed properties. The configurable ones (intervals, schedules)
 * are in the `policies` section.
 */
export type PolicyKind = 'compression' | 'retention' | 'refresh';

interface RelationBase {
  readonly name: string;
  /** The column of the time dimension. */
  readonly timeColumn: string;
  /**
   * First slot of each policy's fixed schedule. A policy with one never slips when a run fails or takes long, and the
   * minutes are staggered, so that jobs due in the same hour do not compete for background workers.
   */
  readonly firstRun: Readonly<Partial<Record<PolicyKind, string>>>;
}

export interface HypertableRelation extends RelationBase {
  readonly kind: 'hypertable';
}

export interface AggregateRelation extends RelationBase {
  readonly kind: 'aggregate';
  /** The source: a hypertable or another aggregate. */
  readonly source: string;
  /** The aggregate whose start_offset it has where it states none. */
  readonly model?: string;
  /** Width of a bucket. */
  readonly bucket: string;
  /** The columns that identify a row of a bucket, in the source too. */
  readonly keys: readonly string[];
  /** SQL over the source's rows that must equal a column in each bucket and key: compared by the audit. */
  readonly sourceCount: string;
  readonly countColumn: string;
}

export type Relation = HypertableRelation | AggregateRelation;

const at = (time: string): string => `2000-01-01 ${time}:00+00`;

/** Sources before the aggregates built on them: the order of refreshes. */
export const RELATIONS = [
  {
    kind: 'hypertable',
    name: 'sensor_readings',
    timeColumn: 'time',
    firstRun: { compression: at('00:30'), retention: at('00:15') },
  },
  {
    kind: 'hypertable',
    name: 'sensor_metrics',
    timeColumn: 'time',
    firstRun: { compression: at('00:40'), retention: at('00:20') },
  },
  { kind: 'hypertable', name: 'sensor_alerts', timeColumn: 'time', firstRun: { retention: at('01:25') } },
  {
    kind: 'hypertable',
    name: 'dead_letters',
    timeColumn: 'received_at',
    firstRun: { retention: at('01:35') },
  },
  {
    kind: 'hypertable',
    name: 'app_metrics',
    timeColumn: 'time',
    firstRun: { compression: at('00:50'), retention: at('01:40') },
  },
  {
    kind: 'aggregate',
    name: 'sensor_hourly_agg',
    timeColumn: 'hour',
    source: 'sensor_readings',
    bucket: '1 hour',
    keys: ['sensor_id'],
    sourceCount: 'count(*)',
    countColumn: 'readings',
    firstRun: { refresh: at('00:00'), retention: at('01:15') },
  },
  {
    kind: 'aggregate',
    name: 'sensor_daily_agg',
    timeColumn: 'day',
    source: 'sensor_hourly_agg',
    bucket: '1 day',
    keys: ['sensor_id'],
    sourceCount: 'sum(readings)::bigint',
    countColumn: 'readings',
    firstRun: { refresh: at('00:10'), retention: at('01:20') },
  },
  {
    kind: 'aggregate',
    name: 'sensor_metrics_hourly_agg',
    timeColumn: 'hour',
    source: 'sensor_metrics',
    model: 'sensor_hourly_agg',
    bucket: '1 hour',
    keys: ['sensor_id', 'metric_id'],
    sourceCount: 'count(*)',
    countColumn: 'count_value',
    firstRun: { refresh: at('00:05'), retention: at('01:45') },
  },
  {
    kind: 'aggregate',
    name: 'sensor_metrics_daily_agg',
    timeColumn: 'day',
    source: 'sensor_metrics_hourly_agg',
    model: 'sensor_daily_agg',
    bucket: '1 day',
    keys: ['sensor_id', 'metric_id'],
    sourceCount: 'sum(count_value)::bigint',
    countColumn: 'count_value',
    firstRun: { refresh: at('00:25'), retention: at('01:50') },
  },
] as const satisfies readonly Relation[];

export type RelationName = (typeof RELATIONS)[number]['name'];

export function relationNamed(name: string): Relation | undefined {
  return RELATIONS.find((relation) => relation.name === name);
}
