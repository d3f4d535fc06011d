"""A registry that forgets all at the end: for tests of what stands on a library."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from threading import RLock
from uuid import UUID, uuid4

from blocks_core.admission import Admission
from blocks_core.catalog import Catalog
from blocks_core.comparing import compare
from blocks_core.current import Actor, current_actor
from blocks_core.document import Document, DocumentTree, Draft, Json, dotted
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlockTypeNotFound,
    FieldProblem,
    ReferenceBroken,
    VersionConflict,
    did_you_mean,
)
from blocks_core.library import Library
from blocks_core.names import check_labels, check_name, join_address, suggest
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.registry import (
    Edit,
    Put,
    Registration,
    Remove,
    Rename,
    decide_registration,
    refuse_unexpected,
)
from blocks_core.schema import BlockType
from blocks_core.validation import Held


def memory_library(catalog: Catalog | None = None) -> Library:
    """Return a library of its own, empty and in memory.

    >>> from blocks_core import use_library
    >>> with use_library(memory_library()):
    ...     pass
    """
    return Library(MemoryRegistry(), catalog)


@dataclass
class _Tables:
    """All that a registry keeps; a change that fails goes back to what it was."""

    types: dict[tuple[str, int], BlockType] = field(default_factory=dict[tuple[str, int], BlockType])
    versions: dict[UUID, list[Document]] = field(default_factory=dict[UUID, list[Document]])
    lost: dict[UUID, str] = field(default_factory=dict[UUID, str])
    audit: list[AuditEntry] = field(default_factory=list[AuditEntry])
    audited: list[UUID | None] = field(default_factory=list["UUID | None"])
    """The document of each row of the audit."""

    def copy(self) -> _Tables:
        """Return tables that can be changed apart from these."""
        versions = {found: list(kept) for found, kept in self.versions.items()}
        return _Tables(dict(self.types), versions, dict(self.lost), list(self.audit), list(self.audited))


class MemoryRegistry:
    """The interface `Registry` on dictionaries; nothing is sealed, as nothing leaves the process."""

    def __init__(self) -> None:
        self._tables = _Tables()
        self._usages: dict[tuple[UUID, int, Actor], Usage] = {}
        self._admission = Admission()
        self._lock = RLock()

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more."""
        with self._changing() as tables:
            known = [found for (slug, _), found in tables.types.items() if slug == block_type.slug]
            outcome = decide_registration(known, block_type)
            if outcome != "unchanged":
                tables.types[block_type.slug, block_type.version] = block_type
                self._record(tables, "type.registered", block_type.slug)
            return Registration(block_type, outcome)

    def types(self) -> list[BlockType]:
        """Return the registered types; `Registry.types` says more."""
        with self._lock:
            types = self._tables.types
            newest = {slug: types[slug, version] for slug, version in sorted(types)}
            return list(newest.values())

    def type(self, slug: str) -> BlockType:
        """Return a registered type; `Registry.type` says more."""
        known = {block_type.slug: block_type for block_type in self.types()}
        if slug not in known:
            raise BlockTypeNotFound(
                f"No block type '{slug}' is registered{did_you_mean(suggest(slug, known))}. Register its class."
            )
        return known[slug]

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document and what it refers to; `Registry.load` says more."""
        with self._lock:
            root = _version(self._tables, slug, name, version)
            others: dict[UUID, Document] = {}
            waiting = [root]
            while waiting:
                document = waiting.pop()
                for pointer, target in document.content.references():
                    if target not in self._tables.versions:
                        lost = self._tables.lost.get(target, str(target))
                        raise ReferenceBroken(document.address, dotted(pointer), lost)
                    if target not in others:
                        others[target] = self._tables.versions[target][-1]
                        waiting.append(others[target])
            self._note_usages([root, *others.values()])
            return DocumentTree(root, others)

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        with self._lock:
            document = _version(self._tables, slug, name, version)
            return replace(document, content=replace(document.content, secrets={}))

    def find(
        self,
        slug: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more."""
        wanted = (labels or {}).items()
        start, _, name = (after or "").partition("/")
        with self._lock:
            newest = [versions[-1] for versions in self._tables.versions.values()]
            found = [document for document in newest if slug in (None, document.slug)]
            summaries = [self._summary(document) for document in found if wanted <= document.labels.items()]
        lines = sorted(summaries, key=lambda summary: (summary.slug, summary.name))
        return [line for line in lines if (line.slug, line.name) > (start, name)][:limit]

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; `Registry.addresses` says more."""
        with self._lock:
            versions = self._tables.versions
            return {found: versions[found][-1].address for found in ids if found in versions}

    def save(self, draft: Draft, *, overwrite: bool = False, expected_version: int | None = None) -> Document:
        """Keep a document; `Registry.save` says more."""
        with self._changing() as tables:
            if not overwrite and _newest(tables, draft.slug, draft.name) is not None:
                raise BlockExists(join_address(draft.slug, draft.name))
            (document,) = self._do(tables, [Put(draft, expected_version)])
            assert document is not None
            return document

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none; `Registry.change` says more."""
        with self._changing() as tables:
            return self._do(tables, edits)

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name; `Registry.rename` says more."""
        (document,) = self.change([Rename(slug, name, new_name)])
        assert document is not None
        return document

    def restore(self, slug: str, name: str, version: int) -> Document:
        """Make an older version the newest again; `Registry.restore` says more."""
        with self._changing() as tables:
            old = _version(tables, slug, name, version)
            structure = tables.types[slug, old.type_version].structure_hash
            action = f"restored from {version}"
            draft = Draft(slug, name, old.type_version, structure, old.content, action=action)
            (document,) = self._do(tables, [Put(draft)])
            assert document is not None
            return document

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; `Registry.delete` says more."""
        self.change([Remove(slug, name, force=force)])

    def history(self, slug: str, name: str) -> list[VersionSummary]:
        """Return a line for each version; `Registry.history` says more."""
        with self._lock:
            versions = self._tables.versions[_version(self._tables, slug, name, None).id]
        return [
            VersionSummary(found.version, found.type_version, found.action, found.saved_by, found.saved_at)
            for found in reversed(versions)
        ]

    def diff(self, slug: str, name: str, old: int, new: int) -> list[FieldChange]:
        """Return how two versions differ; `Registry.diff` says more."""
        with self._lock:
            before, after = (_version(self._tables, slug, name, version) for version in (old, new))
            held = {target for found in (before, after) for _, target in found.content.references()}
            addresses = {str(target): address for target, address in self.addresses(held).items()}
        return compare(before.content, after.content, addresses)

    def users(self, slug: str, name: str) -> list[str]:
        """Return who refers to a document; `Registry.users` says more."""
        with self._lock:
            return _users(self._tables, _version(self._tables, slug, name, None).id)

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document; `Registry.usages` says more."""
        with self._lock:
            wanted = _version(self._tables, slug, name, None).id
            found = [usage for (document_id, *_), usage in self._usages.items() if document_id == wanted]
        return sorted(found, key=lambda usage: usage.last_used_at, reverse=True)

    def audit(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return rows of the audit; `Registry.audit` says more."""
        with self._lock:
            slug, _, name = (subject or "").partition("/")
            newest = _newest(self._tables, slug, name)
            rows = [
                entry
                for entry, document_id in zip(self._tables.audit, self._tables.audited, strict=True)
                if (subject in (None, entry.subject) or (newest is not None and newest.id == document_id))
                and by in (None, entry.actor.name, entry.actor.user)
                and action in (None, entry.action)
                and (before is None or entry.number < before)
            ]
        return rows[::-1][:limit]

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Say that all is well: nobody but this process can reach it; `Registry.verify_audit` says more."""
        with self._lock:
            rows = self._tables.audit
            heads = [
                f"{end}:{sha256(repr(rows[:end]).encode()).hexdigest()}" for end in (len(rows), *_ends(head))
            ]
            problems = () if head in (None, *heads) else ("the head is not part of the chain",)
            return AuditReport(rows=len(rows), keyed=0, head=heads[0], problems=problems)

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record in the audit what was done outside; `Registry.note` says more."""
        with self._changing() as tables:
            self._record(tables, action, subject, detail)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    @contextmanager
    def _changing(self) -> Generator[_Tables]:
        """Give tables to change; they count once all went well."""
        with self._lock:
            tables = self._tables.copy()
            yield tables
            self._tables = tables

    def _do(self, tables: _Tables, edits: Sequence[Edit]) -> list[Document | None]:
        done = [self._do_one(tables, edit) for edit in edits]
        known = _Known(tables)
        for edit, document in zip(edits, done, strict=True):
            if isinstance(edit, Put) and document is not None:
                _refuse_bad_references(tables, document)
                self._admission.refuse_unfit(
                    document.slug, document.name, document.type_version, document.content, known
                )
        for edit in edits:
            if isinstance(edit, Remove) and not edit.force:
                address = join_address(edit.slug, edit.name)
                gone = [found for found, lost in tables.lost.items() if lost == address]
                users = [user for found in gone for user in _users(tables, found)]
                if users:
                    raise BlockInUse(address, users)
        return done

    def _do_one(self, tables: _Tables, edit: Edit) -> Document | None:
        if isinstance(edit, Put):
            return self._put(tables, edit)
        found = _version(tables, edit.slug, edit.name, None)
        refuse_unexpected(edit, found.version, found.id)
        if isinstance(edit, Rename):
            return self._rename(tables, found, check_name(edit.new_name))
        del tables.versions[found.id]
        tables.lost[found.id] = found.address
        self._record(tables, "block.deleted", found.address, document_id=found.id)
        return None

    def _put(self, tables: _Tables, edit: Put) -> Document:
        draft = edit.draft
        self._admission.admit(draft)
        block_type = tables.types.get((draft.slug, draft.type_version))
        if block_type is None or block_type.structure_hash != draft.structure_hash:
            raise BlockTypeNotFound(
                f"No block type '{draft.slug}' is registered as it is. Register its class."
            )
        old, address = _newest(tables, draft.slug, draft.name), join_address(draft.slug, draft.name)
        found = old.version if old else 0
        refuse_unexpected(edit, found, old.id if old else None)
        if old is None and draft.document_id in tables.versions:
            raise VersionConflict(address, 0, 1)
        actor = current_actor()
        document = Document(
            id=old.id if old else draft.document_id or uuid4(),
            slug=draft.slug,
            name=draft.name,
            version=found + 1,
            type_version=draft.type_version,
            content=draft.content,
            saved_at=datetime.now(UTC),
            labels=(old.labels if old else {}) if draft.labels is None else check_labels(draft.labels),
            saved_by=actor.user or actor.name,
            action=draft.action,
        )
        tables.versions.setdefault(document.id, []).append(document)
        self._record(tables, "block.saved", address, {"version": document.version}, document.id)
        return document

    def _rename(self, tables: _Tables, found: Document, new_name: str) -> Document:
        if new_name != found.name:
            if _newest(tables, found.slug, new_name) is not None:
                raise BlockExists(join_address(found.slug, new_name))
            tables.versions[found.id] = [replace(one, name=new_name) for one in tables.versions[found.id]]
            detail: dict[str, Json] = {"to": join_address(found.slug, new_name)}
            self._record(tables, "block.renamed", found.address, detail, found.id)
        newest = tables.versions[found.id][-1]
        return replace(newest, content=replace(newest.content, secrets={}))

    def _record(
        self,
        tables: _Tables,
        action: str,
        subject: str,
        detail: Mapping[str, Json] | None = None,
        document_id: UUID | None = None,
    ) -> None:
        number, now = len(tables.audit) + 1, datetime.now(UTC)
        tables.audit.append(AuditEntry(number, now, current_actor(), action, subject, detail or {}))
        tables.audited.append(document_id)

    def _note_usages(self, documents: Iterable[Document]) -> None:
        actor, now = current_actor(), datetime.now(UTC)
        for document in documents:
            key = document.id, document.version, actor
            old = self._usages.get(key, Usage(document.version, actor, 0, now, now))
            self._usages[key] = replace(old, uses=old.uses + 1, last_used_at=now)

    def _summary(self, document: Document) -> Summary:
        used = [usage.last_used_at for (found, *_), usage in self._usages.items() if found == document.id]
        return Summary(
            id=document.id,
            slug=document.slug,
            name=document.name,
            version=document.version,
            type_version=document.type_version,
            capabilities=self._tables.types[document.slug, document.type_version].capabilities,
            saved_at=document.saved_at,
            labels=document.labels,
            last_used_at=max(used, default=None),
        )


class _Known:
    """What the tables know: `blocks_core.admission.Known`."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def stamp(self, slug: str, version: int) -> str:
        return str(id(self.described(slug, version)))

    def described(self, slug: str, version: int) -> BlockType:
        found = self._tables.types.get((slug, version))
        if found is None:
            raise BlockTypeNotFound(
                f"No block type '{slug}' is registered in version {version}. Register its class."
            )
        return found

    def held(self, document_id: UUID) -> Held | None:
        versions = self._tables.versions.get(document_id)
        if not versions:
            return None
        newest = versions[-1]
        return Held(newest.slug, self._tables.types[newest.slug, newest.type_version].capabilities)


def _ends(head: str | None) -> list[int]:
    """Return where a head may have ended the chain."""
    number = (head or "").partition(":")[0]
    return [int(number)] if number.isascii() and number.isdecimal() and len(number) < 10 else []


def _newest(tables: _Tables, slug: str, name: str) -> Document | None:
    for versions in tables.versions.values():
        if (versions[-1].slug, versions[-1].name) == (slug, name):
            return versions[-1]
    return None


def _version(tables: _Tables, slug: str, name: str, version: int | None) -> Document:
    newest = _newest(tables, slug, name)
    if newest is None:
        names = [versions[-1].name for versions in tables.versions.values() if versions[-1].slug == slug]
        raise BlockNotFound(join_address(slug, name), [f"{slug}/{near}" for near in suggest(name, names)])
    if version is None:
        return newest
    for document in tables.versions[newest.id]:
        if document.version == version:
            return document
    raise BlockNotFound(newest.address, version=version)


def _users(tables: _Tables, wanted: UUID) -> list[str]:
    return sorted(
        versions[-1].address
        for versions in tables.versions.values()
        if any(target == wanted for _, target in versions[-1].content.references())
    )


def _refuse_bad_references(tables: _Tables, document: Document) -> None:
    for pointer, target in document.content.references():
        if target not in tables.versions:
            raise ReferenceBroken(document.address, dotted(pointer), tables.lost.get(target, str(target)))
        if _reaches(tables, target, document.id):
            problem = FieldProblem(
                dotted(pointer), "the block there holds this one, so each would hold itself"
            )
            raise BlockInvalid(f"Block '{document.address}'", [problem])


def _reaches(tables: _Tables, start: UUID, wanted: UUID) -> bool:
    waiting, seen = [start], set[UUID]()
    while waiting:
        here = waiting.pop()
        if here == wanted:
            return True
        if here not in seen:
            seen.add(here)
            for document in tables.versions.get(here, [])[-1:]:
                waiting += [target for _, target in document.content.references()]
    return False
