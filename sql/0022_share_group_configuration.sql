-- Members with other rules, or with routes of their own, would write other rows of the same readings: each row says, by section
-- of the configuration, a digest of what its member has. Null: a member of an earlier version.
ALTER TABLE share_members ADD COLUMN configuration jsonb;
