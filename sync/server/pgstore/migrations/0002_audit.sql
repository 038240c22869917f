-- The audit: rows are only ever added. Each crew's entries are one chain of
-- seals, the server's own (crew '') another. What was there before has none.

CREATE TABLE audit (
  crew   text NOT NULL,
  no     bigint NOT NULL CHECK (no > 0),
  at     bigint NOT NULL,
  what   text NOT NULL, -- an op's outcome, or what the administration did
  author text NOT NULL,
  device text NOT NULL,
  op     text NOT NULL,
  kind   text NOT NULL,
  entity text NOT NULL,
  detail text NOT NULL, -- JSON
  seal   text NOT NULL,
  PRIMARY KEY (crew, no)
);

ALTER TABLE crews ADD COLUMN entries bigint NOT NULL DEFAULT 0; -- the newest entry's no …
ALTER TABLE crews ADD COLUMN seal    text NOT NULL DEFAULT '';  -- … and seal
