-- Which tasks the full-text index speaks of. The index itself is made when a
-- program that has FTS5 first wants it; one without it reads the column `search`
-- and only notes here, by these triggers, what the index does not know yet.
CREATE TABLE search_docs (
	doc   INTEGER PRIMARY KEY, -- the row in the index
	id    TEXT NOT NULL UNIQUE, -- the task
	stale INTEGER NOT NULL DEFAULT 1 CHECK (stale IN (0, 1))
) STRICT;
CREATE INDEX search_docs_stale ON search_docs (doc) WHERE stale = 1;
INSERT INTO search_docs (id) SELECT id FROM tasks;

CREATE TRIGGER tasks_searched_in AFTER INSERT ON tasks BEGIN
	INSERT INTO search_docs (id) VALUES (NEW.id) ON CONFLICT (id) DO UPDATE SET stale = 1;
END;
CREATE TRIGGER tasks_searched_again AFTER UPDATE OF search ON tasks WHEN OLD.search <> NEW.search BEGIN
	UPDATE search_docs SET stale = 1 WHERE id = NEW.id;
END;
CREATE TRIGGER tasks_searched_out AFTER DELETE ON tasks BEGIN
	UPDATE search_docs SET stale = 1 WHERE id = OLD.id;
END;
