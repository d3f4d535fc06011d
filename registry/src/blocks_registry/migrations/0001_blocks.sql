-- Times are seconds since 1970, UTC. Identifiers are UUIDs in their text form.

CREATE TABLE block_types (
    slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    structure_hash TEXT NOT NULL,
    capabilities TEXT NOT NULL,   -- JSON array
    description TEXT NOT NULL,    -- JSON object: all that is known of the type, its schema included
    registered_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (slug, version)
);

CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,     -- the newest
    saved_at DOUBLE PRECISION NOT NULL,
    UNIQUE (slug, name)
);

CREATE TABLE document_versions (
    document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    type_version INTEGER NOT NULL,
    data TEXT NOT NULL,           -- JSON, null where a secret or a reference stands
    marks TEXT NOT NULL,          -- JSON object: pointer -> kind
    key_id TEXT,                  -- of the key that wraps the data key; null where there is no secret
    wrapped_key BLOB,
    ciphertext BLOB,              -- all secrets of this version, sealed
    saved_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (document_id, version)
);

CREATE INDEX document_versions_by_key ON document_versions (key_id);

CREATE TABLE document_references (
    document_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    pointer TEXT NOT NULL,        -- JSON pointer of the field
    target_id TEXT NOT NULL,
    lost_address TEXT,            -- where the target was, once it has been deleted by force
    PRIMARY KEY (document_id, version, pointer),
    FOREIGN KEY (document_id, version) REFERENCES document_versions (document_id, version) ON DELETE CASCADE
);

CREATE INDEX document_references_by_target ON document_references (target_id);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    proof_wrapped_key BLOB NOT NULL,  -- nothing, sealed under the key: shows that a key of this id is the right one
    proof_ciphertext BLOB NOT NULL,
    first_used_at DOUBLE PRECISION NOT NULL
);
