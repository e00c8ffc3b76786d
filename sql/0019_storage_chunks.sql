-- Chunks that the daemon has seen, as long as they are to be kept: of a table that nothing is built on, and into which rows
-- come with long pauses, nothing else says that one is gone before its time.
CREATE TABLE storage_chunks (
  relation    text        NOT NULL,
  range_start timestamptz NOT NULL,
  range_end   timestamptz NOT NULL,
  PRIMARY KEY (relation, range_start)
);

INSERT INTO storage_chunks (relation, range_start, range_end)
SELECT coalesce(a.view_name, c.hypertable_name), c.range_start, c.range_end
  FROM timescaledb_information.chunks c
  LEFT JOIN timescaledb_information.continuous_aggregates a
    ON a.materialization_hypertable_schema = c.hypertable_schema AND a.materialization_hypertable_name = c.hypertable_name
 WHERE coalesce(a.view_schema, c.hypertable_schema) = current_schema()
   AND coalesce(a.view_name, c.hypertable_name) IN
       ('sensor_readings', 'sensor_metrics', 'sensor_alerts', 'dead_letters', 'app_metrics', 'sensor_hourly_agg', 'sensor_daily_agg')
   AND isfinite(c.range_start) AND c.range_start < now()
ON CONFLICT DO NOTHING;
