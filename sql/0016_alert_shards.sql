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

-- Of which shards the entries of a row count still: what an owner wrote anew of its own is left out of earlier rows.
ALTER TABLE alert_watermarks ADD COLUMN shards bigint NOT NULL DEFAULT -1;

-- A daemon of an earlier version that still runs would evaluate all sensors beside the owners: what it took is taken from it,
-- and what it writes is refused, with the reason in the constraint's name, until it is stopped. Nothing of that is
-- acknowledged. What waited in alert_inbox waits for the owners, in a form of its own (see the record's decoder); readings of
-- sensors that are gone are left out, as they were when they were read.
LOCK TABLE alert_duty, alert_inbox IN ACCESS EXCLUSIVE MODE;
INSERT INTO alert_handover (group_name, shard, readings, record, created_at)
SELECT i.group_name, r.shard, count(*), convert_to(json_agg(r.reading ORDER BY r.place)::text, 'UTF8'), i.created_at
  FROM alert_inbox i
 CROSS JOIN LATERAL (
   SELECT ((((s.id)::bigint * 2654435769) & 4294967295) >> 26)::smallint AS shard, e.place,
          json_build_array(s.id, e.entry->2, e.entry->3, e.entry->4, e.entry->5, e.entry->6) AS reading
     FROM json_array_elements(i.payload) WITH ORDINALITY AS e (entry, place)
     JOIN sensors s ON s.id = coalesce((SELECT k.id FROM sensors k WHERE k.key = e.entry->>0),
                                       (SELECT a.sensor_id FROM sensor_aliases a WHERE a.key = e.entry->>0))) r
 GROUP BY i.id, i.group_name, i.created_at, r.shard ORDER BY i.id;
DELETE FROM alert_inbox;
DELETE FROM alert_duty;
ALTER TABLE alert_duty ADD CONSTRAINT alert_duty_taken_by_an_earlier_version CHECK (false) NOT VALID;
ALTER TABLE alert_inbox ADD CONSTRAINT alert_inbox_written_by_an_earlier_version CHECK (false) NOT VALID;
