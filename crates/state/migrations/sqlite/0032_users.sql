-- People who sign in at the console. Their full name, the hash of their password and the secret of
-- their second factor lie sealed. `name` is in lower case; `subject` is a keyed hash of who they are
-- at an identity provider; `totp_step` is the last that was used, so that none is used twice; sessions
-- begun before `sessions_after` have ended.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    subject BLOB UNIQUE,
    sealed BLOB NOT NULL,
    totp_step INTEGER NOT NULL,
    sessions_after INTEGER NOT NULL,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Sessions that were signed out of before their time.
CREATE TABLE ended_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX ended_sessions_expires_at ON ended_sessions (expires_at);
