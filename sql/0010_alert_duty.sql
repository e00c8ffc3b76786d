-- Several daemons of one MQTT share group: one of them evaluates alerts, the others hand their readings on to it.

-- Who has the duty. A lease that is not renewed is free for another member. The epoch is another one in every hand: each
-- transaction that evaluated something looks whether it is still its own, so what a former holder made of readings cannot
-- be written any more.
CREATE TABLE alert_duty (
  group_name   text        PRIMARY KEY,
  owner        text,                        -- null: given back
  epoch        bigint      NOT NULL,
  leased_until timestamptz,
  taken_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Readings on their way to whoever has the duty: written in the transaction that stores them, gone with the one that
-- writes what became of them. A row holds some of one batch: [device, location, time (us), received (ms), {metric: value}] each.
CREATE TABLE alert_inbox (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_name text        NOT NULL,
  readings   integer     NOT NULL,
  payload    json        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alert_inbox_group ON alert_inbox (group_name, id);
