-- Over all nodes one follows the feeds of a sync: who, and until when unless it says so again.
ALTER TABLE syncs ADD COLUMN follower BIGINT;
ALTER TABLE syncs ADD COLUMN followed_until BIGINT NOT NULL DEFAULT 0;
