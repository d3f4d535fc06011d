-- Labels, who saved what, keys that were retired, usages, and the audit.

ALTER TABLE documents ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';          -- JSON object

ALTER TABLE document_versions ADD COLUMN saved_by TEXT NOT NULL DEFAULT '';  -- user@host or a token's name
ALTER TABLE document_versions ADD COLUMN action TEXT NOT NULL DEFAULT 'saved';  -- saved, restored from 3, upgraded from 1, …

ALTER TABLE keys ADD COLUMN retired_at DOUBLE PRECISION;

CREATE TABLE usages (
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,        -- that was resolved
    actor_kind TEXT NOT NULL,        -- process, command, flow run, task run, token
    actor_name TEXT NOT NULL,
    actor_id TEXT NOT NULL,          -- of the run; empty for a process
    actor_user TEXT NOT NULL,
    uses INTEGER NOT NULL,
    first_used_at DOUBLE PRECISION NOT NULL,
    last_used_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (document_id, version, actor_kind, actor_name, actor_id, actor_user)
);

CREATE INDEX usages_by_time ON usages (last_used_at);

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,      -- from 1, without gaps
    at DOUBLE PRECISION NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_user TEXT NOT NULL,
    action TEXT NOT NULL,            -- block.saved, block.deleted, key.promoted, …
    subject TEXT NOT NULL,           -- address, slug or key id
    subject_id TEXT NOT NULL,        -- of the document; empty for others
    detail TEXT NOT NULL,            -- JSON object, without secrets
    keyed INTEGER NOT NULL,          -- 1: the link is an HMAC under the audit key; 0: written before there was a key
    link TEXT NOT NULL               -- digest of the row before and this one
);

CREATE INDEX audit_by_subject ON audit (subject_id);

-- The end of the chain, so that rows missing from the end are noticed, and the sealed key of its links.
CREATE TABLE audit_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    link TEXT NOT NULL,
    key_id TEXT,
    wrapped_key BLOB,
    ciphertext BLOB
);

INSERT INTO audit_state (id, number, link) VALUES (1, 0, '');
