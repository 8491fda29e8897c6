-- Routing rules as they are drafted and as they were published, and what was decided by them.

CREATE TABLE rule_drafts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,           -- rule | chain
    name       TEXT    NOT NULL,
    sealed     BLOB,                       -- how it is to become; NULL: it is to go
    version    INTEGER NOT NULL,           -- that of the whole at its last change
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    UNIQUE (kind, name)
) STRICT;

-- The newest is in force; the others are how it was.
CREATE TABLE rule_sets (
    revision     INTEGER PRIMARY KEY,
    sealed       BLOB    NOT NULL,         -- all rules and chains
    published_at INTEGER NOT NULL,
    published_by TEXT    NOT NULL,
    summary      TEXT    NOT NULL          -- which names changed
) STRICT;

-- Counts drafts and publications, so that every node notices; one row, or none before the first.
CREATE TABLE rules_version (
    id      INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE decisions (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    call         TEXT    NOT NULL,
    entry        TEXT    NOT NULL,         -- the DID or the IVR option
    at           INTEGER NOT NULL,
    set_revision INTEGER NOT NULL,         -- by which rules; 0: there were none
    rule         TEXT,                     -- NULL: no line matched
    line         INTEGER,
    destination  TEXT    NOT NULL,         -- empty: there was none
    status       TEXT    NOT NULL,
    took_us      INTEGER NOT NULL,
    shadow       TEXT,                     -- where the draft would have sent it, where that differs
    connection   TEXT,
    number       BLOB,                     -- keyed hash of the caller's
    records      BLOB    NOT NULL,         -- keyed hashes of those whose values were seen
    sealed       BLOB    NOT NULL,         -- number, records, what was seen and why
    UNIQUE (call, entry, at)
) STRICT;

CREATE INDEX decisions_at ON decisions (at);
