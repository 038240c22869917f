-- The audit: rows are only ever added. Each crew's entries are one chain of
-- seals, the server's own (crew '') another. What was there before has none.

CREATE TABLE audit (
  crew   TEXT NOT NULL,
  no     INTEGER NOT NULL CHECK (no > 0),
  at     INTEGER NOT NULL,
  what   TEXT NOT NULL, -- an op's outcome, or what the administration did
  user   TEXT NOT NULL,
  device TEXT NOT NULL,
  op     TEXT NOT NULL,
  kind   TEXT NOT NULL,
  entity TEXT NOT NULL,
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  seal   TEXT NOT NULL,
  PRIMARY KEY (crew, no)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;

ALTER TABLE crews ADD COLUMN entries INTEGER NOT NULL DEFAULT 0; -- the newest entry's no …
ALTER TABLE crews ADD COLUMN seal    TEXT NOT NULL DEFAULT '';   -- … and seal
