-- Each crew's history as a chain of hashes: the fingerprint of each version
-- covers the op that took it and the fingerprint before. What was there before
-- this table begins the chain as one link that no other database has.

ALTER TABLE crews ADD COLUMN fingerprint TEXT NOT NULL DEFAULT ''; -- of its newest version

CREATE TABLE chain (
  crew        TEXT NOT NULL REFERENCES crews(name),
  version     INTEGER NOT NULL CHECK (version > 0),
  fingerprint TEXT NOT NULL,
  PRIMARY KEY (crew, version)
) STRICT, WITHOUT ROWID;

UPDATE crews SET fingerprint = lower(hex(randomblob(32))) WHERE version > 0;
INSERT INTO chain (crew, version, fingerprint) SELECT name, version, fingerprint FROM crews WHERE version > 0;
