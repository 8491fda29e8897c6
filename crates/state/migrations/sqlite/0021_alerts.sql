-- What is wrong now, as each node sees it; told once when the first sees it and once when none does.

CREATE TABLE alerts (
    kind       TEXT    NOT NULL,           -- token_failed | breaker_open | budget_low | late | partial
    connection TEXT    NOT NULL,           -- empty: of no connection
    node       INTEGER NOT NULL,           -- the process that sees it
    since      INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,           -- a node that no longer says so is gone
    PRIMARY KEY (kind, connection, node)
) STRICT, WITHOUT ROWID;
