-- A person may have two laptops. What came from the other one of them is told
-- with its name; '' where somebody else was it.
ALTER TABLE conflicts ADD COLUMN laptop TEXT NOT NULL DEFAULT '';
ALTER TABLE heard     ADD COLUMN laptop TEXT NOT NULL DEFAULT '';

-- The entries of which somebody's clock still runs: few, however many there were.
CREATE INDEX time_entries_running ON time_entries (user, started_at) WHERE ended_at IS NULL AND deleted = 0;
