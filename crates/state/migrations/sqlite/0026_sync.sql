-- Contact sync: which record of one system is which of another, how both were when last seen,
-- how far each side is read, and what was written there.

CREATE TABLE syncs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT    NOT NULL UNIQUE,
    left_connection  TEXT    NOT NULL,
    right_connection TEXT    NOT NULL,
    left_cursor      BLOB,                 -- sealed; where reading goes on
    right_cursor     BLOB,                 -- sealed
    left_at          BLOB,                 -- keyed hash of the cursor
    right_at         BLOB,
    left_pass        INTEGER NOT NULL,     -- counts beginnings from nothing
    right_pass       INTEGER NOT NULL,
    left_stage       INTEGER NOT NULL,     -- 0 reads on, 1 in a whole pass, 2 whom it missed is marked as gone
    right_stage      INTEGER NOT NULL,
    pairs            INTEGER NOT NULL,     -- how many rows of sync_pairs are its
    approved_at      INTEGER,
    approved_by      TEXT,
    paused           TEXT,                 -- why; NULL: it is not
    phase            TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE sync_runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sync       INTEGER NOT NULL,
    slot       INTEGER,                    -- 1 while it is under way, NULL after
    kind       TEXT    NOT NULL,           -- run | plan | undo
    of_run     INTEGER,                    -- the run that it undoes
    is_dry     INTEGER NOT NULL,           -- 1: writes nothing to others
    due_at     INTEGER,                    -- the time of the schedule that it is for
    asked_by   TEXT    NOT NULL,
    state      TEXT    NOT NULL,           -- waiting | running | done | partial
    step       TEXT    NOT NULL,           -- the engine's word
    cursor     TEXT,                       -- where the step goes on; nothing personal
    counts     TEXT    NOT NULL,           -- a JSON object of numbers
    note       TEXT,                       -- why it is partial
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    ended_at   INTEGER,
    lease      INTEGER,                    -- token of whoever works on it
    held_until INTEGER NOT NULL,           -- when another may take it
    UNIQUE (sync, slot),
    UNIQUE (sync, due_at)
) STRICT;

CREATE INDEX sync_runs_open ON sync_runs (id) WHERE slot = 1;

-- A record of the left and the one of the right that are the same person.
CREATE TABLE sync_pairs (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    sync           INTEGER NOT NULL,
    turn           INTEGER NOT NULL,       -- rises with every change of what is to be settled
    state          INTEGER NOT NULL,       -- 0 open, 1 linked, 2 held, 3 buried, 4 erased
    waits          INTEGER NOT NULL,       -- 1: to be settled, from due_at on
    due_at         INTEGER NOT NULL,
    tries          INTEGER NOT NULL,       -- that failed one after the other
    failure        TEXT,                   -- class of the last one
    failure_note   TEXT,
    failed_at      INTEGER,
    is_dead        INTEGER NOT NULL,       -- 1: not tried again by itself
    reviews        INTEGER NOT NULL,       -- 1: there may be reviews of it
    left_record    BLOB,                   -- keyed hash; NULL: never seen
    left_half      INTEGER NOT NULL,       -- 0 never, 1 present, 2 gone
    left_digest    BLOB,                   -- keyed hash of its fields
    left_revision  BLOB,                   -- keyed hash of version, time and fields
    left_replaced  BLOB,                   -- that which our own write has replaced
    left_modified  INTEGER,
    left_pass      INTEGER NOT NULL,       -- the last one that saw it
    left_keys      BLOB,                   -- its hashes in sync_keys, one behind the other
    right_record   BLOB,
    right_half     INTEGER NOT NULL,
    right_digest   BLOB,
    right_revision BLOB,
    right_replaced BLOB,
    right_modified INTEGER,
    right_pass     INTEGER NOT NULL,
    right_keys     BLOB,
    left_copy      BLOB,                   -- sealed
    right_copy     BLOB,                   -- sealed
    base           BLOB                    -- sealed; what both agreed on last
) STRICT;

CREATE UNIQUE INDEX sync_pairs_left ON sync_pairs (left_record, sync) WHERE left_record IS NOT NULL;
CREATE UNIQUE INDEX sync_pairs_right ON sync_pairs (right_record, sync) WHERE right_record IS NOT NULL;
CREATE INDEX sync_pairs_waiting ON sync_pairs (sync, seq) WHERE waits = 1;
CREATE INDEX sync_pairs_failed ON sync_pairs (sync, seq) WHERE failure IS NOT NULL;

-- What records that are present are matched by.
CREATE TABLE sync_keys (
    hash BLOB    NOT NULL,                 -- keyed; of a number or an e-mail as the directory has it
    sync INTEGER NOT NULL,
    side INTEGER NOT NULL,                 -- 0 left, 1 right
    pair INTEGER NOT NULL,
    PRIMARY KEY (hash, sync, side, pair)
) STRICT, WITHOUT ROWID;

-- Records that were merged into others, or replaced by them.
CREATE TABLE sync_aliases (
    record BLOB    NOT NULL,               -- keyed hash
    sync   INTEGER NOT NULL,
    side   INTEGER NOT NULL,
    pair   INTEGER NOT NULL,
    PRIMARY KEY (record, sync)
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_aliases_of ON sync_aliases (pair);
CREATE INDEX sync_aliases_sync ON sync_aliases (sync);

-- What was, or was about to be, written to whom.
CREATE TABLE sync_journal (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    sync   INTEGER NOT NULL,
    run    INTEGER NOT NULL,
    pair   INTEGER NOT NULL,
    side   INTEGER NOT NULL,
    kind   TEXT    NOT NULL,               -- create | update | delete | mark | link | unlink
    state  INTEGER NOT NULL,               -- 0 intended, 1 done, 2 failed, 3 undone
    at     INTEGER NOT NULL,
    uid    BLOB    NOT NULL,
    sealed BLOB    NOT NULL                -- record, before, after, why
) STRICT;

CREATE INDEX sync_journal_run ON sync_journal (run, id);
CREATE INDEX sync_journal_pair ON sync_journal (pair, id);
CREATE INDEX sync_journal_intended ON sync_journal (sync, id) WHERE state = 0;

-- What a person decides.
CREATE TABLE sync_reviews (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sync       INTEGER NOT NULL,
    pair       INTEGER NOT NULL,           -- 0: the whole run is meant
    run        INTEGER NOT NULL,
    kind       TEXT    NOT NULL,           -- conflict | ambiguous | deleted | duplicate | brake
    field      TEXT    NOT NULL,           -- empty: the whole record
    state      INTEGER NOT NULL,           -- 0 open, 1 decided, 2 withdrawn, 3 spent
    made_at    INTEGER NOT NULL,
    decided_at INTEGER,
    decided_by TEXT,
    uid        BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,           -- what it is about
    decision   BLOB                        -- sealed
) STRICT;

CREATE UNIQUE INDEX sync_reviews_open ON sync_reviews (sync, pair, kind, field) WHERE state = 0;
CREATE INDEX sync_reviews_pair ON sync_reviews (pair, id);
