-- A member of a share group that stops ends its subscription, so that the broker keeps nothing for it, if another member has
-- the same one: a digest of the topic filters. Null: not subscribed to all of them, or a member of an earlier version.
ALTER TABLE share_members ADD COLUMN subscribed text;
