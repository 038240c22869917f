PRAGMA application_id=1886282600;
PRAGMA user_version=12;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE tasks (
	id               TEXT PRIMARY KEY,
	title            TEXT NOT NULL,
	status           TEXT NOT NULL CHECK (status IN ('PENDING','EN_ROUTE','IN_PROGRESS','ON_HOLD','COMPLETED','INCOMPLETE','CANCELLED','CLOSED')),
	updated_at       INTEGER NOT NULL,
	number           TEXT,             -- the server's, T-10423
	type             TEXT,
	description      TEXT,
	priority         TEXT CHECK (priority IN ('emergency','high','normal','low')),
	assignee         TEXT,
	crew             TEXT,
	site_id          TEXT,
	asset            TEXT,
	contact_name     TEXT,
	contact_phone    TEXT,
	window_start     INTEGER,
	window_end       INTEGER,
	due_at           INTEGER,
	estimate_minutes INTEGER,
	reason           TEXT,
	reason_text      TEXT,
	started_at       INTEGER,
	completed_at     INTEGER,
	completed_by     TEXT,
	recipient_name   TEXT,
	parent_id        TEXT,
	external_ref     TEXT,
	extra            TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)), -- tag.NAME, x.NAME and what a newer server may send
	version          INTEGER NOT NULL DEFAULT 0, -- the server's version this row rests on; 0: the server has none yet
	deleted          INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
	search           TEXT NOT NULL DEFAULT '',   -- lower-case text that words of a search are looked up in
	due_key          INTEGER GENERATED ALWAYS AS (coalesce(due_at, window_end, 9007199254740991)) VIRTUAL
) STRICT;
INSERT INTO tasks VALUES('0198aaaa-0000-7000-8000-000000000001','Inspect the pump','IN_PROGRESS',1790000000100,'T-10001',NULL,NULL,NULL,NULL,'north',NULL,'A1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',7,0,'t-10001 inspect the pump a1');
INSERT INTO tasks VALUES('0198aaaa-0000-7000-8000-000000000002','My own','PENDING',1790000000200,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',0,0,'my own');
CREATE TABLE checklist_items (
	id         TEXT PRIMARY KEY,
	task_id    TEXT NOT NULL,
	label      TEXT NOT NULL,
	updated_at INTEGER NOT NULL,
	position   INTEGER,
	section    TEXT,
	help       TEXT,
	kind       TEXT,
	required   INTEGER CHECK (required IN (0, 1)),
	unit       TEXT,
	min        REAL,
	max        REAL,
	choices    TEXT, -- one a line
	outcome    TEXT CHECK (outcome IN ('done','pass','fail','na')),
	value      ANY,
	done_by    TEXT,
	done_at    INTEGER,
	comment    TEXT,
	crew       TEXT,
	extra      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
	version    INTEGER NOT NULL DEFAULT 0,
	deleted    INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;
CREATE TABLE notes (
	id         TEXT PRIMARY KEY,
	task_id    TEXT NOT NULL,
	body       TEXT NOT NULL,
	author     TEXT NOT NULL,
	at         INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	kind       TEXT,
	crew       TEXT,
	extra      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
	version    INTEGER NOT NULL DEFAULT 0,
	deleted    INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;
INSERT INTO notes VALUES('0198aaaa-0000-7000-8000-000000000003','0198aaaa-0000-7000-8000-000000000001','The key is at the gate','ann',1790000000000,1790000000000,NULL,NULL,'{}',6,0);
CREATE TABLE time_entries (
	id         TEXT PRIMARY KEY,
	task_id    TEXT NOT NULL,
	user       TEXT NOT NULL,
	kind       TEXT NOT NULL CHECK (kind IN ('travel','work','wait')),
	started_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	ended_at   INTEGER,
	source     TEXT,
	crew       TEXT,
	extra      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
	version    INTEGER NOT NULL DEFAULT 0,
	deleted    INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;
CREATE TABLE sites (
	id            TEXT PRIMARY KEY,
	code          TEXT NOT NULL,
	name          TEXT NOT NULL,
	updated_at    INTEGER NOT NULL,
	address       TEXT,
	city          TEXT,
	postal_code   TEXT,
	country       TEXT,
	lat           REAL,
	lon           REAL,
	access_notes  TEXT,
	hazards       TEXT,
	contact_name  TEXT,
	contact_phone TEXT,
	crew          TEXT,
	extra         TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(extra)),
	version       INTEGER NOT NULL DEFAULT 0,
	deleted       INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
	search        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE sync_queue (
	id             INTEGER PRIMARY KEY AUTOINCREMENT, -- seq: never used again
	op_id          TEXT NOT NULL UNIQUE,
	entity_id      TEXT NOT NULL,
	entity_type    TEXT NOT NULL,
	action         TEXT NOT NULL CHECK (action IN ('INSERT','UPDATE','DELETE')),
	payload        TEXT NOT NULL CHECK (json_valid(payload)), -- what changed, and updated_at
	prev           TEXT CHECK (prev IS NULL OR json_valid(prev)), -- the values it replaced
	base           INTEGER NOT NULL,            -- the record's version the person was looking at
	group_id       TEXT,                        -- changes of one action: all or none
	task_id        TEXT,                        -- the task it belongs to, for people
	created_at     INTEGER NOT NULL,            -- wall clock
	boot_id        TEXT NOT NULL,               -- with boot_ms: when it happened, whatever the wall clock says
	boot_ms        INTEGER NOT NULL,
	state          TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending','parked')),
	retry_count    INTEGER NOT NULL DEFAULT 0,
	last_error     TEXT,
	code           TEXT,                        -- why the server refused it, for machines
	field          TEXT
, tried INTEGER NOT NULL DEFAULT 0 CHECK (tried IN (0, 1)), uncertain INTEGER NOT NULL DEFAULT 0 CHECK (uncertain IN (0, 1)), exported INTEGER NOT NULL DEFAULT 0 CHECK (exported IN (0, 1, 2))) STRICT;
INSERT INTO sync_queue VALUES(5,'0198bbbb-0000-7000-8000-000000000005','0198aaaa-0000-7000-8000-000000000001','task','UPDATE','{"asset":"A1","updated_at":1790000000100}','{"asset":null}',7,NULL,'0198aaaa-0000-7000-8000-000000000001',1790000000100,'b',100,'pending',2,'no answer',NULL,NULL,0,0,0);
INSERT INTO sync_queue VALUES(6,'0198bbbb-0000-7000-8000-000000000006','0198aaaa-0000-7000-8000-000000000002','task','INSERT','{"title":"My own","status":"PENDING","updated_at":1790000000200}',NULL,0,NULL,'0198aaaa-0000-7000-8000-000000000002',1790000000200,'b',200,'pending',0,NULL,NULL,NULL,0,0,0);
INSERT INTO sync_queue VALUES(7,'0198bbbb-0000-7000-8000-000000000007','0198aaaa-0000-7000-8000-000000000001','task','UPDATE','{"status":"IN_PROGRESS","started_at":1790000000300,"updated_at":1790000000300}','{"status":"PENDING"}',7,NULL,'0198aaaa-0000-7000-8000-000000000001',1790000000300,'b',300,'parked',0,'no','bad_value',NULL,0,0,0);
CREATE TABLE sync_sent (
	id          INTEGER PRIMARY KEY, -- its seq in sync_queue
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
	settled_at  INTEGER NOT NULL,
	outcome     TEXT NOT NULL,
	version     INTEGER NOT NULL
, user      TEXT NOT NULL DEFAULT '', server_id TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO sync_sent VALUES(4,'0198bbbb-0000-7000-8000-000000000004','0198aaaa-0000-7000-8000-000000000003','note','INSERT','{"body":"The key is at the gate","updated_at":1790000000000}',NULL,0,NULL,'0198aaaa-0000-7000-8000-000000000001',1790000000000,1790000000050,'applied',6,'','');
CREATE TABLE server_records (
	entity_type TEXT NOT NULL,
	entity_id   TEXT NOT NULL,
	version     INTEGER NOT NULL,
	state       TEXT NOT NULL CHECK (json_valid(state)),
	PRIMARY KEY (entity_type, entity_id)
) STRICT, WITHOUT ROWID;
INSERT INTO server_records VALUES('task','0198aaaa-0000-7000-8000-000000000001',7,'{"id":"0198aaaa-0000-7000-8000-000000000001","version":7,"deleted":false,"crew":"north","title":"Inspect the pump","status":"PENDING","number":"T-10001","updated_at":1790000000000}');
CREATE TABLE heard (
	id          INTEGER PRIMARY KEY,
	task_id     TEXT,
	entity_type TEXT NOT NULL,
	entity_id   TEXT NOT NULL,
	at          INTEGER NOT NULL,
	who         TEXT NOT NULL,
	payload     TEXT NOT NULL CHECK (json_valid(payload)) -- the fields that changed, and what they are now
, merged INTEGER NOT NULL DEFAULT 0 CHECK (merged IN (0, 1, 2, 3))) STRICT;
CREATE TABLE conflicts (
	id          TEXT PRIMARY KEY,
	kind        TEXT NOT NULL CHECK (kind IN ('lost','overrode','merged','deleted')),
	entity_type TEXT NOT NULL,
	entity_id   TEXT NOT NULL,
	task_id     TEXT,
	field       TEXT NOT NULL,
	mine        TEXT NOT NULL CHECK (json_valid(mine)),   -- the values as this laptop wrote them
	theirs      TEXT NOT NULL CHECK (json_valid(theirs)), -- and as the other side did
	who         TEXT NOT NULL,
	at          INTEGER NOT NULL, -- when the other side wrote
	mine_at     INTEGER NOT NULL,
	why         TEXT NOT NULL,
	state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open','resolved')),
	resolution  TEXT,
	heard_at    INTEGER NOT NULL
) STRICT;
CREATE TABLE boots (
	boot_id    TEXT PRIMARY KEY,
	offset_ms  INTEGER NOT NULL,
	rtt_ms     INTEGER NOT NULL,
	learned_ms INTEGER NOT NULL -- boot clock at the exchange
, earlier TEXT CHECK (earlier IS NULL OR json_valid(earlier))) STRICT;
CREATE TABLE device (
	one          INTEGER PRIMARY KEY CHECK (one = 1),
	device_id    TEXT NOT NULL DEFAULT '',
	user         TEXT NOT NULL DEFAULT '',
	name         TEXT NOT NULL DEFAULT '',
	role         TEXT NOT NULL DEFAULT '',
	crews        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(crews)),
	server_url   TEXT NOT NULL DEFAULT '',
	server_id    TEXT NOT NULL DEFAULT '',
	server_key   TEXT NOT NULL DEFAULT '',
	enrolled_at  INTEGER NOT NULL DEFAULT 0,
	cursor       TEXT NOT NULL DEFAULT '',
	last_sync    INTEGER NOT NULL DEFAULT 0,
	clock_offset INTEGER NOT NULL DEFAULT 0, -- server time minus wall clock
	offset_known INTEGER NOT NULL DEFAULT 0
, rebasing INTEGER NOT NULL DEFAULT 0 CHECK (rebasing IN (0, 1)), queues   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(queues)), anew INTEGER NOT NULL DEFAULT 0 CHECK (anew IN (0, 1))) STRICT;
INSERT INTO device VALUES(1,'dev','ann','laptop','technician','["north"]','https://sync.example','s','k',1,'c',0,0,0,0,'[]',0);
CREATE TABLE actions (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	at          INTEGER NOT NULL,
	state       TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('done','undone')),
	changes     TEXT NOT NULL CHECK (json_valid(changes)), -- a list: op_id, kind, id, action, fields, prev
	conflict_id TEXT,                                      -- the conflict that it settled, if it did …
	resolution  TEXT                                       -- … and how
) STRICT;
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
CREATE TABLE drafts (
	form    TEXT NOT NULL,    -- add, edit:TASK, note:TASK …
	session INTEGER NOT NULL, -- the number of the session in which it is typed; that one's lock file says whether it still runs
	at      INTEGER NOT NULL,
	texts   TEXT NOT NULL CHECK (json_valid(texts)), -- by field
	PRIMARY KEY (form, session)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
	crew        TEXT NOT NULL,
	version     INTEGER NOT NULL CHECK (version > 0),
	fingerprint TEXT NOT NULL,
	PRIMARY KEY (crew, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE unheard (
	entity_id   TEXT PRIMARY KEY,
	entity_type TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE notices (
	code    TEXT PRIMARY KEY,
	message TEXT NOT NULL,
	at      INTEGER NOT NULL,
	times   INTEGER NOT NULL DEFAULT 1,
	read_at INTEGER NOT NULL DEFAULT 0 -- 0: not yet
) STRICT;
CREATE TABLE counters (
	one           INTEGER PRIMARY KEY CHECK (one = 1),
	tasks         INTEGER NOT NULL, -- not deleted
	pending       INTEGER NOT NULL,
	parked        INTEGER NOT NULL,
	pending_tasks INTEGER NOT NULL, -- tasks with something pending …
	parked_tasks  INTEGER NOT NULL  -- … or parked
, logged INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO counters VALUES(1,2,2,1,2,1,0);
CREATE TABLE search_docs (
	doc   INTEGER PRIMARY KEY, -- the row in the index
	id    TEXT NOT NULL UNIQUE, -- the task
	stale INTEGER NOT NULL DEFAULT 1 CHECK (stale IN (0, 1))
) STRICT;
INSERT INTO search_docs VALUES(1,'0198aaaa-0000-7000-8000-000000000001',1);
INSERT INTO search_docs VALUES(2,'0198aaaa-0000-7000-8000-000000000002',1);
CREATE TABLE leaves (
	crew  TEXT NOT NULL,
	leaf  TEXT NOT NULL,
	count INTEGER NOT NULL,
	sum   BLOB NOT NULL CHECK (length(sum) = 32),
	PRIMARY KEY (crew, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE stale (leaf TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO stale VALUES('01');
INSERT INTO stale VALUES('02');
INSERT INTO stale VALUES('03');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('sync_queue',7);
CREATE INDEX tasks_waiting ON tasks (due_key, id) WHERE deleted = 0 AND status = 'PENDING';
CREATE INDEX tasks_begun   ON tasks (due_key, id) WHERE deleted = 0 AND status IN ('EN_ROUTE','IN_PROGRESS','ON_HOLD');
CREATE INDEX tasks_ended   ON tasks (updated_at, id) WHERE deleted = 0 AND status IN ('COMPLETED','INCOMPLETE','CANCELLED','CLOSED');
CREATE INDEX tasks_ref     ON tasks (external_ref) WHERE external_ref IS NOT NULL;
CREATE INDEX tasks_number  ON tasks (number) WHERE number IS NOT NULL;
CREATE INDEX tasks_site    ON tasks (site_id) WHERE site_id IS NOT NULL;
CREATE INDEX tasks_parent  ON tasks (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX checklist_items_task ON checklist_items (task_id, position, id, outcome) WHERE deleted = 0;
CREATE INDEX notes_task ON notes (task_id, at, id) WHERE deleted = 0;
CREATE INDEX time_entries_task ON time_entries (task_id, started_at, id) WHERE deleted = 0;
CREATE INDEX sites_code ON sites (code);
CREATE INDEX sync_queue_record ON sync_queue (entity_id, id);
CREATE INDEX sync_queue_task   ON sync_queue (task_id, state);
CREATE INDEX sync_queue_parked ON sync_queue (entity_id, action) WHERE state = 'parked';
CREATE INDEX sync_sent_task ON sync_sent (task_id, id);
CREATE INDEX sync_sent_age  ON sync_sent (settled_at);
CREATE INDEX heard_task ON heard (task_id, id);
CREATE INDEX heard_age  ON heard (at);
CREATE INDEX conflicts_open ON conflicts (task_id) WHERE state = 'open';
CREATE INDEX actions_state ON actions (state, id);
CREATE INDEX taken_back_age ON taken_back (taken_at);
CREATE INDEX tasks_untold ON tasks (id) WHERE version = 0;
CREATE INDEX sync_queue_group ON sync_queue (group_id) WHERE group_id IS NOT NULL;
CREATE TRIGGER tasks_counted_in AFTER INSERT ON tasks WHEN NEW.deleted = 0 BEGIN
	UPDATE counters SET tasks = tasks + 1;
END;
CREATE TRIGGER tasks_counted_out AFTER DELETE ON tasks WHEN OLD.deleted = 0 BEGIN
	UPDATE counters SET tasks = tasks - 1;
END;
CREATE TRIGGER tasks_counted_again AFTER UPDATE OF deleted ON tasks WHEN OLD.deleted <> NEW.deleted BEGIN
	UPDATE counters SET tasks = tasks + OLD.deleted - NEW.deleted;
END;
CREATE TRIGGER queue_counted_in AFTER INSERT ON sync_queue BEGIN
	UPDATE counters SET
		pending = pending + (NEW.state = 'pending'), parked = parked + (NEW.state = 'parked'),
		pending_tasks = pending_tasks + (NEW.state = 'pending' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'pending' AND id <> NEW.id)),
		parked_tasks = parked_tasks + (NEW.state = 'parked' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'parked' AND id <> NEW.id));
END;
CREATE TRIGGER queue_counted_out AFTER DELETE ON sync_queue BEGIN
	UPDATE counters SET
		pending = pending - (OLD.state = 'pending'), parked = parked - (OLD.state = 'parked'),
		pending_tasks = pending_tasks - (OLD.state = 'pending' AND OLD.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = OLD.task_id AND state = 'pending')),
		parked_tasks = parked_tasks - (OLD.state = 'parked' AND OLD.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = OLD.task_id AND state = 'parked'));
END;
CREATE TRIGGER queue_counted_again AFTER UPDATE OF state ON sync_queue WHEN OLD.state <> NEW.state BEGIN
	UPDATE counters SET
		pending = pending + (NEW.state = 'pending') - (OLD.state = 'pending'), parked = parked + (NEW.state = 'parked') - (OLD.state = 'parked'),
		pending_tasks = pending_tasks
			+ (NEW.state = 'pending' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'pending' AND id <> NEW.id))
			- (OLD.state = 'pending' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'pending')),
		parked_tasks = parked_tasks
			+ (NEW.state = 'parked' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'parked' AND id <> NEW.id))
			- (OLD.state = 'parked' AND NEW.task_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_queue WHERE task_id = NEW.task_id AND state = 'parked'));
END;
CREATE INDEX sync_queue_oldest ON sync_queue (created_at) WHERE state = 'pending';
CREATE INDEX heard_merged ON heard (task_id) WHERE merged = 1;
CREATE INDEX heard_meets  ON heard (entity_id) WHERE merged = 3;
CREATE INDEX search_docs_stale ON search_docs (doc) WHERE stale = 1;
CREATE TRIGGER tasks_searched_in AFTER INSERT ON tasks BEGIN
	INSERT INTO search_docs (id) VALUES (NEW.id) ON CONFLICT (id) DO UPDATE SET stale = 1;
END;
CREATE TRIGGER tasks_searched_again AFTER UPDATE OF search ON tasks WHEN OLD.search <> NEW.search BEGIN
	UPDATE search_docs SET stale = 1 WHERE id = NEW.id;
END;
CREATE TRIGGER tasks_searched_out AFTER DELETE ON tasks BEGIN
	UPDATE search_docs SET stale = 1 WHERE id = OLD.id;
END;
CREATE INDEX tasks_leaf ON tasks (substr(id, -2));
CREATE INDEX checklist_items_leaf ON checklist_items (substr(id, -2));
CREATE INDEX notes_leaf ON notes (substr(id, -2));
CREATE INDEX time_entries_leaf ON time_entries (substr(id, -2));
CREATE INDEX sites_leaf ON sites (substr(id, -2));
CREATE INDEX server_records_leaf ON server_records (substr(entity_id, -2));
CREATE TRIGGER tasks_stale_in AFTER INSERT ON tasks BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER tasks_stale_out AFTER DELETE ON tasks BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER tasks_stale_again AFTER UPDATE ON tasks BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf UNION SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER checklist_items_stale_in AFTER INSERT ON checklist_items BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER checklist_items_stale_out AFTER DELETE ON checklist_items BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER checklist_items_stale_again AFTER UPDATE ON checklist_items BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf UNION SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER notes_stale_in AFTER INSERT ON notes BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER notes_stale_out AFTER DELETE ON notes BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER notes_stale_again AFTER UPDATE ON notes BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf UNION SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER time_entries_stale_in AFTER INSERT ON time_entries BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER time_entries_stale_out AFTER DELETE ON time_entries BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER time_entries_stale_again AFTER UPDATE ON time_entries BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf UNION SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER sites_stale_in AFTER INSERT ON sites BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER sites_stale_out AFTER DELETE ON sites BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER sites_stale_again AFTER UPDATE ON sites BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.id, -2) AS leaf UNION SELECT substr(OLD.id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER server_records_stale_in AFTER INSERT ON server_records BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.entity_id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER server_records_stale_out AFTER DELETE ON server_records BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(OLD.entity_id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
CREATE TRIGGER server_records_stale_again AFTER UPDATE ON server_records BEGIN
	INSERT INTO stale SELECT leaf FROM (SELECT substr(NEW.entity_id, -2) AS leaf UNION SELECT substr(OLD.entity_id, -2) AS leaf) WHERE leaf NOT IN (SELECT leaf FROM stale);
END;
COMMIT;
