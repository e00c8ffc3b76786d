-- After an outage the members of a share group evaluate nothing before each of them has handed over what it spooled.

-- Readings that it received wait in its spool, or for a commit that takes long. Null: a member of an earlier version, which
-- does not say, and renews its lease too rarely for its silence to say anything.
ALTER TABLE share_members ADD COLUMN behind boolean;

-- When the first of them was received, in seconds: they are read in this order, whichever member drained first. Those of an
-- earlier version count as received when they are written.
ALTER TABLE alert_handover ADD COLUMN received_s bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint;
CREATE INDEX alert_handover_received ON alert_handover (group_name, received_s, id);
DROP INDEX alert_handover_shard;
