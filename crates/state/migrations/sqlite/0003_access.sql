-- Who may call the API. No secret lies here: only the hash of 256 random bits.

CREATE TABLE api_keys (
    id                  TEXT    NOT NULL PRIMARY KEY, -- public: stands in the key itself
    name                TEXT    NOT NULL,
    hash                BLOB    NOT NULL,             -- SHA-256 of the secret
    scopes              TEXT    NOT NULL,             -- words between spaces
    requests_per_minute INTEGER,                      -- NULL: as the configuration says
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    revoked_at          INTEGER,
    rotated_from        TEXT                          -- id of the key it came to replace
) STRICT;
