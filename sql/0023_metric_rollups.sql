-- Hourly and daily figures of metrics without a column of their own: they outlive the values, as those of sensor_readings
-- outlive the readings. Days are UTC days. Read-only in the sense of materialized_only, as the aggregates of 0004.
--
-- What was stored before is filled in by the daemon after its start, or by `policies repair --only late`, a week a statement: one
-- refresh here would be one transaction over all that is kept.

-- One index instead of one a group column: values are always asked for by sensor and metric.
CREATE MATERIALIZED VIEW sensor_metrics_hourly_agg
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT
  time_bucket(INTERVAL '1 hour', time) AS hour,
  sensor_id,
  metric_id,
  avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value,
  sum(value) AS sum_value, count(*) AS count_value,
  first(value, time) AS first_value, last(value, time) AS last_value,   -- of a counter these are its use
  min(time) AS first_time, max(time) AS last_time
FROM sensor_metrics
GROUP BY 1, 2, 3
WITH NO DATA;
CREATE INDEX ON sensor_metrics_hourly_agg (sensor_id, metric_id, hour DESC);

CREATE MATERIALIZED VIEW sensor_metrics_daily_agg
WITH (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT
  time_bucket(INTERVAL '1 day', hour) AS day,
  sensor_id,
  metric_id,
  sum(sum_value) / nullif(sum(count_value), 0) AS avg_value, min(min_value) AS min_value, max(max_value) AS max_value,
  sum(sum_value) AS sum_value, sum(count_value)::bigint AS count_value,
  first(first_value, first_time) AS first_value, last(last_value, last_time) AS last_value,
  min(first_time) AS first_time, max(last_time) AS last_time
FROM sensor_metrics_hourly_agg
GROUP BY 1, 2, 3
WITH NO DATA;
CREATE INDEX ON sensor_metrics_daily_agg (sensor_id, metric_id, day DESC);

-- As 0018 does for the other aggregates.
DO $$
DECLARE
  relation regclass;
BEGIN
  FOR relation IN
    SELECT c.oid FROM timescaledb_information.continuous_aggregates a
      JOIN pg_namespace n ON n.nspname = a.materialization_hypertable_schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = a.materialization_hypertable_name
     WHERE a.view_schema = current_schema() AND a.view_name IN ('sensor_metrics_hourly_agg', 'sensor_metrics_daily_agg')
       AND c.relreplident = 'd'
  LOOP
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', relation);
  END LOOP;
END $$;

-- The rule of 0005 holds for them, with sensor_metrics in the place of sensor_readings.
SELECT add_continuous_aggregate_policy('sensor_metrics_hourly_agg',
  start_offset => INTERVAL '3 days', end_offset => INTERVAL '5 minutes', schedule_interval => INTERVAL '10 minutes',
  initial_start => '2000-01-01 00:05:00+00', if_not_exists => true);
SELECT add_continuous_aggregate_policy('sensor_metrics_daily_agg',
  start_offset => INTERVAL '5 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour',
  initial_start => '2000-01-01 00:25:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_metrics_hourly_agg', drop_after => INTERVAL '1 year',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:45:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_metrics_daily_agg', drop_after => INTERVAL '5 years',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:50:00+00', if_not_exists => true);

-- A gauge is measured anew each time; a counter only rises, until it starts again at zero or, with `wraps_at`, after its
-- highest value.
ALTER TABLE metrics
  ADD COLUMN kind text NOT NULL DEFAULT 'gauge' CHECK (kind IN ('gauge', 'counter')),
  ADD COLUMN wraps_at double precision CHECK (wraps_at > 0);
