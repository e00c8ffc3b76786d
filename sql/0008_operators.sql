-- What operators say about alerts: from any process that reaches the database, to the daemons that evaluate.

-- Alerts nobody wants to hear of for a time. The end is never open; taking one back moves it to now.
CREATE TABLE silences (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  matchers   jsonb       NOT NULL,          -- label -> pattern
  starts_at  timestamptz NOT NULL,
  ends_at    timestamptz NOT NULL CHECK (ends_at >= starts_at),
  created_by text        NOT NULL,
  comment    text        NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  expired_by text                           -- who took it back before its end
);
CREATE INDEX silences_end ON silences (ends_at);

-- Acknowledgements and manual resolves. A daemon applies one and marks it in the transaction that writes what it did.
CREATE TABLE alert_commands (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind       text        NOT NULL CHECK (kind IN ('ack', 'resolve')),
  sensor_id  integer     NOT NULL,
  alert_type text        NOT NULL,
  alert_id   uuid,                          -- the episode that was meant
  asked_by   text        NOT NULL,
  comment    text        NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  applied_at timestamptz,
  applied_by text,                          -- which daemon
  outcome    text                           -- done, already, not_open
);
CREATE INDEX alert_commands_waiting ON alert_commands (id) WHERE applied_at IS NULL;
CREATE INDEX alert_commands_applied ON alert_commands (applied_at) WHERE applied_at IS NOT NULL;
