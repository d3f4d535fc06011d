-- Who makes the value of a cache key now, so that others wait for it: `owner` is a process and a number, and the lease
-- is over at `expires_at` (Unix time in seconds) unless it is renewed.
CREATE TABLE leases (
    key TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    expires_at REAL NOT NULL
);
