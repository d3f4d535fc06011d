"""What crosses the wire between a server and its clients: the objects of a registry as JSON, and back.

The server writes what the client reads, and the other way round, so both stand here, beside each other. A change that
an older one could not read is a new `PROTOCOL`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from blocks_core.current import Actor
from blocks_core.document import Document, DocumentTree, Draft, Encoded, Json
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.registry import Edit, Put, Rename

PROTOCOL: Final = 1
API: Final = "/api/v1"

PROTOCOL_HEADER: Final = "Blocks-Protocol"
"""Of each answer; of a request, where the client says which version it speaks."""
ACTOR_HEADER: Final = "Blocks-Actor"
"""Who acts, as the client says: a JSON object of kind, name, id, user."""
REQUEST_HEADER: Final = "X-Request-Id"
WRITE_HEADER: Final = "Idempotency-Key"
"""Of a write: a word drawn by lot, the same where the same write is sent again, so that it is done once.

Source:  the IETF's draft of that name (draft-ietf-httpapi-idempotency-key-header).
"""

MAX_PAGE: Final = 1000
"""Items of a list that one answer has."""


def document_json(document: Document) -> dict[str, Json]:
    """Return a document, with the secrets that it has."""
    return {
        "id": str(document.id),
        "slug": document.slug,
        "name": document.name,
        "version": document.version,
        "type_version": document.type_version,
        "content": document.content.to_json(),
        "labels": dict(document.labels),
        "saved_at": document.saved_at.isoformat(),
        "saved_by": document.saved_by,
        "action": document.action,
    }


def document_from(value: Mapping[str, Any]) -> Document:
    """Return what `document_json` gave."""
    return Document(
        id=UUID(value["id"]),
        slug=value["slug"],
        name=value["name"],
        version=value["version"],
        type_version=value["type_version"],
        content=Encoded.from_json(value["content"]),
        labels=value["labels"],
        saved_at=datetime.fromisoformat(value["saved_at"]),
        saved_by=value["saved_by"],
        action=value["action"],
    )


def tree_json(tree: DocumentTree) -> dict[str, Json]:
    """Return a document and those that it refers to."""
    others: list[Json] = [document_json(found) for found in tree.others.values() if found.id != tree.root.id]
    return {"root": document_json(tree.root), "others": others}


def tree_from(value: Mapping[str, Any]) -> DocumentTree:
    """Return what `tree_json` gave."""
    root = document_from(value["root"])
    others = [document_from(found) for found in value["others"]]
    return DocumentTree(root, {found.id: found for found in (root, *others)})


def draft_json(draft: Draft) -> dict[str, Json]:
    """Return a draft, with its secrets."""
    return {
        "slug": draft.slug,
        "name": draft.name,
        "type_version": draft.type_version,
        "structure_hash": draft.structure_hash,
        "content": draft.content.to_json(),
        "labels": None if draft.labels is None else dict(draft.labels),
        "document_id": None if draft.document_id is None else str(draft.document_id),
        "action": draft.action,
    }


def edit_json(edit: Edit) -> dict[str, Json]:
    """Return one edit of several."""
    expected: dict[str, Json] = {
        "expected_version": edit.expected_version,
        "expected_id": None if edit.expected_id is None else str(edit.expected_id),
    }
    if isinstance(edit, Put):
        return {"edit": "put", "draft": draft_json(edit.draft), **expected}
    if isinstance(edit, Rename):
        names: dict[str, Json] = {"slug": edit.slug, "name": edit.name, "new_name": edit.new_name}
        return {"edit": "rename", **names, **expected}
    return {"edit": "remove", "slug": edit.slug, "name": edit.name, "force": edit.force, **expected}


def summary_json(summary: Summary) -> dict[str, Json]:
    """Return a line about a document."""
    return {
        "id": str(summary.id),
        "slug": summary.slug,
        "name": summary.name,
        "version": summary.version,
        "type_version": summary.type_version,
        "capabilities": [*summary.capabilities],
        "labels": dict(summary.labels),
        "saved_at": summary.saved_at.isoformat(),
        "last_used_at": None if summary.last_used_at is None else summary.last_used_at.isoformat(),
    }


def summary_from(value: Mapping[str, Any]) -> Summary:
    """Return what `summary_json` gave."""
    used = value["last_used_at"]
    return Summary(
        id=UUID(value["id"]),
        slug=value["slug"],
        name=value["name"],
        version=value["version"],
        type_version=value["type_version"],
        capabilities=tuple(value["capabilities"]),
        labels=value["labels"],
        saved_at=datetime.fromisoformat(value["saved_at"]),
        last_used_at=None if used is None else datetime.fromisoformat(used),
    )


def version_json(summary: VersionSummary) -> dict[str, Json]:
    """Return a line about a version."""
    return {
        "version": summary.version,
        "type_version": summary.type_version,
        "action": summary.action,
        "saved_by": summary.saved_by,
        "saved_at": summary.saved_at.isoformat(),
    }


def version_from(value: Mapping[str, Any]) -> VersionSummary:
    """Return what `version_json` gave."""
    return VersionSummary(
        version=value["version"],
        type_version=value["type_version"],
        action=value["action"],
        saved_by=value["saved_by"],
        saved_at=datetime.fromisoformat(value["saved_at"]),
    )


def change_json(change: FieldChange) -> dict[str, Json]:
    """Return how a field differs."""
    return {
        "path": change.path,
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "secret": change.secret,
    }


def change_from(value: Mapping[str, Any]) -> FieldChange:
    """Return what `change_json` gave."""
    return FieldChange(**value)


def usage_json(usage: Usage) -> dict[str, Json]:
    """Return who resolved a document."""
    return {
        "version": usage.version,
        "actor": actor_json(usage.actor),
        "uses": usage.uses,
        "first_used_at": usage.first_used_at.isoformat(),
        "last_used_at": usage.last_used_at.isoformat(),
    }


def usage_from(value: Mapping[str, Any]) -> Usage:
    """Return what `usage_json` gave."""
    return Usage(
        version=value["version"],
        actor=Actor(**value["actor"]),
        uses=value["uses"],
        first_used_at=datetime.fromisoformat(value["first_used_at"]),
        last_used_at=datetime.fromisoformat(value["last_used_at"]),
    )


def entry_json(entry: AuditEntry) -> dict[str, Json]:
    """Return a row of the audit."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": actor_json(entry.actor),
        "action": entry.action,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }


def entry_from(value: Mapping[str, Any]) -> AuditEntry:
    """Return what `entry_json` gave."""
    return AuditEntry(
        number=value["number"],
        at=datetime.fromisoformat(value["at"]),
        actor=Actor(**value["actor"]),
        action=value["action"],
        subject=value["subject"],
        detail=value["detail"],
    )


def report_json(report: AuditReport) -> dict[str, Json]:
    """Return what a look at the audit found."""
    return {
        "rows": report.rows,
        "keyed": report.keyed,
        "head": report.head,
        "problems": [*report.problems],
    }


def report_from(value: Mapping[str, Any]) -> AuditReport:
    """Return what `report_json` gave."""
    return AuditReport(value["rows"], value["keyed"], value["head"], tuple(value["problems"]))


def actor_json(actor: Actor) -> dict[str, Json]:
    """Return who acts."""
    return {"kind": actor.kind, "name": actor.name, "id": actor.id, "user": actor.user}
