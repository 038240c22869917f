-- How many transactions the second copy of unsent work (FILE.queue.log) was told
-- of: by it a copy that lacks one, or holds one that was never committed, is known.
ALTER TABLE counters ADD COLUMN logged INTEGER NOT NULL DEFAULT 0;
