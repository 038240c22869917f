-- What a server of any schema held. The columns are those of the first schema.
INSERT INTO crews (name, version, number, created_at) VALUES ('north', 2, 10001, 1);
INSERT INTO users (name, role, created_at) VALUES ('ann', 'technician', 1);
INSERT INTO members (user, place, crew) VALUES ('ann', 0, 'north');
INSERT INTO devices (id, user, name, token_hash, created_at) VALUES ('dev', 'ann', 'laptop', 'hash', 1);
INSERT INTO records (crew, kind, id, version, deleted, gone, task_id, ref, number, fields, registers) VALUES
	('north', 'task', '0198aaaa-0000-7000-8000-000000000001', 2, 0, 0, '', '', 'T-10001', '{"title":"Inspect the pump","status":"PENDING","number":"T-10001"}', '[]');
INSERT INTO outcomes (user, op_id, device, seq, crew, version, kind, entity, at, result, state) VALUES
	('ann', '0198bbbb-0000-7000-8000-000000000001', 'dev', 1, 'north', 1, 'task', '0198aaaa-0000-7000-8000-000000000001', 1790000000000, '{"op_id":"0198bbbb-0000-7000-8000-000000000001","outcome":"applied","duplicate":false,"version":1}', 0);
