-- Tokens of connections, so that nodes share them and a restart finds them.

CREATE TABLE tokens (
    connection  TEXT    NOT NULL PRIMARY KEY,
    credentials BYTEA,                      -- keyed hash of what they were got with
    generation  BIGINT NOT NULL,          -- how often they were replaced
    sealed      BYTEA   NOT NULL,          -- sealed; empty: none yet
    hold        BIGINT,                   -- token of the one node that refreshes
    held_until  BIGINT NOT NULL,          -- when another may
    updated_at  BIGINT NOT NULL
);
