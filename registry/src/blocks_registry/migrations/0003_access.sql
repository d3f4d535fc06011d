-- Tokens, sessions of browsers, and login codes. Of each only a digest is kept, which leads back to nothing, and a
-- proof of the row under the audit key: whoever may write the database and has not the keys makes none that is good.

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,              -- viewer, editor, runner, admin
    reach TEXT NOT NULL,             -- JSON array of patterns of addresses
    digest TEXT NOT NULL UNIQUE,     -- SHA-256 of the token, in hexadecimal digits
    proof TEXT NOT NULL,             -- of id, name, role, reach, digest and expiry
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,        -- user@host or a token's name
    expires_at DOUBLE PRECISION,     -- null: never
    revoked_at DOUBLE PRECISION,
    last_used_at DOUBLE PRECISION    -- within some seconds
);

CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at IS NULL;

-- What the cookie of a browser names.
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    opened_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    proof TEXT NOT NULL              -- of digest, token and expiry
);

CREATE INDEX sessions_by_token ON sessions (token_id);

-- Whoever takes the row out has the session: a code is good once.
CREATE TABLE login_codes (
    digest TEXT PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    expires_at DOUBLE PRECISION NOT NULL,
    proof TEXT NOT NULL              -- as that of a session
);
