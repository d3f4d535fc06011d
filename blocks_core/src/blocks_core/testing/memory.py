"""A registry that forgets all at the end: for tests of what stands on a library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from uuid import UUID, uuid4

from blocks_core.catalog import Catalog
from blocks_core.document import Document, DocumentTree, Draft, dotted
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlockTypeNotFound,
    FieldProblem,
    ReferenceBroken,
    did_you_mean,
)
from blocks_core.library import Library
from blocks_core.names import join_address, suggest
from blocks_core.registry import Registration, Summary, decide_registration
from blocks_core.schema import BlockType


def memory_library(catalog: Catalog | None = None) -> Library:
    """Return a library of its own, empty and in memory.

    >>> from blocks_core import use_library
    >>> with use_library(memory_library()):
    ...     pass
    """
    return Library(MemoryRegistry(), catalog)


class MemoryRegistry:
    """The interface `Registry` on dictionaries; nothing is sealed, as nothing leaves the process."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, int], BlockType] = {}
        self._versions: dict[UUID, list[Document]] = {}
        self._lost: dict[UUID, str] = {}
        self._lock = RLock()

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; `Registry.register` says more."""
        with self._lock:
            known = [found for (slug, _), found in self._types.items() if slug == block_type.slug]
            outcome = decide_registration(known, block_type)
            self._types[block_type.slug, block_type.version] = block_type
            return Registration(block_type, outcome)

    def types(self) -> list[BlockType]:
        """Return the registered types; `Registry.types` says more."""
        with self._lock:
            newest = {slug: self._types[slug, version] for slug, version in sorted(self._types)}
            return list(newest.values())

    def type(self, slug: str) -> BlockType:
        """Return a registered type; `Registry.type` says more."""
        known = {block_type.slug: block_type for block_type in self.types()}
        if slug not in known:
            raise BlockTypeNotFound(
                f"No block type '{slug}' is registered{did_you_mean(suggest(slug, known))}. Register its class."
            )
        return known[slug]

    def save(self, draft: Draft, *, overwrite: bool = False) -> Document:
        """Keep a document; `Registry.save` says more."""
        with self._lock:
            block_type = self._types.get((draft.slug, draft.type_version))
            if block_type is None or block_type.structure_hash != draft.structure_hash:
                raise BlockTypeNotFound(
                    f"No block type '{draft.slug}' is registered as it is. Register its class."
                )
            old = self._newest(draft.slug, draft.name)
            if old is not None and not overwrite:
                raise BlockExists(join_address(draft.slug, draft.name))
            document = Document(
                id=old.id if old else uuid4(),
                slug=draft.slug,
                name=draft.name,
                version=old.version + 1 if old else 1,
                type_version=draft.type_version,
                content=draft.content,
                saved_at=datetime.now(UTC),
            )
            self._refuse_bad_references(document)
            self._versions.setdefault(document.id, []).append(document)
            return document

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document and what it refers to; `Registry.load` says more."""
        with self._lock:
            root = self._version(slug, name, version)
            others: dict[UUID, Document] = {}
            waiting = [root]
            while waiting:
                document = waiting.pop()
                for pointer, target in document.content.references():
                    if target not in self._versions:
                        lost = self._lost.get(target, str(target))
                        raise ReferenceBroken(document.address, dotted(pointer), lost)
                    if target not in others:
                        others[target] = self._versions[target][-1]
                        waiting.append(others[target])
            return DocumentTree(root, others)

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets; `Registry.read` says more."""
        with self._lock:
            document = self._version(slug, name, version)
            return replace(document, content=replace(document.content, secrets={}))

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; `Registry.addresses` says more."""
        with self._lock:
            return {found: self._versions[found][-1].address for found in ids if found in self._versions}

    def find(self, slug: str | None = None) -> list[Summary]:
        """Return a line for each document; `Registry.find` says more."""
        with self._lock:
            newest = [versions[-1] for versions in self._versions.values()]
        found = [document for document in newest if slug in (None, document.slug)]
        return [self._summary(document) for document in sorted(found, key=lambda document: document.address)]

    def users(self, slug: str, name: str) -> list[str]:
        """Return who refers to a document; `Registry.users` says more."""
        with self._lock:
            wanted = self._version(slug, name, None).id
            newest = [versions[-1] for versions in self._versions.values()]
            return sorted(
                document.address
                for document in newest
                if any(target == wanted for _, target in document.content.references())
            )

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; `Registry.delete` says more."""
        with self._lock:
            users = self.users(slug, name)
            document = self._version(slug, name, None)
            if users and not force:
                raise BlockInUse(document.address, users)
            del self._versions[document.id]
            self._lost[document.id] = document.address

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _newest(self, slug: str, name: str) -> Document | None:
        for versions in self._versions.values():
            if (versions[-1].slug, versions[-1].name) == (slug, name):
                return versions[-1]
        return None

    def _version(self, slug: str, name: str, version: int | None) -> Document:
        newest = self._newest(slug, name)
        if newest is None:
            names = [found.name for found in self.find(slug)]
            raise BlockNotFound(join_address(slug, name), [f"{slug}/{near}" for near in suggest(name, names)])
        if version is None:
            return newest
        for document in self._versions[newest.id]:
            if document.version == version:
                return document
        raise BlockNotFound(newest.address, version=version)

    def _refuse_bad_references(self, document: Document) -> None:
        for pointer, target in document.content.references():
            if target not in self._versions:
                raise ReferenceBroken(document.address, dotted(pointer), self._lost.get(target, str(target)))
            if self._reaches(target, document.id):
                problem = FieldProblem(
                    dotted(pointer), "the block there holds this one, so each would hold itself"
                )
                raise BlockInvalid(f"Block '{document.address}'", [problem])

    def _reaches(self, start: UUID, wanted: UUID) -> bool:
        waiting, seen = [start], set[UUID]()
        while waiting:
            here = waiting.pop()
            if here == wanted:
                return True
            if here not in seen:
                seen.add(here)
                for document in self._versions.get(here, [])[-1:]:
                    waiting += [target for _, target in document.content.references()]
        return False

    def _summary(self, document: Document) -> Summary:
        return Summary(
            id=document.id,
            slug=document.slug,
            name=document.name,
            version=document.version,
            type_version=document.type_version,
            capabilities=self._types[document.slug, document.type_version].capabilities,
            saved_at=document.saved_at,
        )
