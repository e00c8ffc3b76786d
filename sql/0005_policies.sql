-- The policies. What keeps them consistent, and must hold after every change of one of them:
--
--   start_offset (hourly) <= start_offset (daily) < compress_after < drop_after of the raw readings, and
--   start_offset (daily) < drop_after (hourly)
--
-- A refresh that reaches into dropped raw chunks deletes aggregate history, silently; and a refresh window shorter
-- than the late horizon never sees late readings.
--
-- initial_start makes each schedule a fixed one: a failing or slow run does not shift the next. The minutes are staggered,
-- so that the jobs of one hour do not compete for background workers. if_not_exists: an operator may have been quicker;
-- a policy that exists with other settings is a finding of `fieldwatch policies verify`, not a failed migration.

SELECT add_continuous_aggregate_policy('sensor_hourly_agg',
  start_offset => INTERVAL '3 days', end_offset => INTERVAL '5 minutes', schedule_interval => INTERVAL '10 minutes',
  initial_start => '2000-01-01 00:00:00+00', if_not_exists => true);
SELECT add_continuous_aggregate_policy('sensor_daily_agg',
  start_offset => INTERVAL '5 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '1 hour',
  initial_start => '2000-01-01 00:10:00+00', if_not_exists => true);

CALL add_columnstore_policy('sensor_readings', after => INTERVAL '7 days', schedule_interval => INTERVAL '1 hour',
  initial_start => '2000-01-01 00:30:00+00', if_not_exists => true);
CALL add_columnstore_policy('sensor_metrics', after => INTERVAL '7 days', schedule_interval => INTERVAL '1 hour',
  initial_start => '2000-01-01 00:40:00+00', if_not_exists => true);
CALL add_columnstore_policy('app_metrics', after => INTERVAL '2 days', schedule_interval => INTERVAL '1 hour',
  initial_start => '2000-01-01 00:50:00+00', if_not_exists => true);

SELECT add_retention_policy('sensor_readings', drop_after => INTERVAL '90 days',
  schedule_interval => INTERVAL '1 hour', initial_start => '2000-01-01 00:15:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_metrics', drop_after => INTERVAL '90 days',
  schedule_interval => INTERVAL '1 hour', initial_start => '2000-01-01 00:20:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_hourly_agg', drop_after => INTERVAL '1 year',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:15:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_daily_agg', drop_after => INTERVAL '5 years',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:20:00+00', if_not_exists => true);
SELECT add_retention_policy('sensor_alerts', drop_after => INTERVAL '1 year',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:25:00+00', if_not_exists => true);
SELECT add_retention_policy('dead_letters', drop_after => INTERVAL '30 days',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:35:00+00', if_not_exists => true);
SELECT add_retention_policy('app_metrics', drop_after => INTERVAL '30 days',
  schedule_interval => INTERVAL '1 day', initial_start => '2000-01-01 01:40:00+00', if_not_exists => true);
