"""The remote registry: the same interface, over HTTP, where a server has the database and the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from blocks_core.document import Document, DocumentTree, Draft, Json
from blocks_core.errors import BlockNotFound, NameInvalid
from blocks_core.names import check_name, check_slug, join_address
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.registry import Edit, Put, Registration
from blocks_core.schema import BlockType
from blocks_registry import remote_wire as wire
from blocks_registry.remote_transport import Transport, path_of

Read = TypeVar("Read")

_MAX_IDS: Final = 1000
"""Of one request for addresses."""


class RemoteRegistry:
    """Types and documents of a server. One call is one request. Safe to share between threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more."""
        found = self._transport.send("POST", "/types", block_type.to_json())
        return self._read(lambda: Registration(block_type, found["outcome"]))

    def types(self) -> list[BlockType]:
        """Return the registered types; `Registry.types` says more."""
        found = self._transport.get("/types")
        return self._read(lambda: [BlockType.from_json(each) for each in found["items"]])

    def type(self, slug: str) -> BlockType:
        """Return a registered type; `Registry.type` says more."""
        found = self._transport.get(path_of("types", slug))
        return self._read(lambda: BlockType.from_json(found))

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document and what it refers to; `Registry.load` says more."""
        found = self._transport.get(_block(slug, name, "load"), version=version)
        return self._read(lambda: wire.tree_from(found))

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        found = self._transport.get(_block(slug, name), version=version)
        return self._read(lambda: wire.document_from(found))

    def reveal(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return one document, its secrets in clear, and none that it refers to; each time is a row of the audit.

        Raises:  BlockNotFound; AccessDenied: that is for admins.
        """
        found = self._transport.ask(_block(slug, name, "reveal"), {"version": version})
        return self._read(lambda: wire.document_from(found))

    def find(
        self,
        slug: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more. Long lists take several requests."""
        words = [f"{key}={value}" for key, value in (labels or {}).items()]
        lines: list[Summary] = []
        while limit is None or len(lines) < limit:
            page = wire.MAX_PAGE if limit is None else min(limit - len(lines), wire.MAX_PAGE)
            found = self._transport.get("/blocks", slug=slug, label=words, after=after, limit=page)
            lines += self._read(lambda found=found: [wire.summary_from(each) for each in found["items"]])
            after = self._read(lambda found=found: found["next"])
            if after is None:
                break
        return lines

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; `Registry.addresses` says more."""
        wanted: list[Json] = [str(each) for each in ids]
        addresses: dict[UUID, str] = {}
        for start in range(0, len(wanted), _MAX_IDS):
            part = wanted[start : start + _MAX_IDS]
            found = self._transport.ask("/addresses", {"ids": part})
            addresses |= self._read(
                lambda found=found: {UUID(each): found["addresses"][each] for each in found["addresses"]}
            )
        return addresses

    def save(self, draft: Draft, *, overwrite: bool = False, expected_version: int | None = None) -> Document:
        """Keep a document; `Registry.save` says more."""
        _admit([draft])
        body = {**wire.draft_json(draft), "overwrite": overwrite, "expected_version": expected_version}
        found = self._transport.send("POST", "/blocks", body)
        return self._read(lambda: wire.document_from(found))

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none; `Registry.change` says more."""
        _admit([edit.draft for edit in edits if isinstance(edit, Put)])
        listed: list[Json] = [wire.edit_json(edit) for edit in edits]
        found = self._transport.send("POST", "/changes", {"edits": listed})
        return self._read(lambda: [each and wire.document_from(each) for each in found["documents"]])

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name; `Registry.rename` says more."""
        found = self._transport.send("POST", _block(slug, name, "rename"), {"new_name": new_name})
        return self._read(lambda: wire.document_from(found))

    def restore(self, slug: str, name: str, version: int) -> Document:
        """Make an older version the newest again; `Registry.restore` says more."""
        found = self._transport.send("POST", _block(slug, name, "restore"), {"version": version})
        return self._read(lambda: wire.document_from(found))

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; `Registry.delete` says more."""
        self._transport.send("DELETE", f"{_block(slug, name)}{'?force=true' if force else ''}")

    def history(self, slug: str, name: str) -> list[VersionSummary]:
        """Return a line for each version; `Registry.history` says more."""
        found = self._transport.get(_block(slug, name, "versions"))
        return self._read(lambda: [wire.version_from(each) for each in found["items"]])

    def diff(self, slug: str, name: str, old: int, new: int) -> list[FieldChange]:
        """Return how two versions differ; `Registry.diff` says more."""
        found = self._transport.get(_block(slug, name, "diff"), old=old, new=new)
        return self._read(lambda: [wire.change_from(each) for each in found["items"]])

    def users(self, slug: str, name: str) -> list[str]:
        """Return who refers to a document; `Registry.users` says more."""
        found = self._transport.get(_block(slug, name, "users"))
        return self._read(lambda: [str(each) for each in found["items"]])

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document; `Registry.usages` says more."""
        found = self._transport.get(_block(slug, name, "usages"))
        return self._read(lambda: [wire.usage_from(each) for each in found["items"]])

    def audit(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return rows of the audit; `Registry.audit` says more. Many rows take several requests."""
        rows: list[AuditEntry] = []
        while len(rows) < limit:
            page = min(limit - len(rows), wire.MAX_PAGE)
            asked = {"subject": subject, "by": by, "action": action, "before": before, "limit": page}
            found = self._transport.get("/audit", **asked)
            rows += self._read(lambda found=found: [wire.entry_from(each) for each in found["items"]])
            before = self._read(lambda found=found: found["next"])
            if before is None:
                break
        return rows

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Look at the whole chain of the audit; `Registry.verify_audit` says more."""
        found = self._transport.get("/audit/report", head=head)
        return self._read(lambda: wire.report_from(found))

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record in the audit what was done outside; `Registry.note` says more."""
        body: dict[str, Json] = {"action": action, "subject": subject, "detail": dict(detail or {})}
        self._transport.send("POST", "/audit", body)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _read(self, make: Callable[[], Read]) -> Read:
        """Return what is made of an answer.

        Raises:  ServerFailed: it cannot be, as the answer has another form.
        """
        try:
            return make()
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError, RecursionError):
            self._transport.refuse_unreadable()


def _block(slug: str, name: str, *rest: str) -> str:
    """Return the path of a document.

    Raises:  BlockNotFound: no document can have that name, and a path with it could lead elsewhere.
    """
    try:
        check_slug(slug)
        check_name(name)
    except NameInvalid:
        raise BlockNotFound(join_address(slug, name)) from None
    return path_of("blocks", slug, name, *rest)


def _admit(drafts: Iterable[Draft]) -> None:
    """Refuse before anything is sent what no registry takes; the server looks again."""
    from blocks_core.admission import Admission  # late: loading admits nothing

    admission = Admission()
    for draft in drafts:
        admission.admit(draft)
