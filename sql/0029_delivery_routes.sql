-- The route by which a delivery goes to its sink: its place in the configuration of that time. Null: it follows the firing of its episode,
-- which has one, or it is of an earlier version.
ALTER TABLE alert_deliveries ADD COLUMN route text;
