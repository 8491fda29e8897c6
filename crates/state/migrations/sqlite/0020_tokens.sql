-- Tokens of connections, so that nodes share them and a restart finds them.

CREATE TABLE tokens (
    connection  TEXT    NOT NULL PRIMARY KEY,
    credentials BLOB,                      -- keyed hash of what they were got with
    generation  INTEGER NOT NULL,          -- how often they were replaced
    sealed      BLOB    NOT NULL,          -- sealed; empty: none yet
    hold        INTEGER,                   -- token of the one node that refreshes
    held_until  INTEGER NOT NULL,          -- when another may
    updated_at  INTEGER NOT NULL
) STRICT;
