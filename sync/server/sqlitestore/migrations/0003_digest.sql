-- What each crew's records come to (see op.Digest), kept as they change, and what
-- is left of deleted records that were let go.

CREATE TABLE leaves (
  crew  TEXT NOT NULL REFERENCES crews(name),
  leaf  INTEGER NOT NULL CHECK (leaf BETWEEN 0 AND 255),
  count INTEGER NOT NULL,
  sum   BLOB NOT NULL CHECK (length(sum) = 32),
  PRIMARY KEY (crew, leaf)
) STRICT, WITHOUT ROWID;

ALTER TABLE crews ADD COLUMN count   INTEGER NOT NULL DEFAULT 0;                             -- of all leaves together
ALTER TABLE crews ADD COLUMN sum     BLOB CHECK (length(sum) = 32) DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000'; -- NULL: to be counted when the file is opened
ALTER TABLE crews ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;                             -- up to which version there was forgetting
UPDATE crews SET sum = NULL WHERE version > 0;

-- When a row was written. Of older ones it is only known that they are no newer
-- than the newest outcome.
ALTER TABLE records ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE records SET at = (SELECT coalesce(max(at), 0) FROM outcomes);
CREATE INDEX records_dead ON records (crew, version) WHERE deleted OR gone;
CREATE INDEX records_leaf ON records (crew, substr(id, -2)) WHERE NOT (deleted OR gone);

-- Deleted records without a row: an INSERT of one comes too late.
CREATE TABLE forgotten (
  crew TEXT NOT NULL REFERENCES crews(name),
  kind TEXT NOT NULL,
  id   TEXT NOT NULL,
  PRIMARY KEY (crew, kind, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE devices ADD COLUMN cursor TEXT NOT NULL DEFAULT ''; -- how far it had heard
