-- What the truth line says, counted as it changes: counting a hundred thousand
-- tasks and a queue of many after each key would be felt. Triggers keep it, so
-- that no way of writing can forget to.
CREATE TABLE counters (
	one           INTEGER PRIMARY KEY CHECK (one = 1),
	tasks         INTEGER NOT NULL, -- not deleted
	pending       INTEGER NOT NULL,
	parked        INTEGER NOT NULL,
	pending_tasks INTEGER NOT NULL, -- tasks with something pending …
	parked_tasks  INTEGER NOT NULL  -- … or parked
) STRICT;
INSERT INTO counters SELECT 1, (SELECT count(*) FROM tasks WHERE deleted = 0),
	(SELECT count(*) FROM sync_queue WHERE state = 'pending'), (SELECT count(*) FROM sync_queue WHERE state = 'parked'),
	(SELECT count(DISTINCT task_id) FROM sync_queue WHERE state = 'pending'), (SELECT count(DISTINCT task_id) FROM sync_queue WHERE state = 'parked');

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
-- An op is parked and comes back; its task never changes.
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

-- Whether another's change and an unsent one of this laptop met, in different
-- fields, so that both stand: 0 no, 1 yes, 2 yes and the person has seen it, 3 it
-- will be so when the server takes the unsent one.
ALTER TABLE heard ADD COLUMN merged INTEGER NOT NULL DEFAULT 0 CHECK (merged IN (0, 1, 2, 3));
CREATE INDEX heard_merged ON heard (task_id) WHERE merged = 1;
CREATE INDEX heard_meets  ON heard (entity_id) WHERE merged = 3;
