-- Routes of notifications: with which others one is sent, and deliveries that are decided later.

-- A held delivery is outside the queue until it is due; then it is queued if its alert is still firing, and neither acknowledged
-- nor suppressed, and cancelled otherwise.
ALTER TABLE alert_deliveries
  ADD COLUMN step              integer NOT NULL DEFAULT 0,     -- above 0: an escalation, in seconds after the firing; below: number of a reminder
  ADD COLUMN origin            text,                           -- mute, escalation, reminder; null: the notification itself, when it was made
  ADD COLUMN held              boolean NOT NULL DEFAULT false,
  ADD COLUMN due_at            timestamptz,                    -- not sent before; null: at once
  ADD COLUMN group_key         text,                           -- JSON of the labels in group_by; null: of its alert type
  ADD COLUMN group_interval_ms integer NOT NULL DEFAULT 0,
  ADD COLUMN repeat_ms         bigint;                         -- time to its reminder; null: none
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_pkey, ADD PRIMARY KEY (alert_id, seq, sink, step);
DROP INDEX alert_deliveries_queue;
CREATE INDEX alert_deliveries_queue ON alert_deliveries (sink, id) WHERE done_at IS NULL AND NOT held;
CREATE INDEX alert_deliveries_held ON alert_deliveries (sink, due_at) WHERE held;
-- The next reminder of an episode at a sink.
CREATE UNIQUE INDEX alert_deliveries_reminder ON alert_deliveries (alert_id, sink) WHERE held AND origin = 'reminder';

-- When a group was last sent to a sink: the next time is an interval later, also after a restart.
CREATE TABLE notify_groups (
  sink       text        NOT NULL,
  event      text        NOT NULL,
  group_key  text        NOT NULL,
  flushed_at timestamptz NOT NULL,
  PRIMARY KEY (sink, event, group_key)
) WITH (fillfactor = 80);

CREATE INDEX alert_state_alert ON alert_state (alert_id) WHERE alert_id IS NOT NULL;

-- An acknowledgement may end.
ALTER TABLE alert_commands ADD COLUMN ends_at timestamptz;
ALTER TABLE sensor_alerts ADD COLUMN acked_until timestamptz;
