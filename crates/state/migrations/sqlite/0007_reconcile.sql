-- Runs of reconciliation, and what each found of which call.

CREATE TABLE reconcile_runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    slot       INTEGER UNIQUE,            -- 1 while it is under way, NULL after: there is only one
    due_at     INTEGER UNIQUE,            -- the time of the schedule that it is for; NULL: somebody asked
    is_dry     INTEGER NOT NULL,          -- 1: finds out and writes nothing
    since_at   INTEGER NOT NULL,          -- calls from then on
    until_at   INTEGER NOT NULL,          -- and before then
    jobs_after INTEGER NOT NULL,          -- jobs of its calls have greater ids
    state      TEXT    NOT NULL,          -- waiting | running | done | partial
    step       TEXT    NOT NULL,          -- history | calls | writes
    cursor     TEXT,                      -- where the step goes on
    reached_at INTEGER,                   -- the time of the call that it came to last
    counts     TEXT    NOT NULL,          -- a JSON object of numbers
    note       TEXT,                      -- why it is partial
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    ended_at   INTEGER,
    lease      INTEGER,                   -- token of whoever works on it
    held_until INTEGER NOT NULL           -- when another may take it
) STRICT;

-- While a run is under way: each call that it has looked at. Afterwards those that are told.
CREATE TABLE reconcile_calls (
    run    INTEGER NOT NULL,
    call   TEXT    NOT NULL,
    what   TEXT    NOT NULL,              -- linked | known | unknown | ambiguous | …
    reason TEXT,                          -- nothing personal; NULL: nothing to be told
    PRIMARY KEY (run, call)
) STRICT, WITHOUT ROWID;

CREATE INDEX calls_unresolved ON calls (arrived_at, seq) WHERE certainty < 2;
