-- What is kept of customers and of single calls besides what their systems say.

CREATE TABLE customer_data (
    subject    BLOB    NOT NULL PRIMARY KEY, -- keyed hash of connection and record id
    sealed     BLOB    NOT NULL,          -- the data
    version    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE call_data (
    call       TEXT    NOT NULL PRIMARY KEY,
    sealed     BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Which record a contact of the contact center is.
CREATE TABLE links (
    contact    BLOB    NOT NULL PRIMARY KEY, -- keyed hash of connection and the platform's id
    subject    BLOB    NOT NULL,          -- keyed hash of the record's connection and id
    sealed     BLOB    NOT NULL,          -- externalId and the platform's id
    linked_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX links_by_subject ON links (subject);

-- Report dimensions of a call: few values each, nothing personal, as a JSON object of texts.
ALTER TABLE calls ADD COLUMN labels TEXT;
