-- Readings that wait for earlier ones (alerts.allowed_lateness): which of the stored ones do, and not copies of them.

-- A log: each batch appends what it changed, in its own transaction, and now and then one row takes the place of those before.
-- Of a series (sensor, metric) only the newest row counts; one that no row names has nothing that waits. What waits is what is
-- stored from from_us to until_us (microseconds since 1970), and, where a reading lies in a spool yet, the unstored numbers.
CREATE TABLE alert_watermarks (
  id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_name      text        NOT NULL,               -- the share group that evaluates; empty without one
  writer          text        NOT NULL,               -- the process
  metrics         text[]      NOT NULL,
  sensor_ids      integer[]   NOT NULL,               -- one entry a series, here and in the next five
  metric_at       integer[]   NOT NULL,               -- its metric, counted from 0
  last_us         float8[]    NOT NULL,               -- the last evaluated event
  last_values     float8[]    NOT NULL,
  from_us         float8[]    NOT NULL,               -- Infinity where nothing waits any more
  until_us        float8[]    NOT NULL,
  unstored_at     integer[]   NOT NULL,               -- which of the series, counted from 0
  unstored_us     float8[]    NOT NULL,
  unstored_values float8[]    NOT NULL,
  written_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alert_watermarks_group ON alert_watermarks (group_name, id);

-- A daemon of an earlier version that still runs would keep copies where no start reads them: its batches are refused until it
-- is stopped, and nothing of them is acknowledged. Rows that are there already are read by the next start, and written anew.
ALTER TABLE alert_state ADD CONSTRAINT alert_state_written_by_an_earlier_version CHECK (NOT detail ? 'held') NOT VALID;
