PRAGMA application_id=1347183617;
PRAGMA user_version=4;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE crews (
  name       TEXT PRIMARY KEY,
  version    INTEGER NOT NULL DEFAULT 0 CHECK (version >= 0),
  number     INTEGER NOT NULL DEFAULT 0 CHECK (number >= 0),
  created_at INTEGER NOT NULL
, fingerprint TEXT NOT NULL DEFAULT '', count   INTEGER NOT NULL DEFAULT 0, sum     BLOB CHECK (length(sum) = 32) DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000', horizon INTEGER NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0, seal    TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
INSERT INTO crews VALUES('north',2,10001,1,'',0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0,'');
CREATE TABLE users (
  name        TEXT PRIMARY KEY,
  role        TEXT NOT NULL CHECK (role IN ('technician', 'dispatcher', 'viewer')),
  created_at  INTEGER NOT NULL,
  disabled_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO users VALUES('ann','technician',1,0);
CREATE TABLE members (
  user  TEXT NOT NULL REFERENCES users(name),
  place INTEGER NOT NULL, -- 0: where the user's new records go
  crew  TEXT NOT NULL REFERENCES crews(name),
  PRIMARY KEY (user, place),
  UNIQUE (user, crew)
) STRICT, WITHOUT ROWID;
INSERT INTO members VALUES('ann',0,'north');
CREATE TABLE records (
  crew      TEXT NOT NULL REFERENCES crews(name),
  kind      TEXT NOT NULL CHECK (kind IN ('task', 'checklist_item', 'note', 'time_entry', 'site')),
  id        TEXT NOT NULL,
  version   INTEGER NOT NULL CHECK (version > 0),
  deleted   INTEGER NOT NULL CHECK (deleted IN (0, 1)),
  gone      INTEGER NOT NULL CHECK (gone IN (0, 1)),
  task_id   TEXT NOT NULL, -- copies of fields that rows are looked for by; '' for none
  ref       TEXT NOT NULL,
  number    TEXT NOT NULL,
  fields    TEXT NOT NULL CHECK (json_valid(fields)),
  registers TEXT NOT NULL CHECK (json_valid(registers)), at INTEGER NOT NULL DEFAULT 0, -- who set which field, when
  PRIMARY KEY (crew, kind, id)
) STRICT;
INSERT INTO records VALUES('north','task','0198aaaa-0000-7000-8000-000000000001',2,0,0,'','','T-10001','{"title":"Inspect the pump","status":"PENDING","number":"T-10001"}','[]',0);
CREATE TABLE outcomes (
  user    TEXT NOT NULL,
  op_id   TEXT NOT NULL,
  device  TEXT NOT NULL,
  seq     INTEGER NOT NULL, -- 0: none
  crew    TEXT NOT NULL,
  version INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  entity  TEXT NOT NULL,
  at      INTEGER NOT NULL,
  result  TEXT NOT NULL CHECK (json_valid(result)),
  state   INTEGER NOT NULL CHECK (state IN (0, 1)),
  PRIMARY KEY (user, op_id)
) STRICT;
INSERT INTO outcomes VALUES('ann','0198bbbb-0000-7000-8000-000000000001','dev',1,'north',1,'task','0198aaaa-0000-7000-8000-000000000001',1790000000000,'{"op_id":"0198bbbb-0000-7000-8000-000000000001","outcome":"applied","duplicate":false,"version":1}',0);
CREATE TABLE conflicts (
  crew    TEXT NOT NULL,
  version INTEGER NOT NULL,
  id      TEXT NOT NULL,
  winner  TEXT NOT NULL, -- devices
  loser   TEXT NOT NULL,
  body    TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (crew, version, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE invites (
  code_hash  TEXT PRIMARY KEY,
  user       TEXT NOT NULL REFERENCES users(name),
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0,
  nonce      TEXT NOT NULL DEFAULT '',
  device     TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
  id              TEXT PRIMARY KEY,
  user            TEXT NOT NULL REFERENCES users(name),
  name            TEXT NOT NULL,
  token_hash      TEXT NOT NULL UNIQUE,
  created_at      INTEGER NOT NULL,
  revoked_at      INTEGER NOT NULL DEFAULT 0,
  last_seen       INTEGER NOT NULL DEFAULT 0,
  pending         INTEGER NOT NULL DEFAULT 0,
  clock_offset_ms INTEGER,
  client          TEXT NOT NULL DEFAULT ''
, cursor TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
INSERT INTO devices VALUES('dev','ann','laptop','hash',1,0,0,0,NULL,'','');
CREATE TABLE chain (
  crew        TEXT NOT NULL REFERENCES crews(name),
  version     INTEGER NOT NULL CHECK (version > 0),
  fingerprint TEXT NOT NULL,
  PRIMARY KEY (crew, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE leaves (
  crew  TEXT NOT NULL REFERENCES crews(name),
  leaf  INTEGER NOT NULL CHECK (leaf BETWEEN 0 AND 255),
  count INTEGER NOT NULL,
  sum   BLOB NOT NULL CHECK (length(sum) = 32),
  PRIMARY KEY (crew, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE forgotten (
  crew TEXT NOT NULL REFERENCES crews(name),
  kind TEXT NOT NULL,
  id   TEXT NOT NULL,
  PRIMARY KEY (crew, kind, id)
) STRICT, WITHOUT ROWID;
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
CREATE UNIQUE INDEX records_feed ON records (crew, version);
CREATE INDEX records_task ON records (crew, task_id) WHERE task_id <> '';
CREATE INDEX records_ref ON records (crew, ref) WHERE ref <> '';
CREATE UNIQUE INDEX records_task_ref ON records (crew, ref) WHERE ref <> '' AND kind = 'task';
CREATE UNIQUE INDEX records_number ON records (crew, number) WHERE number <> '';
CREATE UNIQUE INDEX outcomes_seq ON outcomes (device, seq) WHERE seq > 0;
CREATE INDEX conflicts_winner ON conflicts (winner, crew, version);
CREATE INDEX conflicts_loser ON conflicts (loser, crew, version);
CREATE INDEX records_dead ON records (crew, version) WHERE deleted OR gone;
CREATE INDEX records_leaf ON records (crew, substr(id, -2)) WHERE NOT (deleted OR gone);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;
COMMIT;
