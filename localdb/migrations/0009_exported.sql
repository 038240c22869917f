-- Whether a change went into a file of unsent work: 0 no, 1 into one that is being
-- written, 2 into one that is whole. From 1 on it may reach the server from
-- elsewhere, so what it says never changes again.
ALTER TABLE sync_queue ADD COLUMN exported INTEGER NOT NULL DEFAULT 0 CHECK (exported IN (0, 1, 2));
