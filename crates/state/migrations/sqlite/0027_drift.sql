-- How far the two sides of a sync are apart: measured on a sample, now and then.

CREATE TABLE sync_drift (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    sync          INTEGER NOT NULL,
    run           INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    sampled       INTEGER NOT NULL,        -- pairs that were drawn
    compared      INTEGER NOT NULL,        -- of these: read from both sides and compared
    pending       INTEGER NOT NULL,        -- of these: wait, are in conflict, or changed just now
    differing     INTEGER NOT NULL,        -- of those compared
    left_missing  INTEGER NOT NULL,        -- of those that differ: the record is not there
    right_missing INTEGER NOT NULL,
    fields        TEXT    NOT NULL         -- JSON: by field of the map how often the left and the right moved away
) STRICT;

CREATE INDEX sync_drift_of ON sync_drift (sync, id);
