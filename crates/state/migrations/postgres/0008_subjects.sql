-- People who were erased and shall not come back. Nothing here says who they are.

CREATE TABLE erasures (
    id         TEXT   NOT NULL PRIMARY KEY, -- random
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,           -- who erased: an API key's id
    reason     TEXT   NOT NULL,           -- a reference, such as a ticket's id
    swept_at   BIGINT                     -- NULL: something of them may still be there
);

CREATE TABLE tombstones (
    erasure    TEXT   NOT NULL,
    hash       BYTEA  NOT NULL,           -- keyed hash of a number, an e-mail, a record, an externalId
    kind       TEXT   NOT NULL,
    PRIMARY KEY (erasure, hash)
);

CREATE INDEX tombstones_by_hash ON tombstones (hash);
