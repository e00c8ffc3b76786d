-- Notifications on their way to the sinks.

-- One row per notification and sink, made together with the mark in alert_outbox that says the line was logged. The key
-- makes a notification that is announced again a no-op. No foreign key: what was sent while the database was away is
-- recorded before its outbox row exists.
CREATE TABLE alert_deliveries (
  alert_id   uuid        NOT NULL,
  seq        integer     NOT NULL,
  sink       text        NOT NULL,
  id         bigint      GENERATED ALWAYS AS IDENTITY,   -- the order of the queue
  event      text        NOT NULL,
  alert_type text        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  done_at    timestamptz,
  outcome    text,                                       -- sent, collapsed, refused, dropped, expired
  PRIMARY KEY (alert_id, seq, sink)
) WITH (fillfactor = 80);
CREATE INDEX alert_deliveries_queue ON alert_deliveries (sink, id) WHERE done_at IS NULL;
CREATE INDEX alert_deliveries_done ON alert_deliveries (done_at) WHERE done_at IS NOT NULL;

-- One row per sink: which daemon serves it, and how that goes. A lease that is not renewed is free for another daemon.
CREATE TABLE notify_sinks (
  name          text        PRIMARY KEY,
  kind          text        NOT NULL,
  owner         text,
  leased_until  timestamptz,
  sent          bigint      NOT NULL DEFAULT 0,
  refused       bigint      NOT NULL DEFAULT 0,
  dropped       bigint      NOT NULL DEFAULT 0,
  last_sent_at  timestamptz,
  failing_since timestamptz,
  last_error    text,
  last_error_at timestamptz
) WITH (fillfactor = 50);
