-- What is wrong now, as each node sees it; told once when the first sees it and once when none does.

CREATE TABLE alerts (
    kind       TEXT    NOT NULL,           -- token_failed | breaker_open | budget_low | late | partial
    connection TEXT    NOT NULL,           -- empty: of no connection
    node       BIGINT NOT NULL,           -- the process that sees it
    since      BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,           -- a node that no longer says so is gone
    PRIMARY KEY (kind, connection, node)
);
