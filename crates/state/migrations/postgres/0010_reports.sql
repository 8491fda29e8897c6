-- What reports ask of calls.

-- How long the answer had; NULL for calls from before it was kept.
ALTER TABLE calls ADD COLUMN deadline_us BIGINT;
-- The status that was answered, where it is another one by now.
ALTER TABLE calls ADD COLUMN answered TEXT;

CREATE INDEX calls_arrived ON calls (arrived_at, seq);

-- The labels of `calls.labels` again, to find calls by.
CREATE TABLE call_labels (
    name       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    arrived_at BIGINT  NOT NULL,          -- of the call
    seq        BIGINT  NOT NULL,          -- of the call
    PRIMARY KEY (name, value, arrived_at, seq)
);

-- Report dimensions, and those that have turned out to be none.
CREATE TABLE label_names (
    name       TEXT   NOT NULL PRIMARY KEY,
    refused_at BIGINT,                   -- NULL: it has few values
    bound      BIGINT  NOT NULL           -- how many it might have had then
);

CREATE TABLE label_values (
    name       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    PRIMARY KEY (name, value)
);
