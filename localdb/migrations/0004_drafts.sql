-- What a person is typing into a form and has not saved yet. It is kept so that
-- neither a crash nor a lost terminal takes it away.
CREATE TABLE drafts (
	form    TEXT NOT NULL,    -- add, edit:TASK, note:TASK …
	session INTEGER NOT NULL, -- the number of the session in which it is typed; that one's lock file says whether it still runs
	at      INTEGER NOT NULL,
	texts   TEXT NOT NULL CHECK (json_valid(texts)), -- by field
	PRIMARY KEY (form, session)
) STRICT, WITHOUT ROWID;
