-- What queues' CRMs were asked behind an answer, and what they said.

CREATE TABLE enrichments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    call       TEXT    NOT NULL,
    queue      TEXT    NOT NULL,          -- its configured name
    state      TEXT    NOT NULL,          -- waiting, pending, done
    sealed     BLOB    NOT NULL,          -- the values that it is asked with, the answer
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (call, queue)
) STRICT;
