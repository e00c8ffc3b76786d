-- Alerts of the system itself: a policy that does not run, a disk that fills up. They have no sensor, so they are kept apart
-- from sensor_alerts, whose rows and queries they leave as they are. One row per episode.
CREATE TABLE system_alerts (
  alert_id    uuid        PRIMARY KEY,
  alert_type  text        NOT NULL,         -- policy_<check>
  subject     text        NOT NULL,         -- what it is about: sensor_readings retention, server, disk
  severity    text        NOT NULL,
  message     text        NOT NULL,
  started_at  timestamptz NOT NULL,
  resolved_at timestamptz,                  -- null while it lasts
  seq         integer     NOT NULL          -- number of its last notification
);

-- One open episode for each fault, whoever looks: also what a second daemon that believes it leads runs into.
CREATE UNIQUE INDEX system_alerts_open ON system_alerts (alert_type, subject) WHERE resolved_at IS NULL;
CREATE INDEX system_alerts_started ON system_alerts (started_at DESC);
