-- News of calls for whoever follows them, and whose agents they are. Nothing here says
-- who called: that is read from the call when the news is told.

CREATE TABLE news (
    place  INTEGER PRIMARY KEY,           -- the id by which a reader goes on; the newest row is never deleted
    stream BLOB,                          -- keyed hash of a call or an agent; NULL: a call's first, see calls.news
    call   TEXT    NOT NULL,
    kind   TEXT    NOT NULL,              -- identified | candidates | enriched | context_changed | ended | forgotten
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX news_by_stream ON news (stream, place) WHERE stream IS NOT NULL;

-- PostgreSQL only: committed, and not given a place yet. A number taken inside a
-- transaction would be no order: a lower one may be committed later.
CREATE TABLE news_waiting (
    seq    INTEGER PRIMARY KEY,
    stream BLOB,
    call   TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- Everybody who was named on a call as its agent.
CREATE TABLE call_agents (
    call  TEXT    NOT NULL,
    agent BLOB    NOT NULL,               -- keyed hash: the agent's stream
    at    INTEGER NOT NULL,
    PRIMARY KEY (call, agent)
) STRICT, WITHOUT ROWID;

-- Place of a call's first news: what is written on the call's path costs no index.
ALTER TABLE calls ADD COLUMN news INTEGER;
