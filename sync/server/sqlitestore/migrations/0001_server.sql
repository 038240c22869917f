-- The sync server's tables. Times are milliseconds since 1970 UTC. Keys begin
-- with the crew wherever there is one.

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A crew's counters only grow, in the order of commits.
CREATE TABLE crews (
  name       TEXT PRIMARY KEY,
  version    INTEGER NOT NULL DEFAULT 0 CHECK (version >= 0),
  number     INTEGER NOT NULL DEFAULT 0 CHECK (number >= 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  name        TEXT PRIMARY KEY,
  role        TEXT NOT NULL CHECK (role IN ('technician', 'dispatcher', 'viewer')),
  created_at  INTEGER NOT NULL,
  disabled_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  user  TEXT NOT NULL REFERENCES users(name),
  place INTEGER NOT NULL, -- 0: where the user's new records go
  crew  TEXT NOT NULL REFERENCES crews(name),
  PRIMARY KEY (user, place),
  UNIQUE (user, crew)
) STRICT, WITHOUT ROWID;

-- One row a record and crew, at its newest version there: by version these
-- rows are the crew's feed. A record that left the crew leaves a row with gone.
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
  registers TEXT NOT NULL CHECK (json_valid(registers)), -- who set which field, when
  PRIMARY KEY (crew, kind, id)
) STRICT;

CREATE UNIQUE INDEX records_feed ON records (crew, version);
CREATE INDEX records_task ON records (crew, task_id) WHERE task_id <> '';
CREATE INDEX records_ref ON records (crew, ref) WHERE ref <> '';
CREATE UNIQUE INDEX records_task_ref ON records (crew, ref) WHERE ref <> '' AND kind = 'task';
CREATE UNIQUE INDEX records_number ON records (crew, number) WHERE number <> '';

-- The server's word on every op it ever settled.
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

CREATE UNIQUE INDEX outcomes_seq ON outcomes (device, seq) WHERE seq > 0;

CREATE TABLE conflicts (
  crew    TEXT NOT NULL,
  version INTEGER NOT NULL,
  id      TEXT NOT NULL,
  winner  TEXT NOT NULL, -- devices
  loser   TEXT NOT NULL,
  body    TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (crew, version, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX conflicts_winner ON conflicts (winner, crew, version);
CREATE INDEX conflicts_loser ON conflicts (loser, crew, version);

-- Codes and tokens are kept as SHA-256 only.
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
) STRICT, WITHOUT ROWID;
