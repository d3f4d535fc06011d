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

TYPE_STAMP = "SELECT structure_hash, registered_at FROM block_types WHERE slug = ? AND version = ?"

TYPE_AT_VERSION = "SELECT description FROM block_types WHERE slug = ? AND version = ?"

ID_AND_VERSION = "SELECT id, version, labels FROM documents WHERE slug = ? AND name = ?"

HELD = """
SELECT d.slug, t.capabilities FROM documents AS d
JOIN block_types AS t ON t.slug = d.slug AND t.version = d.type_version
WHERE d.id = ?
"""

ADDRESS = "SELECT slug, name FROM documents WHERE id = ?"

# What may have been meant is looked for among these: to compare with 100,000 names takes a third of a second.
NAMES_BEFORE = "SELECT name FROM documents WHERE slug = ? AND name < ? ORDER BY name DESC LIMIT 500"
NAMES_AFTER = "SELECT name FROM documents WHERE slug = ? AND name > ? ORDER BY name LIMIT 500"

PUT_DOCUMENT = """
INSERT INTO documents (id, slug, name, version, type_version, labels, saved_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    version = excluded.version,
    type_version = excluded.type_version,
    labels = excluded.labels,
    saved_at = excluded.saved_at
"""

RENAME = "UPDATE documents SET name = ? WHERE id = ?"

ADD_VERSION = """
INSERT INTO document_versions
    (document_id, version, type_version, data, marks, key_id, wrapped_key, ciphertext, saved_at, saved_by, action)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

ADD_REFERENCE = """
INSERT INTO document_references (document_id, version, pointer, target_id) VALUES (?, ?, ?, ?)
"""

_COLUMNS = """
    d.id, d.slug, d.name, v.version, v.type_version, v.data, v.marks, v.key_id, v.wrapped_key,
    v.ciphertext, v.saved_at, v.saved_by, v.action, d.labels
"""

MARKS = 6
"""The place of a document's marks among the columns of `DOCUMENT` and `TREE`."""

DOCUMENT = f"""
SELECT {_COLUMNS} FROM documents AS d
JOIN document_versions AS v ON v.document_id = d.id AND v.version = COALESCE(?, d.version)
WHERE d.slug = ? AND d.name = ?
"""

DOCUMENT_BY_ID = f"""
SELECT {_COLUMNS} FROM documents AS d
JOIN document_versions AS v ON v.document_id = d.id AND v.version = ?
WHERE d.id = ?
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
    SELECT id FROM documents WHERE id = ?
    UNION
    SELECT r.target_id FROM tree
    JOIN documents AS d ON d.id = tree.id
    JOIN document_references AS r ON r.document_id = d.id AND r.version = d.version
)
SELECT 1 FROM tree WHERE id = ?
"""

FIND = """
WITH asked AS (
    SELECT d.slug, d.name FROM documents AS d WHERE {conditions} ORDER BY {order} LIMIT ?
)
SELECT d.id, d.slug, d.name, d.version, d.type_version, t.capabilities, d.saved_at, d.labels,
    (SELECT MAX(u.last_used_at) FROM usages AS u WHERE u.document_id = d.id)
FROM asked
JOIN documents AS d ON d.slug = asked.slug AND d.name = asked.name
JOIN block_types AS t ON t.slug = d.slug AND t.version = d.type_version
ORDER BY {order}
"""

OUTDATED = """
slug IN (SELECT t.slug FROM block_types AS t WHERE t.version > 1)
AND type_version < (SELECT MAX(t.version) FROM block_types AS t WHERE t.slug = d.slug)
"""

USED = "EXISTS (SELECT 1 FROM usages AS u WHERE u.document_id = d.id)"

HISTORY = """
SELECT version, type_version, action, saved_by, saved_at FROM document_versions
WHERE document_id = ? ORDER BY version DESC
"""

USERS = """
SELECT DISTINCT d.slug, d.name FROM document_references AS r
JOIN documents AS d ON d.id = r.document_id AND d.version = r.version
WHERE r.target_id = ? AND r.document_id <> r.target_id
ORDER BY d.slug, d.name
"""

SOME_USERS = """
SELECT DISTINCT d.slug, d.name FROM document_references AS r
JOIN documents AS d ON d.id = r.document_id AND d.version = r.version
WHERE r.target_id = ? AND r.document_id <> r.target_id
LIMIT ?
"""

COUNT_OF_USERS = """
SELECT COUNT(*) FROM (
    SELECT DISTINCT r.document_id FROM document_references AS r
    JOIN documents AS d ON d.id = r.document_id AND d.version = r.version
    WHERE r.target_id = ? AND r.document_id <> r.target_id
    LIMIT ?
) AS users
"""

LOSE_REFERENCES = "UPDATE document_references SET lost_address = ? WHERE target_id = ?"

LOST_ADDRESS = "SELECT lost_address FROM document_references WHERE target_id = ? AND lost_address IS NOT NULL"

DELETE = "DELETE FROM documents WHERE id = ?"
