-- A customer's earlier calls, newest first. Calls of nobody are not in it.
CREATE INDEX calls_subject ON calls (subject, arrived_at, seq) WHERE subject IS NOT NULL;
