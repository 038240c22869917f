-- Tokens are renewed: a device holds the one in use and, for a while, the next.

ALTER TABLE devices ADD COLUMN next_hash  text NOT NULL DEFAULT '';   -- offered, not used yet; '': none
ALTER TABLE devices ADD COLUMN renewed_at bigint NOT NULL DEFAULT 0; -- when the token in use took over; 0: it is the first
ALTER TABLE devices ADD COLUMN reused_at  bigint NOT NULL DEFAULT 0; -- when an older one was used again, for which it was revoked

CREATE INDEX devices_next ON devices (next_hash) WHERE next_hash <> '';
