-- Clocks drift: a change that was made between two exchanges with the server is
-- timed between what both said. Earlier exchanges of the boot, oldest first, as
-- long as unsent changes were made after them: [[boot clock, offset], …].
ALTER TABLE boots ADD COLUMN earlier TEXT CHECK (earlier IS NULL OR json_valid(earlier));
