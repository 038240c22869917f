-- The sync server's tables on PostgreSQL. Times are milliseconds since 1970 UTC.
--
-- Keys of what grows begin with a crew, so that the tables can be spread over
-- machines as they are: a crew's records, history and conflicts under its name,
-- a user's outcomes under the user's home, which is the crew that was its first
-- when it was made and never changes. The rest is small and read everywhere.

CREATE TABLE settings (
  name  text PRIMARY KEY,
  value text NOT NULL
);

-- A crew's counters only grow, in the order of commits: whoever writes to a
-- crew locks its row first.
CREATE TABLE crews (
  name        text PRIMARY KEY,
  version     bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
  number      bigint NOT NULL DEFAULT 0 CHECK (number >= 0),
  fingerprint bytea NOT NULL DEFAULT '', -- of its newest version
  horizon     bigint NOT NULL DEFAULT 0, -- up to which version there was forgetting
  count       bigint NOT NULL DEFAULT 0, -- of all leaves together
  sum         bytea NOT NULL DEFAULT '', -- likewise; empty: all zeros
  created_at  bigint NOT NULL
);

CREATE TABLE users (
  name        text PRIMARY KEY,
  role        text NOT NULL CHECK (role IN ('technician', 'dispatcher', 'viewer')),
  home        text NOT NULL,
  created_at  bigint NOT NULL,
  disabled_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE members (
  author text NOT NULL REFERENCES users(name),
  place  bigint NOT NULL, -- 0: where the user's new records go
  crew   text NOT NULL,
  PRIMARY KEY (author, place),
  UNIQUE (author, crew)
);

-- One row a record and crew, at its newest version there: by version these
-- rows are the crew's feed. A record that left the crew leaves a row with gone.
CREATE TABLE records (
  crew      text NOT NULL,
  kind      text NOT NULL CHECK (kind IN ('task', 'checklist_item', 'note', 'time_entry', 'site')),
  id        text NOT NULL,
  version   bigint NOT NULL CHECK (version > 0),
  deleted   boolean NOT NULL,
  gone      boolean NOT NULL,
  task_id   text NOT NULL, -- copies of fields that rows are looked for by; '' for none
  ref       text NOT NULL,
  number    text NOT NULL,
  fields    text NOT NULL, -- JSON
  registers text NOT NULL, -- JSON: who set which field, when
  at        bigint NOT NULL, -- when the row was written
  PRIMARY KEY (crew, kind, id)
);

CREATE UNIQUE INDEX records_feed ON records (crew, version);
CREATE INDEX records_task ON records (crew, task_id) WHERE task_id <> '';
CREATE INDEX records_ref ON records (crew, ref) WHERE ref <> '';
CREATE UNIQUE INDEX records_task_ref ON records (crew, ref) WHERE ref <> '' AND kind = 'task';
CREATE UNIQUE INDEX records_number ON records (crew, number) WHERE number <> '';
CREATE INDEX records_dead ON records (crew, version) WHERE deleted OR gone;

-- What each crew's records come to (see op.Digest). The 32 bytes of a sum are
-- four numbers, because those the database lays over each other by itself.
CREATE TABLE leaves (
  crew  text NOT NULL,
  leaf  bigint NOT NULL CHECK (leaf BETWEEN 0 AND 255),
  count bigint NOT NULL,
  sum0  bigint NOT NULL,
  sum1  bigint NOT NULL,
  sum2  bigint NOT NULL,
  sum3  bigint NOT NULL,
  PRIMARY KEY (crew, leaf)
);

-- Deleted records without a row: an INSERT of one comes too late.
CREATE TABLE forgotten (
  crew text NOT NULL,
  kind text NOT NULL,
  id   text NOT NULL,
  PRIMARY KEY (crew, kind, id)
);

-- The server's word on every op it ever settled, packed, because it is kept for
-- ever: an id that is a UUID is its 16 bytes, and an answer that says no more
-- than version and stamp has no result.
CREATE TABLE outcomes (
  home    text NOT NULL,
  author  text NOT NULL,
  op_id   bytea NOT NULL,
  device  bytea NOT NULL,
  entity  bytea NOT NULL,
  seq     bigint NOT NULL, -- 0: none
  version bigint NOT NULL,
  at      bigint NOT NULL,
  stamp   bigint NOT NULL,
  state   boolean NOT NULL,
  crew    text NOT NULL,
  kind    text NOT NULL,
  result  text, -- JSON; NULL: applied, at this version and stamp
  PRIMARY KEY (home, author, op_id)
);

CREATE UNIQUE INDEX outcomes_seq ON outcomes (home, device, seq) WHERE seq > 0;

CREATE TABLE conflicts (
  crew    text NOT NULL,
  version bigint NOT NULL,
  id      text NOT NULL,
  winner  text NOT NULL, -- devices
  loser   text NOT NULL,
  body    text NOT NULL, -- JSON
  PRIMARY KEY (crew, version, id)
);

CREATE INDEX conflicts_winner ON conflicts (crew, winner, version);
CREATE INDEX conflicts_loser ON conflicts (crew, loser, version);

-- Each crew's history as a chain of hashes: see chain.go of the server.
CREATE TABLE chain (
  crew        text NOT NULL,
  version     bigint NOT NULL CHECK (version > 0),
  fingerprint bytea NOT NULL,
  PRIMARY KEY (crew, version)
);

-- Codes and tokens are kept as SHA-256 only.
CREATE TABLE invites (
  code_hash  text PRIMARY KEY,
  author     text NOT NULL REFERENCES users(name),
  expires_at bigint NOT NULL,
  used_at    bigint NOT NULL DEFAULT 0,
  nonce      text NOT NULL DEFAULT '',
  device     text NOT NULL DEFAULT ''
);

CREATE TABLE devices (
  id         text PRIMARY KEY,
  author     text NOT NULL REFERENCES users(name),
  name       text NOT NULL,
  token_hash text NOT NULL UNIQUE,
  created_at bigint NOT NULL,
  revoked_at bigint NOT NULL DEFAULT 0
);

-- What devices said of themselves, last time: apart from the devices, because
-- it is written all the time and they are read all the time.
CREATE TABLE reports (
  device          text PRIMARY KEY,
  last_seen       bigint NOT NULL,
  pending         bigint NOT NULL,
  clock_offset_ms bigint,
  client          text NOT NULL,
  cursor          text NOT NULL -- how far it had heard
);
