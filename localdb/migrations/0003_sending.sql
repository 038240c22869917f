-- Whether a change may have reached the server. Noted before it is sent: from
-- then on it never changes again, whatever became of the answer.
ALTER TABLE sync_queue ADD COLUMN tried INTEGER NOT NULL DEFAULT 0 CHECK (tried IN (0, 1));
-- Whether its time is a guess: its boot of this machine never met the server.
ALTER TABLE sync_queue ADD COLUMN uncertain INTEGER NOT NULL DEFAULT 0 CHECK (uncertain IN (0, 1));
