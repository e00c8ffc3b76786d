-- A payload above dead_letters.max_payload is kept cut: how long it was, and its SHA-256, so that the whole one can be recognised
-- where it is kept otherwise. Both are NULL where the payload is whole.
ALTER TABLE dead_letters ADD COLUMN payload_bytes integer;
ALTER TABLE dead_letters ADD COLUMN payload_sha256 bytea;
