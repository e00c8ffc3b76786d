// Written by scripts/orm-schema.js.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  integer,
  interval,
  json,
  jsonb,
  pgTable,
  pgView,
  smallint,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });
/** The database fills it in: an INSERT may leave it out. */
const filled = sql`DEFAULT`;

export const alertCommands = pgTable('alert_commands', {
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  kind: text('kind').notNull(),
  sensorId: integer('sensor_id').notNull(),
  alertType: text('alert_type').notNull(),
  alertId: uuid('alert_id'),
  askedBy: text('asked_by').notNull(),
  comment: text('comment').notNull().default(filled),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  appliedAt: timestamp('applied_at', { withTimezone: true }),
  appliedBy: text('applied_by'),
  outcome: text('outcome'),
  requestId: text('request_id'),
  endsAt: timestamp('ends_at', { withTimezone: true }),
});

export const alertDeliveries = pgTable('alert_deliveries', {
  alertId: uuid('alert_id').notNull(),
  seq: integer('seq').notNull(),
  sink: text('sink').notNull(),
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  event: text('event').notNull(),
  alertType: text('alert_type').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  doneAt: timestamp('done_at', { withTimezone: true }),
  outcome: text('outcome'),
  step: integer('step').notNull().default(filled),
  origin: text('origin'),
  held: boolean('held').notNull().default(filled),
  dueAt: timestamp('due_at', { withTimezone: true }),
  groupKey: text('group_key'),
  groupIntervalMs: integer('group_interval_ms').notNull().default(filled),
  repeatMs: bigint('repeat_ms', { mode: 'number' }),
  route: text('route'),
});

export const alertDuty = pgTable('alert_duty', {
  groupName: text('group_name').notNull(),
  owner: text('owner'),
  epoch: bigint('epoch', { mode: 'number' }).notNull(),
  leasedUntil: timestamp('leased_until', { withTimezone: true }),
  takenAt: timestamp('taken_at', { withTimezone: true }).notNull().default(filled),
});

export const alertHandover = pgTable('alert_handover', {
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  groupName: text('group_name').notNull(),
  shard: smallint('shard').notNull(),
  readings: integer('readings').notNull(),
  record: bytea('record').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  receivedS: bigint('received_s', { mode: 'number' }).notNull().default(filled),
});

export const alertInbox = pgTable('alert_inbox', {
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  groupName: text('group_name').notNull(),
  readings: integer('readings').notNull(),
  payload: json('payload').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
});

export const alertOutbox = pgTable('alert_outbox', {
  alertId: uuid('alert_id').notNull(),
  seq: integer('seq').notNull(),
  event: text('event').notNull(),
  payload: jsonb('payload').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  sentAt: timestamp('sent_at', { withTimezone: true }),
});

export const alertShards = pgTable('alert_shards', {
  groupName: text('group_name').notNull(),
  shard: smallint('shard').notNull(),
  owner: text('owner'),
  epoch: bigint('epoch', { mode: 'number' }).notNull().default(filled),
  takenAt: timestamp('taken_at', { withTimezone: true }),
});

export const alertState = pgTable('alert_state', {
  sensorId: integer('sensor_id').notNull(),
  alertType: text('alert_type').notNull(),
  state: text('state').notNull(),
  alertId: uuid('alert_id'),
  severity: text('severity').notNull(),
  since: timestamp('since', { withTimezone: true }),
  startedAt: timestamp('started_at', { withTimezone: true }),
  firedAt: timestamp('fired_at', { withTimezone: true }),
  threshold: doublePrecision('threshold'),
  peakValue: doublePrecision('peak_value'),
  seq: integer('seq').notNull(),
  lastEventAt: timestamp('last_event_at', { withTimezone: true }).notNull(),
  lastValue: doublePrecision('last_value').notNull(),
  ruleHash: text('rule_hash').notNull(),
  detail: jsonb('detail').notNull().default(filled),
  updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().default(filled),
  metric: text('metric').notNull(),
  kind: text('kind').notNull(),
  side: text('side').notNull(),
});

export const alertWatermarks = pgTable('alert_watermarks', {
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  groupName: text('group_name').notNull(),
  writer: text('writer').notNull(),
  metrics: text('metrics').array().notNull(),
  sensorIds: integer('sensor_ids').array().notNull(),
  metricAt: integer('metric_at').array().notNull(),
  lastUs: doublePrecision('last_us').array().notNull(),
  lastValues: doublePrecision('last_values').array().notNull(),
  fromUs: doublePrecision('from_us').array().notNull(),
  untilUs: doublePrecision('until_us').array().notNull(),
  unstoredAt: integer('unstored_at').array().notNull(),
  unstoredUs: doublePrecision('unstored_us').array().notNull(),
  unstoredValues: doublePrecision('unstored_values').array().notNull(),
  writtenAt: timestamp('written_at', { withTimezone: true }).notNull().default(filled),
  shards: bigint('shards', { mode: 'number' }).notNull().default(filled),
});

export const appMetrics = pgTable('app_metrics', {
  time: timestamp('time', { withTimezone: true }).notNull(),
  host: text('host').notNull(),
  metricName: text('metric_name').notNull(),
  value: doublePrecision('value').notNull(),
  tags: jsonb('tags').notNull().default(filled),
});

export const deadLetters = pgTable('dead_letters', {
  receivedAt: timestamp('received_at', { withTimezone: true }).notNull(),
  id: uuid('id').notNull().default(filled),
  topic: text('topic').notNull(),
  payload: bytea('payload').notNull(),
  reason: text('reason').notNull(),
  detail: text('detail'),
  requeuedAt: timestamp('requeued_at', { withTimezone: true }),
  payloadBytes: integer('payload_bytes'),
  payloadSha256: bytea('payload_sha256'),
});

export const jobRuns = pgTable('job_runs', {
  jobId: integer('job_id').notNull(),
  startedAt: timestamp('started_at', { withTimezone: true }).notNull(),
  finishedAt: timestamp('finished_at', { withTimezone: true }),
  ok: boolean('ok').notNull().default(filled),
  error: text('error'),
});

export const metrics = pgTable('metrics', {
  id: integer('id').notNull().default(filled),
  name: text('name').notNull(),
  unit: text('unit'),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  kind: text('kind').notNull().default(filled),
  wrapsAt: doublePrecision('wraps_at'),
});

export const notifyGroups = pgTable('notify_groups', {
  sink: text('sink').notNull(),
  event: text('event').notNull(),
  groupKey: text('group_key').notNull(),
  flushedAt: timestamp('flushed_at', { withTimezone: true }).notNull(),
});

export const notifySinks = pgTable('notify_sinks', {
  name: text('name').notNull(),
  kind: text('kind').notNull(),
  owner: text('owner'),
  leasedUntil: timestamp('leased_until', { withTimezone: true }),
  sent: bigint('sent', { mode: 'number' }).notNull().default(filled),
  refused: bigint('refused', { mode: 'number' }).notNull().default(filled),
  dropped: bigint('dropped', { mode: 'number' }).notNull().default(filled),
  lastSentAt: timestamp('last_sent_at', { withTimezone: true }),
  failingSince: timestamp('failing_since', { withTimezone: true }),
  lastError: text('last_error'),
  lastErrorAt: timestamp('last_error_at', { withTimezone: true }),
});

export const schemaMigrations = pgTable('schema_migrations', {
  version: integer('version').notNull(),
  name: text('name').notNull(),
  checksum: text('checksum').notNull(),
  appliedAt: timestamp('applied_at', { withTimezone: true }).notNull().default(filled),
});

export const sensorAlerts = pgTable('sensor_alerts', {
  time: timestamp('time', { withTimezone: true }).notNull(),
  sensorId: integer('sensor_id').notNull(),
  alertType: text('alert_type').notNull(),
  message: text('message'),
  value: doublePrecision('value'),
  threshold: doublePrecision('threshold'),
  alertId: uuid('alert_id'),
  severity: text('severity').notNull().default(filled),
  startedAt: timestamp('started_at', { withTimezone: true }),
  resolvedAt: timestamp('resolved_at', { withTimezone: true }),
  resolvedValue: doublePrecision('resolved_value'),
  resolveReason: text('resolve_reason'),
  peakValue: doublePrecision('peak_value'),
  ackedAt: timestamp('acked_at', { withTimezone: true }),
  ackedBy: text('acked_by'),
  suppressed: text('suppressed'),
  flapping: boolean('flapping').notNull().default(filled),
  backfilled: boolean('backfilled').notNull().default(filled),
  ruleHash: text('rule_hash'),
  metric: text('metric'),
  kind: text('kind'),
  side: text('side'),
  ackedUntil: timestamp('acked_until', { withTimezone: true }),
});

export const sensorAliases = pgTable('sensor_aliases', {
  key: text('key').notNull(),
  sensorId: integer('sensor_id').notNull(),
});

export const sensorChanges = pgTable('sensor_changes', {
  seq: bigint('seq', { mode: 'number' }).notNull().default(filled),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  sensorId: integer('sensor_id').notNull(),
  targetId: integer('target_id'),
  changedAt: timestamp('changed_at', { withTimezone: true }).notNull().default(filled),
  changedBy: text('changed_by').notNull(),
  movedAt: timestamp('moved_at', { withTimezone: true }),
  fact: text('fact'),
});

export const sensorDailyAgg = pgView('sensor_daily_agg', {
  day: timestamp('day', { withTimezone: true }),
  sensorId: integer('sensor_id'),
  avgTemp: doublePrecision('avg_temp'),
  minTemp: doublePrecision('min_temp'),
  maxTemp: doublePrecision('max_temp'),
  sumTemp: doublePrecision('sum_temp'),
  countTemp: bigint('count_temp', { mode: 'number' }),
  avgHumidity: doublePrecision('avg_humidity'),
  minHumidity: doublePrecision('min_humidity'),
  maxHumidity: doublePrecision('max_humidity'),
  sumHumidity: doublePrecision('sum_humidity'),
  countHumidity: bigint('count_humidity', { mode: 'number' }),
  avgPressure: doublePrecision('avg_pressure'),
  minPressure: doublePrecision('min_pressure'),
  maxPressure: doublePrecision('max_pressure'),
  sumPressure: doublePrecision('sum_pressure'),
  countPressure: bigint('count_pressure', { mode: 'number' }),
  avgBattery: doublePrecision('avg_battery'),
  minBattery: doublePrecision('min_battery'),
  maxBattery: doublePrecision('max_battery'),
  sumBattery: doublePrecision('sum_battery'),
  countBattery: bigint('count_battery', { mode: 'number' }),
  avgRssi: doublePrecision('avg_rssi'),
  sumRssi: doublePrecision('sum_rssi'),
  countRssi: bigint('count_rssi', { mode: 'number' }),
  lastBattery: doublePrecision('last_battery'),
  readings: bigint('readings', { mode: 'number' }),
  lastTime: timestamp('last_time', { withTimezone: true }),
}).existing();

export const sensorHourlyAgg = pgView('sensor_hourly_agg', {
  hour: timestamp('hour', { withTimezone: true }),
  sensorId: integer('sensor_id'),
  avgTemp: doublePrecision('avg_temp'),
  minTemp: doublePrecision('min_temp'),
  maxTemp: doublePrecision('max_temp'),
  sumTemp: doublePrecision('sum_temp'),
  countTemp: bigint('count_temp', { mode: 'number' }),
  avgHumidity: doublePrecision('avg_humidity'),
  minHumidity: doublePrecision('min_humidity'),
  maxHumidity: doublePrecision('max_humidity'),
  sumHumidity: doublePrecision('sum_humidity'),
  countHumidity: bigint('count_humidity', { mode: 'number' }),
  avgPressure: doublePrecision('avg_pressure'),
  minPressure: doublePrecision('min_pressure'),
  maxPressure: doublePrecision('max_pressure'),
  sumPressure: doublePrecision('sum_pressure'),
  countPressure: bigint('count_pressure', { mode: 'number' }),
  avgBattery: doublePrecision('avg_battery'),
  minBattery: doublePrecision('min_battery'),
  maxBattery: doublePrecision('max_battery'),
  sumBattery: doublePrecision('sum_battery'),
  countBattery: bigint('count_battery', { mode: 'number' }),
  avgRssi: doublePrecision('avg_rssi'),
  sumRssi: doublePrecision('sum_rssi'),
  countRssi: bigint('count_rssi', { mode: 'number' }),
  lastBattery: doublePrecision('last_battery'),
  readings: bigint('readings', { mode: 'number' }),
  lastTime: timestamp('last_time', { withTimezone: true }),
}).existing();

export const sensorMetrics = pgTable('sensor_metrics', {
  time: timestamp('time', { withTimezone: true }).notNull(),
  sensorId: integer('sensor_id').notNull(),
  metricId: integer('metric_id').notNull(),
  value: doublePrecision('value').notNull(),
});

export const sensorMetricsDailyAgg = pgView('sensor_metrics_daily_agg', {
  day: timestamp('day', { withTimezone: true }),
  sensorId: integer('sensor_id'),
  metricId: integer('metric_id'),
  avgValue: doublePrecision('avg_value'),
  minValue: doublePrecision('min_value'),
  maxValue: doublePrecision('max_value'),
  sumValue: doublePrecision('sum_value'),
  countValue: bigint('count_value', { mode: 'number' }),
  firstValue: doublePrecision('first_value'),
  lastValue: doublePrecision('last_value'),
  firstTime: timestamp('first_time', { withTimezone: true }),
  lastTime: timestamp('last_time', { withTimezone: true }),
}).existing();

export const sensorMetricsHourlyAgg = pgView('sensor_metrics_hourly_agg', {
  hour: timestamp('hour', { withTimezone: true }),
  sensorId: integer('sensor_id'),
  metricId: integer('metric_id'),
  avgValue: doublePrecision('avg_value'),
  minValue: doublePrecision('min_value'),
  maxValue: doublePrecision('max_value'),
  sumValue: doublePrecision('sum_value'),
  countValue: bigint('count_value', { mode: 'number' }),
  firstValue: doublePrecision('first_value'),
  lastValue: doublePrecision('last_value'),
  firstTime: timestamp('first_time', { withTimezone: true }),
  lastTime: timestamp('last_time', { withTimezone: true }),
}).existing();

export const sensorReadings = pgTable('sensor_readings', {
  time: timestamp('time', { withTimezone: true }).notNull(),
  sensorId: integer('sensor_id').notNull(),
  temperature: doublePrecision('temperature'),
  humidity: doublePrecision('humidity'),
  pressure: doublePrecision('pressure'),
  battery: doublePrecision('battery'),
  rssi: integer('rssi'),
});

export const sensors = pgTable('sensors', {
  id: integer('id').notNull().default(filled),
  key: text('key').notNull(),
  name: text('name'),
  location: text('location'),
  type: text('type'),
  tags: text('tags').array().notNull().default(filled),
  declared: boolean('declared').notNull().default(filled),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().default(filled),
  gateway: text('gateway'),
  retiredAt: timestamp('retired_at', { withTimezone: true }),
  retiredBy: text('retired_by'),
  retiredUntilSeen: boolean('retired_until_seen').notNull().default(filled),
  locatedByTopic: boolean('located_by_topic').notNull().default(filled),
});

export const shareMembers = pgTable('share_members', {
  groupName: text('group_name').notNull(),
  member: text('member').notNull(),
  joinedAt: timestamp('joined_at', { withTimezone: true }).notNull().default(filled),
  leasedUntil: timestamp('leased_until', { withTimezone: true }).notNull(),
  connectsSensors: boolean('connects_sensors').notNull().default(filled),
  received: doublePrecision('received').array(),
  behind: boolean('behind'),
  subscribed: text('subscribed'),
  configuration: jsonb('configuration'),
});

export const silences = pgTable('silences', {
  id: bigint('id', { mode: 'number' }).notNull().default(filled),
  matchers: jsonb('matchers').notNull(),
  startsAt: timestamp('starts_at', { withTimezone: true }).notNull(),
  endsAt: timestamp('ends_at', { withTimezone: true }).notNull(),
  createdBy: text('created_by').notNull(),
  comment: text('comment').notNull().default(filled),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().default(filled),
  expiredBy: text('expired_by'),
  requestId: text('request_id'),
  expireRequestId: text('expire_request_id'),
});

export const storageChunks = pgTable('storage_chunks', {
  relation: text('relation').notNull(),
  rangeStart: timestamp('range_start', { withTimezone: true }).notNull(),
  rangeEnd: timestamp('range_end', { withTimezone: true }).notNull(),
});

export const storageHorizons = pgTable('storage_horizons', {
  relation: text('relation').notNull(),
  droppedBefore: timestamp('dropped_before', { withTimezone: true }).notNull(),
  kept: interval('kept'),
  notedAt: timestamp('noted_at', { withTimezone: true }).notNull().default(filled),
});

export const systemAlerts = pgTable('system_alerts', {
  alertId: uuid('alert_id').notNull(),
  alertType: text('alert_type').notNull(),
  subject: text('subject').notNull(),
  severity: text('severity').notNull(),
  message: text('message').notNull(),
  startedAt: timestamp('started_at', { withTimezone: true }).notNull(),
  resolvedAt: timestamp('resolved_at', { withTimezone: true }),
  seq: integer('seq').notNull(),
});
