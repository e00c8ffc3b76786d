-- The location is the one that the topic of the sensor names: it follows when the sensor moves to another topic. One that was declared
-- or set by hand stays. Of earlier rows it is known for those that nothing has changed since their registration.
ALTER TABLE sensors ADD COLUMN located_by_topic boolean NOT NULL DEFAULT false;
UPDATE sensors SET located_by_topic = true WHERE location IS NOT NULL AND NOT declared AND updated_at = created_at;
