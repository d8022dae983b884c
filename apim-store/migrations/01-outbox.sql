-- Changes that gateways must learn of. `head` has one row; its lock orders commits.
CREATE TABLE head (
    revision BIGINT NOT NULL,
    pruned BIGINT NOT NULL
);
INSERT INTO head (revision, pruned) VALUES (0, 0);

CREATE TABLE outbox (
    revision BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    change TEXT NOT NULL
);

-- The last change of each thing that gateways know: a snapshot in one scan.
CREATE TABLE deployed (
    key TEXT PRIMARY KEY,
    expires_at BIGINT,
    change TEXT NOT NULL
);
CREATE INDEX deployed_expiry ON deployed (expires_at);
