-- Over all nodes one follows the feeds of a sync: who, and until when unless it says so again.
ALTER TABLE syncs ADD COLUMN follower INTEGER;
ALTER TABLE syncs ADD COLUMN followed_until INTEGER NOT NULL DEFAULT 0;
