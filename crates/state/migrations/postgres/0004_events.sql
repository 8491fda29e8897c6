-- What the contact center has told of calls, and what the CRM was told of them.

CREATE TABLE call_events (
    call        TEXT    NOT NULL,
    id          BYTEA   NOT NULL,          -- keyed hash of what it says: told twice is stored once
    at          BIGINT NOT NULL,          -- when it happened, by the contact center's clock
    received_at BIGINT NOT NULL,
    sealed      BYTEA   NOT NULL,          -- the event
    PRIMARY KEY (call, id)
);

CREATE TABLE call_outcomes (
    call               TEXT    NOT NULL PRIMARY KEY,
    started_at         BIGINT,
    ended_at           BIGINT,            -- NULL: it goes on, as far as was told
    talk_ms            BIGINT NOT NULL,
    hold_ms            BIGINT NOT NULL,
    work_ms            BIGINT NOT NULL,   -- after-call work
    handle_ms          BIGINT NOT NULL,   -- the three together
    queue              TEXT,
    wrap_up            TEXT,               -- the last code
    updated_at         BIGINT NOT NULL,
    sealed             BYTEA   NOT NULL,   -- agents, sessions, notes
    journal            TEXT    NOT NULL,   -- none | waiting | written | skipped
    journal_connection TEXT,               -- where the activity is
    journal_record     TEXT,               -- its id there
    journal_digest     BYTEA               -- of what it says
);

CREATE INDEX call_outcomes_ended ON call_outcomes (ended_at);
