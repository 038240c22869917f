-- What this laptop's person did, newest last, so that it can be undone after a
-- restart too. At most the last 500 actions are kept.
CREATE TABLE actions (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	at          INTEGER NOT NULL,
	state       TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('done','undone')),
	changes     TEXT NOT NULL CHECK (json_valid(changes)), -- a list: op_id, kind, id, action, fields, prev
	conflict_id TEXT,                                      -- the conflict that it settled, if it did …
	resolution  TEXT                                       -- … and how
) STRICT;
CREATE INDEX actions_state ON actions (state, id);

-- Changes that were undone before they were sent, as far as this laptop knew. One
-- that was on its way at that moment is found here when its answer comes. The
-- columns are those of sync_queue.
CREATE TABLE taken_back (
	id          INTEGER PRIMARY KEY,
	op_id       TEXT NOT NULL UNIQUE,
	entity_id   TEXT NOT NULL,
	entity_type TEXT NOT NULL,
	action      TEXT NOT NULL,
	payload     TEXT NOT NULL CHECK (json_valid(payload)),
	prev        TEXT,
	base        INTEGER NOT NULL,
	group_id    TEXT,
	task_id     TEXT,
	created_at  INTEGER NOT NULL,
	boot_id     TEXT NOT NULL,
	boot_ms     INTEGER NOT NULL,
	taken_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX taken_back_age ON taken_back (taken_at);
