-- Sensors that operators renamed, merged or forgot while daemons run that know them by their former ids and keys.

-- Other keys of a sensor: after a rename or a merge, what arrives under the former key belongs to it.
CREATE TABLE sensor_aliases (
  key       text    PRIMARY KEY,
  sensor_id integer NOT NULL REFERENCES sensors (id) ON DELETE CASCADE
);
CREATE INDEX sensor_aliases_sensor ON sensor_aliases (sensor_id);

-- Every transaction that writes readings or alerts compares the newest `seq` with the one by which its sensors were looked
-- up; a change locks this table against them (ACCESS EXCLUSIVE). So nothing is written for an id that is gone. `target_id`
-- is where the readings of a gone id go: null where they are deleted.
CREATE TABLE sensor_changes (
  seq        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind       text        NOT NULL CHECK (kind IN ('rename', 'merge', 'forget')),
  key        text        NOT NULL,
  sensor_id  integer     NOT NULL,
  target_id  integer,
  changed_at timestamptz NOT NULL DEFAULT now(),
  changed_by text        NOT NULL,
  moved_at   timestamptz                              -- null while readings of the gone id are still there
);
