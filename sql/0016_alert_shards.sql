-- The daemons of one MQTT share group evaluate alerts in 64 shards of the sensors, each owned by one of them.

-- A member is one process. Its lease holds all its shards: one row to renew, however many it owns.
CREATE TABLE share_members (
  group_name       text        NOT NULL,
  member           text        NOT NULL,
  joined_at        timestamptz NOT NULL DEFAULT now(),
  leased_until     timestamptz NOT NULL,
  connects_sensors boolean     NOT NULL DEFAULT false,  -- its rules connect sensors of different shards: one member owns all
  received         float8[],                            -- readings of each shard that it received lately
  PRIMARY KEY (group_name, member)
) WITH (fillfactor = 50);

-- The epoch is the fencing token: each owner raises it, and each transaction that writes what was evaluated of a shard locks
-- the row (FOR SHARE) where it has the epoch of the owner still. So a former owner can write nothing any more.
CREATE TABLE alert_shards (
  group_name text        NOT NULL,
  shard      smallint    NOT NULL CHECK (shard BETWEEN 0 AND 63),
  owner      text,                                      -- null: given back, or never taken
  epoch      bigint      NOT NULL DEFAULT 0,
  taken_at   timestamptz,
  PRIMARY KEY (group_name, shard)
) WITH (fillfactor = 50);

-- Readings on their way to the owner of their shard: written in the transaction that stores them, deleted in the one that
-- writes what became of them. A value holds what one batch has of one shard, in a binary form of the daemons' own. It is not
-- compressed: that costs the server more than the bytes. Read by id: of one member that is the order of its commits. A row
-- that becomes visible after others with higher ids is still there to be read then, for rows are deleted by their ids and no
-- mark of what was read is kept; a horizon of finished transactions would make the alerts wait for each long transaction.
CREATE TABLE alert_handover (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_name text        NOT NULL,
  shard      smallint    NOT NULL,
  readings   integer     NOT NULL,
  record     bytea       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE alert_handover ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE INDEX alert_handover_shard ON alert_handover (group_name, shard, id);

-- A daemon of an earlier version that still runs would evaluate all sensors beside the owners: what it took is taken from it,
-- and what it writes is refused, with the reason in the constraint's name, until it is stopped. Nothing of that is
-- acknowledged. Readings that wait in alert_inbox are read by the owner of shard 0, which hands them over.
DELETE FROM alert_duty;
ALTER TABLE alert_duty ADD CONSTRAINT alert_duty_taken_by_an_earlier_version CHECK (false) NOT VALID;
ALTER TABLE alert_inbox ADD CONSTRAINT alert_inbox_written_by_an_earlier_version CHECK (false) NOT VALID;
