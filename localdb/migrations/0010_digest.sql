-- What the records come to as the server told them (see op.Digest), by crew and
-- leaf: the last two digits of a record's id. Leaves whose records changed are
-- stale, and are counted again before they are compared with the server's.
-- Triggers say so, so that no way of writing can forget to, not even sqlite3's.
CREATE TABLE leaves (
	crew  TEXT NOT NULL,
	leaf  TEXT NOT NULL,
	count INTEGER NOT NULL,
	sum   BLOB NOT NULL CHECK (length(sum) = 32),
	PRIMARY KEY (crew, leaf)
) STRICT, WITHOUT ROWID;
CREATE TABLE stale (leaf TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_leaf ON tasks (substr(id, -2));
CREATE INDEX checklist_items_leaf ON checklist_items (substr(id, -2));
CREATE INDEX notes_leaf ON notes (substr(id, -2));
CREATE INDEX time_entries_leaf ON time_entries (substr(id, -2));
CREATE INDEX sites_leaf ON sites (substr(id, -2));
CREATE INDEX server_records_leaf ON server_records (substr(entity_id, -2));

INSERT INTO stale
	SELECT substr(id, -2) FROM tasks
	UNION SELECT substr(id, -2) FROM checklist_items
	UNION SELECT substr(id, -2) FROM notes
	UNION SELECT substr(id, -2) FROM time_entries
	UNION SELECT substr(id, -2) FROM sites
	UNION SELECT substr(entity_id, -2) FROM server_records;

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

-- The base that is being taken replaces what a server still holds, whose history
-- is the same: this laptop was away for too long, or differed in too much.
ALTER TABLE device ADD COLUMN anew INTEGER NOT NULL DEFAULT 0 CHECK (anew IN (0, 1));
