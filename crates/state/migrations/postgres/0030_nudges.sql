-- When somebody said that records have changed, until a run was begun for it; 0: nobody has.
ALTER TABLE syncs ADD COLUMN nudged_at BIGINT NOT NULL DEFAULT 0;
