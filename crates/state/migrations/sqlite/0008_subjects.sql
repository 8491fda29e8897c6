-- People who were erased and shall not come back. Nothing here says who they are.

CREATE TABLE erasures (
    id         TEXT    NOT NULL PRIMARY KEY, -- random
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,          -- who erased: an API key's id
    reason     TEXT    NOT NULL,          -- a reference, such as a ticket's id
    swept_at   INTEGER                    -- NULL: something of them may still be there
) STRICT;

CREATE TABLE tombstones (
    erasure    TEXT    NOT NULL,
    hash       BLOB    NOT NULL,          -- keyed hash of a number, an e-mail, a record, an externalId
    kind       TEXT    NOT NULL,
    PRIMARY KEY (erasure, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX tombstones_by_hash ON tombstones (hash);
