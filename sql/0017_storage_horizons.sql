-- What of a relation may be gone: rows older than this were dropped on purpose, by its retention or by `storage drop`. Chunks
-- that are gone and younger are a finding, also where they were the oldest.
CREATE TABLE storage_horizons (
  relation       text        PRIMARY KEY,
  dropped_before timestamptz NOT NULL,
  kept           interval,                               -- the retention declared when this was written; null: for ever
  noted_at       timestamptz NOT NULL DEFAULT now()
);

-- What is gone today was dropped before anything noted why.
INSERT INTO storage_horizons (relation, dropped_before)
SELECT coalesce(a.view_name, c.hypertable_name), min(c.range_start)
  FROM timescaledb_information.chunks c
  LEFT JOIN timescaledb_information.continuous_aggregates a
    ON a.materialization_hypertable_schema = c.hypertable_schema AND a.materialization_hypertable_name = c.hypertable_name
 WHERE coalesce(a.view_schema, c.hypertable_schema) = current_schema()
   AND coalesce(a.view_name, c.hypertable_name) IN
       ('sensor_readings', 'sensor_metrics', 'sensor_alerts', 'dead_letters', 'app_metrics', 'sensor_hourly_agg', 'sensor_daily_agg')
 GROUP BY 1;
