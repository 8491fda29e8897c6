-- Calls that a draft would have sent elsewhere, by time.
CREATE INDEX decisions_shadow ON decisions (at) WHERE shadow IS NOT NULL;
