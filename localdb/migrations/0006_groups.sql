-- What belongs to one action, found without looking at every waiting change.
CREATE INDEX sync_queue_group ON sync_queue (group_id) WHERE group_id IS NOT NULL;
