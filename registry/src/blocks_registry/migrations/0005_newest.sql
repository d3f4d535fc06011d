-- What was saved last is found without looking at all, and what is outdated without looking at any version.

CREATE INDEX documents_by_time ON documents (saved_at, slug, name);

ALTER TABLE documents ADD COLUMN type_version INTEGER NOT NULL DEFAULT 1;    -- that the newest version is stored as

UPDATE documents SET type_version = COALESCE((
    SELECT v.type_version FROM document_versions AS v
    WHERE v.document_id = documents.id AND v.version = documents.version
), type_version);
