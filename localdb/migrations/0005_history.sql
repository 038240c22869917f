-- What this laptop was told of the history of each crew: the newest version ever,
-- and older ones, the further back the fewer. A server that was restored from a
-- backup is found out by them.
CREATE TABLE seen (
	crew        TEXT NOT NULL,
	version     INTEGER NOT NULL CHECK (version > 0),
	fingerprint TEXT NOT NULL,
	PRIMARY KEY (crew, version)
) STRICT, WITHOUT ROWID;

-- While the base of a restored server is being taken: the records of which it
-- has not said anything yet.
CREATE TABLE unheard (
	entity_id   TEXT PRIMARY KEY,
	entity_type TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE device ADD COLUMN rebasing INTEGER NOT NULL DEFAULT 0 CHECK (rebasing IN (0, 1)); -- that base is being taken
ALTER TABLE device ADD COLUMN queues   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(queues));  -- identities of the queue, newest last; none: device_id

-- To whom a change was sent: it is offered again to nobody else.
ALTER TABLE sync_sent ADD COLUMN user      TEXT NOT NULL DEFAULT '';
ALTER TABLE sync_sent ADD COLUMN server_id TEXT NOT NULL DEFAULT '';
UPDATE sync_sent SET user = (SELECT user FROM device), server_id = (SELECT server_id FROM device);

CREATE INDEX tasks_untold ON tasks (id) WHERE version = 0;

-- What the person has to know, until it was read.
CREATE TABLE notices (
	code    TEXT PRIMARY KEY,
	message TEXT NOT NULL,
	at      INTEGER NOT NULL,
	times   INTEGER NOT NULL DEFAULT 1,
	read_at INTEGER NOT NULL DEFAULT 0 -- 0: not yet
) STRICT;
