-- Everything that outlives a request: keys, calls, the directory, jobs.
-- Times are milliseconds since 1970 (UTC). What is personal lies in sealed
-- columns (see src/keys/seal.rs) and is found by keyed hashes of 16 bytes.
-- The same tables exist in ../postgres; src/backup.rs copies between the two.

CREATE TABLE keys (
    id         INTEGER NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,          -- data | index | phone_id
    wrapped    BLOB    NOT NULL,          -- sealed by the master key
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;

CREATE TABLE calls (
    seq            INTEGER PRIMARY KEY,   -- order of first arrival
    id             TEXT    NOT NULL UNIQUE,
    direction      TEXT    NOT NULL,
    media          TEXT    NOT NULL,
    queue          TEXT,
    connection     TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    certainty      INTEGER NOT NULL,      -- 0 nobody, 1 a number, 2 a record, 3 an agent's word
    subject        BLOB,                  -- whose interactions it counts to
    earlier_calls  INTEGER NOT NULL,
    arrived_at     INTEGER NOT NULL,
    answered_in_us INTEGER NOT NULL,
    identified_at  INTEGER,               -- when enrichment last spoke
    details        BLOB    NOT NULL,      -- sealed: number, e-mail, dialled, user, warnings
    identity       BLOB    NOT NULL       -- sealed: externalId and record
) STRICT;

CREATE TABLE interactions (
    subject      BLOB    NOT NULL PRIMARY KEY,
    calls        INTEGER NOT NULL,
    last_call_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    id         INTEGER PRIMARY KEY,
    connection TEXT    NOT NULL,
    record     BLOB    NOT NULL,          -- keyed hash of connection and record id
    sealed     BLOB    NOT NULL,          -- the contact
    as_of      INTEGER NOT NULL,          -- when its own system said so
    pushed     BLOB,                      -- digest of what the contact center was told
    UNIQUE (connection, record)
) STRICT;

CREATE TABLE contact_keys (
    connection TEXT    NOT NULL,
    hash       BLOB    NOT NULL,          -- keyed hash of a phone or an e-mail
    contact    INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    asked_at   INTEGER,                   -- when the system last answered for this key; NULL: the contact came by another
    gone_at    INTEGER,                   -- since when the system no longer answers it for this key
    PRIMARY KEY (connection, hash, contact)
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_keys_by_contact ON contact_keys (contact);
CREATE INDEX contact_keys_gone ON contact_keys (gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        BLOB    NOT NULL,          -- what the payload is sealed to
    kind       TEXT    NOT NULL,
    connection TEXT    NOT NULL,          -- whose work it is, and whose requests it costs
    slot       BLOB,                      -- keyed hash of the coalescing key
    state      TEXT    NOT NULL,          -- waiting | leased | skipped | dead
    call       TEXT,
    payload    BLOB    NOT NULL,          -- sealed
    run_at     INTEGER NOT NULL,          -- its place in the order
    due_at     INTEGER NOT NULL,          -- when it may be leased: run_at, or the end of a lease
    attempts   INTEGER NOT NULL,
    lease      INTEGER,                   -- token of the current lease
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    note       TEXT                       -- last error, or why it was skipped
) STRICT;

CREATE INDEX jobs_due ON jobs (kind, connection, due_at, id) WHERE state IN ('waiting', 'leased');
CREATE UNIQUE INDEX jobs_waiting_once ON jobs (kind, slot) WHERE state = 'waiting' AND slot IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (kind, slot) WHERE state = 'leased' AND slot IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (state, kind, id) WHERE state IN ('skipped', 'dead');
