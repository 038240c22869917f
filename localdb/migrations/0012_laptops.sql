-- A person may have two laptops. What came from the other one of them is told
-- with its name; '' where somebody else was it.
ALTER TABLE conflicts ADD COLUMN laptop TEXT NOT NULL DEFAULT '';
ALTER TABLE heard     ADD COLUMN laptop TEXT NOT NULL DEFAULT '';
