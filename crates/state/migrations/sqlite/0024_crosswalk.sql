-- Which record of one system is which of another: said by an administrator or an integrator.

CREATE TABLE crosswalk (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    connection   TEXT    NOT NULL,        -- of the record that was linked
    record       BLOB    NOT NULL,        -- keyed hash, of the connection as well
    other        TEXT    NOT NULL,        -- the connection that it was linked to
    other_record BLOB    NOT NULL,        -- keyed hash
    source       TEXT    NOT NULL,        -- who said so: api
    sealed       BLOB    NOT NULL,        -- both ids
    created_at   INTEGER NOT NULL,
    UNIQUE (record, other)
) STRICT;

CREATE INDEX crosswalk_by_other ON crosswalk (other_record, connection);
