-- What has begun to be wrong and what was over again, as it was told: the newest thousand.
CREATE TABLE alert_turns (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    connection TEXT NOT NULL,
    is_over INTEGER NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    title TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
