-- What the daemon keeps about itself: messages it could not store as readings, and its own figures.

-- A hypertable, so that retention is a policy like every other: verified, and dropped by chunk instead of row by row.
-- The id is chosen by the daemon: a batch that is sent again after a lost reply stores each dead letter once.
CREATE TABLE dead_letters (
  received_at timestamptz NOT NULL,
  id          uuid        NOT NULL DEFAULT gen_random_uuid(),
  topic       text        NOT NULL,         -- a NUL character is stored as U+FFFD: text cannot hold it
  payload     bytea       NOT NULL,         -- as received
  reason      text        NOT NULL,         -- a reject code, or an SQLSTATE
  detail      text,
  requeued_at timestamptz
);
SELECT create_hypertable('dead_letters', by_range('received_at', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX dead_letters_key ON dead_letters (id, received_at);
CREATE INDEX dead_letters_time ON dead_letters (received_at DESC, id);

CREATE TABLE app_metrics (
  time        timestamptz      NOT NULL,
  host        text             NOT NULL,
  metric_name text             NOT NULL,
  value       double precision NOT NULL,
  tags        jsonb            NOT NULL DEFAULT '{}'
);
SELECT create_hypertable('app_metrics', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX app_metrics_name ON app_metrics (metric_name, time DESC);
ALTER TABLE app_metrics SET (
  timescaledb.enable_columnstore,
  timescaledb.segmentby = 'metric_name',
  timescaledb.orderby = 'time DESC'
);
