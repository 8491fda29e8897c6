-- 1: there is a write of which nobody knows whether it was done; what of, the base says.
ALTER TABLE sync_pairs ADD COLUMN in_doubt INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sync_pairs_in_doubt ON sync_pairs (sync, seq) WHERE in_doubt = 1;
UPDATE sync_pairs SET in_doubt = 1 WHERE failure = 'unanswered';
-- What a plan lists was never about to be written: state 4, planned.
UPDATE sync_journal SET state = 4
WHERE state = 0 AND run IN (SELECT id FROM sync_runs WHERE is_dry = 1);
