"""The SQL of the local registry, the same for every database."""

from __future__ import annotations

VERSIONS_OF_TYPE = "SELECT description FROM block_types WHERE slug = ?"

PUT_TYPE = """
INSERT INTO block_types (slug, version, structure_hash, capabilities, description, registered_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (slug, version) DO UPDATE SET
    structure_hash = excluded.structure_hash,
    capabilities = excluded.capabilities,
    description = excluded.description,
    registered_at = excluded.registered_at
"""

NEWEST_TYPES = """
SELECT description FROM block_types AS t
WHERE version = (SELECT MAX(version) FROM block_types AS u WHERE u.slug = t.slug)
ORDER BY slug
"""

STRUCTURE_OF_TYPE = "SELECT structure_hash FROM block_types WHERE slug = ? AND version = ?"

ID_AND_VERSION = "SELECT id, version FROM documents WHERE slug = ? AND name = ?"

ADDRESS = "SELECT slug, name FROM documents WHERE id = ?"

NAMES_OF_TYPE = "SELECT name FROM documents WHERE slug = ? ORDER BY name"

PUT_DOCUMENT = """
INSERT INTO documents (id, slug, name, version, saved_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, saved_at = excluded.saved_at
"""

ADD_VERSION = """
INSERT INTO document_versions
    (document_id, version, type_version, data, marks, key_id, wrapped_key, ciphertext, saved_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

ADD_REFERENCE = """
INSERT INTO document_references (document_id, version, pointer, target_id) VALUES (?, ?, ?, ?)
"""

_COLUMNS = """
    d.id, d.slug, d.name, v.version, v.type_version, v.data, v.marks, v.key_id, v.wrapped_key,
    v.ciphertext, v.saved_at
"""

DOCUMENT = f"""
SELECT {_COLUMNS} FROM documents AS d
JOIN document_versions AS v ON v.document_id = d.id AND v.version = COALESCE(?, d.version)
WHERE d.slug = ? AND d.name = ?
"""

TREE = f"""
WITH RECURSIVE tree (id, version) AS (
    SELECT d.id, COALESCE(?, d.version) FROM documents AS d WHERE d.slug = ? AND d.name = ?
    UNION
    SELECT t.id, t.version FROM tree
    JOIN document_references AS r ON r.document_id = tree.id AND r.version = tree.version
    JOIN documents AS t ON t.id = r.target_id
)
SELECT {_COLUMNS} FROM tree
JOIN documents AS d ON d.id = tree.id
JOIN document_versions AS v ON v.document_id = tree.id AND v.version = tree.version
"""

REACHES = """
WITH RECURSIVE tree (id) AS (
    SELECT ?
    UNION
    SELECT r.target_id FROM tree
    JOIN documents AS d ON d.id = tree.id
    JOIN document_references AS r ON r.document_id = d.id AND r.version = d.version
)
SELECT 1 FROM tree WHERE id = ?
"""

FIND = """
SELECT d.id, d.slug, d.name, d.version, v.type_version, t.capabilities, d.saved_at FROM documents AS d
JOIN document_versions AS v ON v.document_id = d.id AND v.version = d.version
JOIN block_types AS t ON t.slug = d.slug AND t.version = v.type_version
WHERE ? IS NULL OR d.slug = ?
ORDER BY d.slug, d.name
"""

USERS = """
SELECT DISTINCT d.slug, d.name FROM document_references AS r
JOIN documents AS d ON d.id = r.document_id AND d.version = r.version
WHERE r.target_id = ? AND r.document_id <> r.target_id
ORDER BY d.slug, d.name
"""

LOSE_REFERENCES = "UPDATE document_references SET lost_address = ? WHERE target_id = ?"

LOST_ADDRESS = "SELECT lost_address FROM document_references WHERE target_id = ? AND lost_address IS NOT NULL"

DELETE = "DELETE FROM documents WHERE id = ?"
