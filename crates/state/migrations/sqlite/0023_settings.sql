-- Connections, actions and queues that were made by API, besides those of the configuration file.

CREATE TABLE settings (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,           -- connection | action | queue
    name       TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,           -- the section, with its secrets
    revision   INTEGER NOT NULL,           -- that of the whole at its last change
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    UNIQUE (kind, name)
) STRICT;

-- Counts changes of any of them, so that every node notices; one row, or none before the first.
CREATE TABLE settings_revision (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT;
