// Written by scripts/orm-schema.js.
import type { ColumnType } from 'kysely';

/** The database fills it in: an INSERT may leave it out. */
export type Filled<T> =
  T extends ColumnType<infer S, infer I, infer U>
    ? ColumnType<S, I | undefined, U>
    : ColumnType<T, T | undefined, T>;

/** Selected as text, as pg does. */
export type Int8 = ColumnType<string, string | number | bigint, string | number | bigint>;
export type Timestamp = ColumnType<Date, Date | string, Date | string>;

export interface AlertCommandsTable {
  id: Filled<Int8>;
  kind: string;
  sensor_id: number;
  alert_type: string;
  alert_id: string | null;
  asked_by: string;
  comment: Filled<string>;
  created_at: Filled<Timestamp>;
  applied_at: Timestamp | null;
  applied_by: string | null;
  outcome: string | null;
  request_id: string | null;
  ends_at: Timestamp | null;
}

export interface AlertDeliveriesTable {
  alert_id: string;
  seq: number;
  sink: string;
  id: Filled<Int8>;
  event: string;
  alert_type: string;
  created_at: Filled<Timestamp>;
  done_at: Timestamp | null;
  outcome: string | null;
  step: Filled<number>;
  origin: string | null;
  held: Filled<boolean>;
  due_at: Timestamp | null;
  group_key: string | null;
  group_interval_ms: Filled<number>;
  repeat_ms: Int8 | null;
  route: string | null;
}

export interface AlertDutyTable {
  group_name: string;
  owner: string | null;
  epoch: Int8;
  leased_until: Timestamp | null;
  taken_at: Filled<Timestamp>;
}

export interface AlertHandoverTable {
  id: Filled<Int8>;
  group_name: string;
  shard: number;
  readings: number;
  record: Uint8Array;
  created_at: Filled<Timestamp>;
  received_s: Filled<Int8>;
}

export interface AlertInboxTable {
  id: Filled<Int8>;
  group_name: string;
  readings: number;
  payload: unknown;
  created_at: Filled<Timestamp>;
}

export interface AlertOutboxTable {
  alert_id: string;
  seq: number;
  event: string;
  payload: unknown;
  created_at: Filled<Timestamp>;
  sent_at: Timestamp | null;
}

export interface AlertShardsTable {
  group_name: string;
  shard: number;
  owner: string | null;
  epoch: Filled<Int8>;
  taken_at: Timestamp | null;
}

export interface AlertStateTable {
  sensor_id: number;
  alert_type: string;
  state: string;
  alert_id: string | null;
  severity: string;
  since: Timestamp | null;
  started_at: Timestamp | null;
  fired_at: Timestamp | null;
  threshold: number | null;
  peak_value: number | null;
  seq: number;
  last_event_at: Timestamp;
  last_value: number;
  rule_hash: string;
  detail: Filled<unknown>;
  updated_at: Filled<Timestamp>;
  metric: string;
  kind: string;
  side: string;
}

export interface AlertWatermarksTable {
  id: Filled<Int8>;
  group_name: string;
  writer: string;
  metrics: readonly string[];
  sensor_ids: readonly number[];
  metric_at: readonly number[];
  last_us: readonly number[];
  last_values: readonly number[];
  from_us: readonly number[];
  until_us: readonly number[];
  unstored_at: readonly number[];
  unstored_us: readonly number[];
  unstored_values: readonly number[];
  written_at: Filled<Timestamp>;
  shards: Filled<Int8>;
}

export interface AppMetricsTable {
  time: Timestamp;
  host: string;
  metric_name: string;
  value: number;
  tags: Filled<unknown>;
}

export interface DeadLettersTable {
  received_at: Timestamp;
  id: Filled<string>;
  topic: string;
  payload: Uint8Array;
  reason: string;
  detail: string | null;
  requeued_at: Timestamp | null;
  payload_bytes: number | null;
  payload_sha256: Uint8Array | null;
}

export interface JobRunsTable {
  job_id: number;
  started_at: Timestamp;
  finished_at: Timestamp | null;
  ok: Filled<boolean>;
  error: string | null;
}

export interface MetricsTable {
  id: Filled<number>;
  name: string;
  unit: string | null;
  created_at: Filled<Timestamp>;
  kind: Filled<string>;
  wraps_at: number | null;
}

export interface NotifyGroupsTable {
  sink: string;
  event: string;
  group_key: string;
  flushed_at: Timestamp;
}

export interface NotifySinksTable {
  name: string;
  kind: string;
  owner: string | null;
  leased_until: Timestamp | null;
  sent: Filled<Int8>;
  refused: Filled<Int8>;
  dropped: Filled<Int8>;
  last_sent_at: Timestamp | null;
  failing_since: Timestamp | null;
  last_error: string | null;
  last_error_at: Timestamp | null;
}

export interface SchemaMigrationsTable {
  version: number;
  name: string;
  checksum: string;
  applied_at: Filled<Timestamp>;
}

export interface SensorAlertsTable {
  time: Timestamp;
  sensor_id: number;
  alert_type: string;
  message: string | null;
  value: number | null;
  threshold: number | null;
  alert_id: string | null;
  severity: Filled<string>;
  started_at: Timestamp | null;
  resolved_at: Timestamp | null;
  resolved_value: number | null;
  resolve_reason: string | null;
  peak_value: number | null;
  acked_at: Timestamp | null;
  acked_by: string | null;
  suppressed: string | null;
  flapping: Filled<boolean>;
  backfilled: Filled<boolean>;
  rule_hash: string | null;
  metric: string | null;
  kind: string | null;
  side: string | null;
  acked_until: Timestamp | null;
}

export interface SensorAliasesTable {
  key: string;
  sensor_id: number;
}

export interface SensorChangesTable {
  seq: Filled<Int8>;
  kind: string;
  key: string;
  sensor_id: number;
  target_id: number | null;
  changed_at: Filled<Timestamp>;
  changed_by: string;
  moved_at: Timestamp | null;
  fact: string | null;
}

export interface SensorDailyAggTable {
  day: Timestamp | null;
  sensor_id: number | null;
  avg_temp: number | null;
  min_temp: number | null;
  max_temp: number | null;
  sum_temp: number | null;
  count_temp: Int8 | null;
  avg_humidity: number | null;
  min_humidity: number | null;
  max_humidity: number | null;
  sum_humidity: number | null;
  count_humidity: Int8 | null;
  avg_pressure: number | null;
  min_pressure: number | null;
  max_pressure: number | null;
  sum_pressure: number | null;
  count_pressure: Int8 | null;
  avg_battery: number | null;
  min_battery: number | null;
  max_battery: number | null;
  sum_battery: number | null;
  count_battery: Int8 | null;
  avg_rssi: number | null;
  sum_rssi: number | null;
  count_rssi: Int8 | null;
  last_battery: number | null;
  readings: Int8 | null;
  last_time: Timestamp | null;
}

export interface SensorHourlyAggTable {
  hour: Timestamp | null;
  sensor_id: number | null;
  avg_temp: number | null;
  min_temp: number | null;
  max_temp: number | null;
  sum_temp: number | null;
  count_temp: Int8 | null;
  avg_humidity: number | null;
  min_humidity: number | null;
  max_humidity: number | null;
  sum_humidity: number | null;
  count_humidity: Int8 | null;
  avg_pressure: number | null;
  min_pressure: number | null;
  max_pressure: number | null;
  sum_pressure: number | null;
  count_pressure: Int8 | null;
  avg_battery: number | null;
  min_battery: number | null;
  max_battery: number | null;
  sum_battery: number | null;
  count_battery: Int8 | null;
  avg_rssi: number | null;
  sum_rssi: number | null;
  count_rssi: Int8 | null;
  last_battery: number | null;
  readings: Int8 | null;
  last_time: Timestamp | null;
}

export interface SensorMetricsTable {
  time: Timestamp;
  sensor_id: number;
  metric_id: number;
  value: number;
}

export interface SensorMetricsDailyAggTable {
  day: Timestamp | null;
  sensor_id: number | null;
  metric_id: number | null;
  avg_value: number | null;
  min_value: number | null;
  max_value: number | null;
  sum_value: number | null;
  count_value: Int8 | null;
  first_value: number | null;
  last_value: number | null;
  first_time: Timestamp | null;
  last_time: Timestamp | null;
}

export interface SensorMetricsHourlyAggTable {
  hour: Timestamp | null;
  sensor_id: number | null;
  metric_id: number | null;
  avg_value: number | null;
  min_value: number | null;
  max_value: number | null;
  sum_value: number | null;
  count_value: Int8 | null;
  first_value: number | null;
  last_value: number | null;
  first_time: Timestamp | null;
  last_time: Timestamp | null;
}

export interface SensorReadingsTable {
  time: Timestamp;
  sensor_id: number;
  temperature: number | null;
  humidity: number | null;
  pressure: number | null;
  battery: number | null;
  rssi: number | null;
}

export interface SensorsTable {
  id: Filled<number>;
  key: string;
  name: string | null;
  location: string | null;
  type: string | null;
  tags: Filled<readonly string[]>;
  declared: Filled<boolean>;
  created_at: Filled<Timestamp>;
  updated_at: Filled<Timestamp>;
  gateway: string | null;
  retired_at: Timestamp | null;
  retired_by: string | null;
  retired_until_seen: Filled<boolean>;
  located_by_topic: Filled<boolean>;
}

export interface ShareMembersTable {
  group_name: string;
  member: string;
  joined_at: Filled<Timestamp>;
  leased_until: Timestamp;
  connects_sensors: Filled<boolean>;
  received: readonly number[] | null;
  behind: boolean | null;
  subscribed: string | null;
  configuration: unknown;
}

export interface SilencesTable {
  id: Filled<Int8>;
  matchers: unknown;
  starts_at: Timestamp;
  ends_at: Timestamp;
  created_by: string;
  comment: Filled<string>;
  created_at: Filled<Timestamp>;
  expired_by: string | null;
  request_id: string | null;
  expire_request_id: string | null;
}

export interface StorageChunksTable {
  relation: string;
  range_start: Timestamp;
  range_end: Timestamp;
}

export interface StorageHorizonsTable {
  relation: string;
  dropped_before: Timestamp;
  kept: string | null;
  noted_at: Filled<Timestamp>;
}

export interface SystemAlertsTable {
  alert_id: string;
  alert_type: string;
  subject: string;
  severity: string;
  message: string;
  started_at: Timestamp;
  resolved_at: Timestamp | null;
  seq: number;
}

/** All tables and aggregates: the type parameter of `Kysely`. */
export interface Database {
  alert_commands: AlertCommandsTable;
  alert_deliveries: AlertDeliveriesTable;
  alert_duty: AlertDutyTable;
  alert_handover: AlertHandoverTable;
  alert_inbox: AlertInboxTable;
  alert_outbox: AlertOutboxTable;
  alert_shards: AlertShardsTable;
  alert_state: AlertStateTable;
  alert_watermarks: AlertWatermarksTable;
  app_metrics: AppMetricsTable;
  dead_letters: DeadLettersTable;
  job_runs: JobRunsTable;
  metrics: MetricsTable;
  notify_groups: NotifyGroupsTable;
  notify_sinks: NotifySinksTable;
  schema_migrations: SchemaMigrationsTable;
  sensor_alerts: SensorAlertsTable;
  sensor_aliases: SensorAliasesTable;
  sensor_changes: SensorChangesTable;
  sensor_daily_agg: SensorDailyAggTable;
  sensor_hourly_agg: SensorHourlyAggTable;
  sensor_metrics: SensorMetricsTable;
  sensor_metrics_daily_agg: SensorMetricsDailyAggTable;
  sensor_metrics_hourly_agg: SensorMetricsHourlyAggTable;
  sensor_readings: SensorReadingsTable;
  sensors: SensorsTable;
  share_members: ShareMembersTable;
  silences: SilencesTable;
  storage_chunks: StorageChunksTable;
  storage_horizons: StorageHorizonsTable;
  system_alerts: SystemAlertsTable;
}

/** The columns of each of them. */
export const COLUMNS: { readonly [Table in keyof Database]: readonly (keyof Database[Table])[] } = {
  alert_commands: [
    'id',
    'kind',
    'sensor_id',
    'alert_type',
    'alert_id',
    'asked_by',
    'comment',
    'created_at',
    'applied_at',
    'applied_by',
    'outcome',
    'request_id',
    'ends_at',
  ],
  alert_deliveries: [
    'alert_id',
    'seq',
    'sink',
    'id',
    'event',
    'alert_type',
    'created_at',
    'done_at',
    'outcome',
    'step',
    'origin',
    'held',
    'due_at',
    'group_key',
    'group_interval_ms',
    'repeat_ms',
    'route',
  ],
  alert_duty: ['group_name', 'owner', 'epoch', 'leased_until', 'taken_at'],
  alert_handover: ['id', 'group_name', 'shard', 'readings', 'record', 'created_at', 'received_s'],
  alert_inbox: ['id', 'group_name', 'readings', 'payload', 'created_at'],
  alert_outbox: ['alert_id', 'seq', 'event', 'payload', 'created_at', 'sent_at'],
  alert_shards: ['group_name', 'shard', 'owner', 'epoch', 'taken_at'],
  alert_state: [
    'sensor_id',
    'alert_type',
    'state',
    'alert_id',
    'severity',
    'since',
    'started_at',
    'fired_at',
    'threshold',
    'peak_value',
    'seq',
    'last_event_at',
    'last_value',
    'rule_hash',
    'detail',
    'updated_at',
    'metric',
    'kind',
    'side',
  ],
  alert_watermarks: [
    'id',
    'group_name',
    'writer',
    'metrics',
    'sensor_ids',
    'metric_at',
    'last_us',
    'last_values',
    'from_us',
    'until_us',
    'unstored_at',
    'unstored_us',
    'unstored_values',
    'written_at',
    'shards',
  ],
  app_metrics: ['time', 'host', 'metric_name', 'value', 'tags'],
  dead_letters: [
    'received_at',
    'id',
    'topic',
    'payload',
    'reason',
    'detail',
    'requeued_at',
    'payload_bytes',
    'payload_sha256',
  ],
  job_runs: ['job_id', 'started_at', 'finished_at', 'ok', 'error'],
  metrics: ['id', 'name', 'unit', 'created_at', 'kind', 'wraps_at'],
  notify_groups: ['sink', 'event', 'group_key', 'flushed_at'],
  notify_sinks: [
    'name',
    'kind',
    'owner',
    'leased_until',
    'sent',
    'refused',
    'dropped',
    'last_sent_at',
    'failing_since',
    'last_error',
    'last_error_at',
  ],
  schema_migrations: ['version', 'name', 'checksum', 'applied_at'],
  sensor_alerts: [
    'time',
    'sensor_id',
    'alert_type',
    'message',
    'value',
    'threshold',
    'alert_id',
    'severity',
    'started_at',
    'resolved_at',
    'resolved_value',
    'resolve_reason',
    'peak_value',
    'acked_at',
    'acked_by',
    'suppressed',
    'flapping',
    'backfilled',
    'rule_hash',
    'metric',
    'kind',
    'side',
    'acked_until',
  ],
  sensor_aliases: ['key', 'sensor_id'],
  sensor_changes: [
    'seq',
    'kind',
    'key',
    'sensor_id',
    'target_id',
    'changed_at',
    'changed_by',
    'moved_at',
    'fact',
  ],
  sensor_daily_agg: [
    'day',
    'sensor_id',
    'avg_temp',
    'min_temp',
    'max_temp',
    'sum_temp',
    'count_temp',
    'avg_humidity',
    'min_humidity',
    'max_humidity',
    'sum_humidity',
    'count_humidity',
    'avg_pressure',
    'min_pressure',
    'max_pressure',
    'sum_pressure',
    'count_pressure',
    'avg_battery',
    'min_battery',
    'max_battery',
    'sum_battery',
    'count_battery',
    'avg_rssi',
    'sum_rssi',
    'count_rssi',
    'last_battery',
    'readings',
    'last_time',
  ],
  sensor_hourly_agg: [
    'hour',
    'sensor_id',
    'avg_temp',
    'min_temp',
    'max_temp',
    'sum_temp',
    'count_temp',
    'avg_humidity',
    'min_humidity',
    'max_humidity',
    'sum_humidity',
    'count_humidity',
    'avg_pressure',
    'min_pressure',
    'max_pressure',
    'sum_pressure',
    'count_pressure',
    'avg_battery',
    'min_battery',
    'max_battery',
    'sum_battery',
    'count_battery',
    'avg_rssi',
    'sum_rssi',
    'count_rssi',
    'last_battery',
    'readings',
    'last_time',
  ],
  sensor_metrics: ['time', 'sensor_id', 'metric_id', 'value'],
  sensor_metrics_daily_agg: [
    'day',
    'sensor_id',
    'metric_id',
    'avg_value',
    'min_value',
    'max_value',
    'sum_value',
    'count_value',
    'first_value',
    'last_value',
    'first_time',
    'last_time',
  ],
  sensor_metrics_hourly_agg: [
    'hour',
    'sensor_id',
    'metric_id',
    'avg_value',
    'min_value',
    'max_value',
    'sum_value',
    'count_value',
    'first_value',
    'last_value',
    'first_time',
    'last_time',
  ],
  sensor_readings: ['time', 'sensor_id', 'temperature', 'humidity', 'pressure', 'battery', 'rssi'],
  sensors: [
    'id',
    'key',
    'name',
    'location',
    'type',
    'tags',
    'declared',
    'created_at',
    'updated_at',
    'gateway',
    'retired_at',
    'retired_by',
    'retired_until_seen',
    'located_by_topic',
  ],
  share_members: [
    'group_name',
    'member',
    'joined_at',
    'leased_until',
    'connects_sensors',
    'received',
    'behind',
    'subscribed',
    'configuration',
  ],
  silences: [
    'id',
    'matchers',
    'starts_at',
    'ends_at',
    'created_by',
    'comment',
    'created_at',
    'expired_by',
    'request_id',
    'expire_request_id',
  ],
  storage_chunks: ['relation', 'range_start', 'range_end'],
  storage_horizons: ['relation', 'dropped_before', 'kept', 'noted_at'],
  system_alerts: [
    'alert_id',
    'alert_type',
    'subject',
    'severity',
    'message',
    'started_at',
    'resolved_at',
    'seq',
  ],
};
