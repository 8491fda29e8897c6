-- What agents have corrected, and who changed what.

CREATE TABLE overrides (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    number     BLOB    NOT NULL,          -- keyed hash of the number
    queue      TEXT    NOT NULL,          -- '' for every queue
    connection TEXT    NOT NULL,
    record     BLOB    NOT NULL,          -- keyed hash of connection and record id
    sealed     BLOB    NOT NULL,          -- number, externalId, record, call, reason, actor
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (number, queue)
) STRICT;

CREATE INDEX overrides_expiring ON overrides (expires_at);
CREATE INDEX overrides_by_record ON overrides (record);

-- Appended to, never changed. `chain` is a keyed hash over the row and the chain before it.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,          -- without a gap, from 1
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,             -- who: an API key's id, an agent, a command
    action  TEXT    NOT NULL,
    uid     BLOB    NOT NULL,             -- what the details are sealed to
    sealed  BLOB    NOT NULL,             -- about whom, and the details
    digest  BLOB    NOT NULL,             -- keyed hash of what is sealed: keys rotate, the chain does not
    chain   BLOB    NOT NULL
) STRICT;
