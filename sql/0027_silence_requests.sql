-- A request that ends a silence may arrive twice; its name makes the second one find the first.
ALTER TABLE silences ADD COLUMN expire_request_id text;
CREATE INDEX silences_expire_request ON silences (expire_request_id) WHERE expire_request_id IS NOT NULL;
