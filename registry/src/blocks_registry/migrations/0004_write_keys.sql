-- What was written under the key that a client gave a write, so that the same write sent again is not done twice.

CREATE TABLE write_keys (
    digest TEXT PRIMARY KEY,         -- SHA-256 of key, token and all that was asked, in hexadecimal digits
    written TEXT NOT NULL,           -- JSON array: id, slug, name and version of each document; null of a removed one
    at DOUBLE PRECISION NOT NULL
);

CREATE INDEX write_keys_by_time ON write_keys (at);
