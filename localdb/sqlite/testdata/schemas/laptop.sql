-- What a laptop of any schema held: a server's task with an unsent edit on it, a
-- task of its own, a refused change, a settled one, and who it is. The columns are
-- those of the first schema.
INSERT INTO tasks (id, title, status, updated_at, number, asset, version, crew, search) VALUES
	('0198aaaa-0000-7000-8000-000000000001', 'Inspect the pump', 'IN_PROGRESS', 1790000000100, 'T-10001', 'A1', 7, 'north', 't-10001 inspect the pump a1'),
	('0198aaaa-0000-7000-8000-000000000002', 'My own', 'PENDING', 1790000000200, NULL, NULL, 0, NULL, 'my own');
INSERT INTO notes (id, task_id, body, author, at, updated_at, version) VALUES
	('0198aaaa-0000-7000-8000-000000000003', '0198aaaa-0000-7000-8000-000000000001', 'The key is at the gate', 'ann', 1790000000000, 1790000000000, 6);
INSERT INTO sync_queue (id, op_id, entity_id, entity_type, action, payload, prev, base, task_id, created_at, boot_id, boot_ms, state, retry_count, last_error, code) VALUES
	(5, '0198bbbb-0000-7000-8000-000000000005', '0198aaaa-0000-7000-8000-000000000001', 'task', 'UPDATE', '{"asset":"A1","updated_at":1790000000100}', '{"asset":null}', 7, '0198aaaa-0000-7000-8000-000000000001', 1790000000100, 'b', 100, 'pending', 2, 'no answer', NULL),
	(6, '0198bbbb-0000-7000-8000-000000000006', '0198aaaa-0000-7000-8000-000000000002', 'task', 'INSERT', '{"title":"My own","status":"PENDING","updated_at":1790000000200}', NULL, 0, '0198aaaa-0000-7000-8000-000000000002', 1790000000200, 'b', 200, 'pending', 0, NULL, NULL),
	(7, '0198bbbb-0000-7000-8000-000000000007', '0198aaaa-0000-7000-8000-000000000001', 'task', 'UPDATE', '{"status":"IN_PROGRESS","started_at":1790000000300,"updated_at":1790000000300}', '{"status":"PENDING"}', 7, '0198aaaa-0000-7000-8000-000000000001', 1790000000300, 'b', 300, 'parked', 0, 'no', 'bad_value');
INSERT INTO sync_sent (id, op_id, entity_id, entity_type, action, payload, base, task_id, created_at, settled_at, outcome, version) VALUES
	(4, '0198bbbb-0000-7000-8000-000000000004', '0198aaaa-0000-7000-8000-000000000003', 'note', 'INSERT', '{"body":"The key is at the gate","updated_at":1790000000000}', 0, '0198aaaa-0000-7000-8000-000000000001', 1790000000000, 1790000000050, 'applied', 6);
INSERT INTO server_records (entity_type, entity_id, version, state) VALUES
	('task', '0198aaaa-0000-7000-8000-000000000001', 7, '{"id":"0198aaaa-0000-7000-8000-000000000001","version":7,"deleted":false,"crew":"north","title":"Inspect the pump","status":"PENDING","number":"T-10001","updated_at":1790000000000}');
UPDATE device SET device_id = 'dev', user = 'ann', name = 'laptop', role = 'technician', crews = '["north"]', server_url = 'https://sync.example', server_id = 's', server_key = 'k', enrolled_at = 1, cursor = 'c';
