-- Alerts: one row per upward crossing (fired or escalated), closed by an UPDATE.

-- The first six columns are the base: an INSERT of just these must work. Everything after them is nullable or defaulted.
CREATE TABLE sensor_alerts (
  time           timestamptz NOT NULL,      -- event time at which it fired
  sensor_id      integer     NOT NULL,
  alert_type     text        NOT NULL,
  message        text,
  value          double precision,
  threshold      double precision,
  alert_id       uuid,                      -- the episode: derived from sensor, type and start
  severity       text        NOT NULL DEFAULT 'warning',
  started_at     timestamptz,
  resolved_at    timestamptz,
  resolved_value double precision,
  resolve_reason text,
  peak_value     double precision,
  acked_at       timestamptz,
  acked_by       text,
  suppressed     text,
  flapping       boolean     NOT NULL DEFAULT false,
  backfilled     boolean     NOT NULL DEFAULT false,
  rule_hash      text
);

-- Alerts are few: a week per chunk keeps a year at 53 chunks. Not compressed, because an open row is still updated.
SELECT create_hypertable('sensor_alerts', by_range('time', INTERVAL '7 days'), create_default_indexes => false);

-- The same alert raised twice (redelivery, replay) is one row; also the point lookup of the closing UPDATE.
CREATE UNIQUE INDEX sensor_alerts_key ON sensor_alerts (sensor_id, alert_type, time DESC);
CREATE INDEX sensor_alerts_time ON sensor_alerts (time DESC);
CREATE INDEX sensor_alerts_open ON sensor_alerts (time DESC) WHERE resolved_at IS NULL;

-- What is remembered of a (sensor, alert type) that is not plainly OK. Written on transitions only.
CREATE TABLE alert_state (
  sensor_id     integer          NOT NULL,
  alert_type    text             NOT NULL,
  state         text             NOT NULL,  -- pending, firing, recovering, latched, flapping; ok where only its detail is kept
  alert_id      uuid,
  severity      text             NOT NULL,
  since         timestamptz,
  started_at    timestamptz,
  fired_at      timestamptz,
  threshold     double precision,
  peak_value    double precision,
  seq           integer          NOT NULL,
  last_event_at timestamptz      NOT NULL,
  last_value    double precision NOT NULL,
  rule_hash     text             NOT NULL,
  detail        jsonb            NOT NULL DEFAULT '{}',
  updated_at    timestamptz      NOT NULL DEFAULT now(),
  PRIMARY KEY (sensor_id, alert_type)
) WITH (fillfactor = 70);                   -- room for updates in place

-- Notifications, until they are sent. (alert_id, seq) makes a replayed batch a no-op.
CREATE TABLE alert_outbox (
  alert_id   uuid        NOT NULL,
  seq        integer     NOT NULL,
  event      text        NOT NULL,          -- firing, escalated, resolved, reminder, flapping_start, flapping_end
  payload    jsonb       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at    timestamptz,
  PRIMARY KEY (alert_id, seq)
);
CREATE INDEX alert_outbox_pending ON alert_outbox (created_at) WHERE sent_at IS NULL;
CREATE INDEX alert_outbox_sent ON alert_outbox (sent_at) WHERE sent_at IS NOT NULL;
