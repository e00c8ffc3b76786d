-- A request from a link, a button or a topic may arrive twice; its name makes the second one find the first.
ALTER TABLE alert_commands ADD COLUMN request_id text;
CREATE UNIQUE INDEX alert_commands_request ON alert_commands (request_id) WHERE request_id IS NOT NULL;
ALTER TABLE silences ADD COLUMN request_id text;
CREATE UNIQUE INDEX silences_request ON silences (request_id) WHERE request_id IS NOT NULL;
