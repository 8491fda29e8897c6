-- What the contact center has told of calls, and what the CRM was told of them.

CREATE TABLE call_events (
    call        TEXT    NOT NULL,
    id          BLOB    NOT NULL,          -- keyed hash of what it says: told twice is stored once
    at          INTEGER NOT NULL,          -- when it happened, by the contact center's clock
    received_at INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,          -- the event
    PRIMARY KEY (call, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE call_outcomes (
    call               TEXT    NOT NULL PRIMARY KEY,
    started_at         INTEGER,
    ended_at           INTEGER,            -- NULL: it goes on, as far as was told
    talk_ms            INTEGER NOT NULL,
    hold_ms            INTEGER NOT NULL,
    work_ms            INTEGER NOT NULL,   -- after-call work
    handle_ms          INTEGER NOT NULL,   -- the three together
    queue              TEXT,
    wrap_up            TEXT,               -- the last code
    updated_at         INTEGER NOT NULL,
    sealed             BLOB    NOT NULL,   -- agents, sessions, notes
    journal            TEXT    NOT NULL,   -- none | waiting | written | skipped
    journal_connection TEXT,               -- where the activity is
    journal_record     TEXT,               -- its id there
    journal_digest     BLOB                -- of what it says
) STRICT, WITHOUT ROWID;

CREATE INDEX call_outcomes_ended ON call_outcomes (ended_at);
