-- Hourly and daily figures per sensor.
--
-- Sums and counts stand beside the averages: an average of averages is wrong as soon as the hours have different numbers
-- of readings, so whatever builds on these views weighs by count_*. Read-only in the sense of materialized_only: a query
-- never falls back to the raw rows, and what it shows is what the refresh policy has reached.

CREATE MATERIALIZED VIEW sensor_hourly_agg
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT
  time_bucket(INTERVAL '1 hour', time) AS hour,
  sensor_id,
  avg(temperature) AS avg_temp, min(temperature) AS min_temp, max(temperature) AS max_temp,
  sum(temperature) AS sum_temp, count(temperature) AS count_temp,
  avg(humidity) AS avg_humidity, min(humidity) AS min_humidity, max(humidity) AS max_humidity,
  sum(humidity) AS sum_humidity, count(humidity) AS count_humidity,
  avg(pressure) AS avg_pressure, min(pressure) AS min_pressure, max(pressure) AS max_pressure,
  sum(pressure) AS sum_pressure, count(pressure) AS count_pressure,
  avg(battery) AS avg_battery, min(battery) AS min_battery, max(battery) AS max_battery,
  sum(battery) AS sum_battery, count(battery) AS count_battery,
  avg(rssi::double precision) AS avg_rssi, sum(rssi::double precision) AS sum_rssi, count(rssi) AS count_rssi,
  last(battery, time) FILTER (WHERE battery IS NOT NULL) AS last_battery,
  count(*) AS readings,
  max(time) AS last_time
FROM sensor_readings
GROUP BY 1, 2
WITH NO DATA;

-- On the hourly view: a day costs 24 rows a sensor instead of every raw row. Days are UTC days.
CREATE MATERIALIZED VIEW sensor_daily_agg
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT
  time_bucket(INTERVAL '1 day', hour) AS day,
  sensor_id,
  sum(sum_temp) / nullif(sum(count_temp), 0) AS avg_temp, min(min_temp) AS min_temp, max(max_temp) AS max_temp,
  sum(sum_temp) AS sum_temp, sum(count_temp)::bigint AS count_temp,
  sum(sum_humidity) / nullif(sum(count_humidity), 0) AS avg_humidity, min(min_humidity) AS min_humidity, max(max_humidity) AS max_humidity,
  sum(sum_humidity) AS sum_humidity, sum(count_humidity)::bigint AS count_humidity,
  sum(sum_pressure) / nullif(sum(count_pressure), 0) AS avg_pressure, min(min_pressure) AS min_pressure, max(max_pressure) AS max_pressure,
  sum(sum_pressure) AS sum_pressure, sum(count_pressure)::bigint AS count_pressure,
  sum(sum_battery) / nullif(sum(count_battery), 0) AS avg_battery, min(min_battery) AS min_battery, max(max_battery) AS max_battery,
  sum(sum_battery) AS sum_battery, sum(count_battery)::bigint AS count_battery,
  sum(sum_rssi) / nullif(sum(count_rssi), 0) AS avg_rssi, sum(sum_rssi) AS sum_rssi, sum(count_rssi)::bigint AS count_rssi,
  last(last_battery, last_time) FILTER (WHERE last_battery IS NOT NULL) AS last_battery,
  sum(readings)::bigint AS readings,
  max(last_time) AS last_time
FROM sensor_hourly_agg
GROUP BY 1, 2
WITH NO DATA;
