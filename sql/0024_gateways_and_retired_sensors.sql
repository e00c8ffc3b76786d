-- The sensor that a sensor sends through, by its key: while it is offline, it explains that the others are missed.
ALTER TABLE sensors ADD COLUMN gateway text;

-- A retired sensor expects nothing: its readings are stored and not evaluated. With `retired_until_seen` its next reading ends that.
ALTER TABLE sensors ADD COLUMN retired_at timestamptz;
ALTER TABLE sensors ADD COLUMN retired_by text;
ALTER TABLE sensors ADD COLUMN retired_until_seen boolean NOT NULL DEFAULT false;

-- What changed where the id and the readings stay: retired, returned; null: the key. The kind of these is `rename`, because a daemon
-- of an earlier version then reads the sensors again, as it should, and takes any other kind for a deleted id.
ALTER TABLE sensor_changes ADD COLUMN fact text;
