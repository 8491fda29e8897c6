-- What is kept of customers and of single calls besides what their systems say.

CREATE TABLE customer_data (
    subject    BYTEA   NOT NULL PRIMARY KEY, -- keyed hash of connection and record id
    sealed     BYTEA   NOT NULL,          -- the data
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE call_data (
    call       TEXT    NOT NULL PRIMARY KEY,
    sealed     BYTEA   NOT NULL,
    version    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Which record a contact of the contact center is.
CREATE TABLE links (
    contact    BYTEA   NOT NULL PRIMARY KEY, -- keyed hash of connection and the platform's id
    subject    BYTEA   NOT NULL,          -- keyed hash of the record's connection and id
    sealed     BYTEA   NOT NULL,          -- externalId and the platform's id
    linked_at  BIGINT NOT NULL
);

CREATE INDEX links_by_subject ON links (subject);

-- Report dimensions of a call: few values each, nothing personal, as a JSON object of texts.
ALTER TABLE calls ADD COLUMN labels TEXT;
