"""The seam: a registry takes and gives documents in clear to whoever may have them, and keeps them sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

from blocks_core.differences import differences
from blocks_core.document import Document, DocumentTree, Draft, Json
from blocks_core.errors import SchemaConflict, VersionConflict
from blocks_core.names import join_address
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.structure import structure

if TYPE_CHECKING:
    from blocks_core.schema import BlockType

Outcome = Literal["new", "unchanged", "updated", "new version"]


@dataclass(frozen=True)
class Registration:
    """What became of a type that was to be registered."""

    block_type: BlockType
    outcome: Outcome


@dataclass(frozen=True)
class Put:
    """Keep a document, as a new one or as the next version of the one that has its name."""

    draft: Draft
    expected_version: int | None = None
    """Of the document before; 0 asks for a new one, None takes any."""
    expected_id: UUID | None = None
    """Of the document before; one that was made anew under the name has another. None takes any."""


@dataclass(frozen=True)
class Remove:
    """Remove a document with all its versions."""

    slug: str
    name: str
    force: bool = False
    """Also where others hold it: they keep a broken reference that says what it was."""
    expected_version: int | None = None
    expected_id: UUID | None = None


@dataclass(frozen=True)
class Rename:
    """Give a document another name; its id, its versions and who holds it stay."""

    slug: str
    name: str
    new_name: str
    expected_version: int | None = None
    expected_id: UUID | None = None


Edit = Put | Remove | Rename


class Types(Protocol):
    """The block types of a registry."""

    def register(self, block_type: BlockType) -> Registration:
        """Note a type and its schema.

        Raises:  SchemaConflict: its structure changed in a way that stored blocks may not fit, and its version
                 did not; or its version is older than the one that is registered.
        """
        ...

    def types(self) -> list[BlockType]:
        """Return the registered types in their newest versions, sorted by slug."""
        ...

    def type(self, slug: str) -> BlockType:
        """Return a registered type in its newest version.

        Raises:  BlockTypeNotFound.
        """
        ...


class Documents(Protocol):
    """The documents of a registry. One call is one round trip; each is atomic."""

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document, its secrets in clear, and every document it refers to.

        Raises:  BlockNotFound; ReferenceBroken; KeyringError.
        """
        ...

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets, which needs no key.

        Raises:  BlockNotFound.
        """
        ...

    def find(
        self,
        slug: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return a line for each document, sorted by slug, then by name.

        Args:    slug: of one type only. labels: only what has all of these. after: only what comes behind this
                 address, whether it is saved or not. limit: at most so many; None for all.
        """
        ...

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents; ids of no document are left out."""
        ...

    def save(self, draft: Draft, *, overwrite: bool = False, expected_version: int | None = None) -> Document:
        """Keep a document, as a new one or as the next version of the one that has its name.

        Args:    expected_version: that the document has now; None takes any.
        Raises:  BlockTypeNotFound: no type is registered with the draft's slug, version and structure.
                 BlockExists: the name is taken and `overwrite` is false. VersionConflict. ReferenceBroken: a
                 block that it holds is not there. BlockInvalid: it does not fit its type's stored schema, or
                 would hold itself. LimitExceeded. KeyringError.
        """
        ...

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none of them; return the document that each leaves, None of a removed one.

        References are checked at the end, so documents may refer to each other in any order.

        Raises:  what `save`, `rename` and `delete` raise; VersionConflict.
        """
        ...

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name of its type, without its secrets; blocks that hold it still do.

        Raises:  BlockNotFound; BlockExists; NameInvalid.
        """
        ...

    def restore(self, slug: str, name: str, version: int) -> Document:
        """Make an older version the newest again, as a version of its own.

        Raises:  BlockNotFound; ReferenceBroken; BlockInvalid: it does not fit the schema of its type's version
                 any more; KeyringError.
        """
        ...

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document with all its versions.

        Raises:  BlockNotFound; BlockInUse, unless forced.
        """
        ...


class Records(Protocol):
    """What a registry knows of its documents beside their content."""

    def history(self, slug: str, name: str) -> list[VersionSummary]:
        """Return a line for each version of a document, the newest first.

        Raises:  BlockNotFound.
        """
        ...

    def diff(self, slug: str, name: str, old: int, new: int) -> list[FieldChange]:
        """Return how two versions of a document differ, sorted by path; secrets are compared and never shown.

        Raises:  BlockNotFound; KeyringError.
        """
        ...

    def users(self, slug: str, name: str) -> list[str]:
        """Return the addresses of the documents that refer to one, sorted.

        Raises:  BlockNotFound.
        """
        ...

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document, the last one first.

        Raises:  BlockNotFound.
        """
        ...

    def audit(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return rows of the audit, the newest first.

        Args:    subject: a slug, a key id, or an address, whatever the block was called then. by: the name or the
                 user of who acted, such as a token's name. action: `block.saved` and the like. before: only rows of a
                 lower number.
        """
        ...

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Look whether each row of the audit is as it was written, in its place, and none is missing.

        Args:    head: of an earlier report, which must still be part of the chain.
        """
        ...

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record in the audit what was done outside of the registry, such as showing secrets to somebody."""
        ...


class Registry(Types, Documents, Records, Protocol):
    """Types, documents, and what is known of them."""

    def close(self) -> None:
        """Let go of connections."""
        ...


def refuse_unexpected(edit: Edit, version: int, document_id: UUID | None) -> None:
    """Refuse an edit of a document that is not at the version, or not the document, that the edit expects.

    Args:    version, document_id: of what has the name now; 0 and None where nothing has it.
    Raises:  VersionConflict.
    """
    if edit.expected_version in (None, version) and edit.expected_id in (None, document_id):
        return
    found = edit.draft if isinstance(edit, Put) else edit
    expected = (version or 1) if edit.expected_version is None else edit.expected_version
    raise VersionConflict(join_address(found.slug, found.name), expected, version)


def decide_registration(known: Iterable[BlockType], offered: BlockType) -> Outcome:
    """Return what becomes of a type that is offered to a registry.

    Args:    known: the registered versions of the same slug.
    Raises:  SchemaConflict: its structure changed in a way that stored blocks may not fit, and its version did
             not; or a newer version is registered.
    """
    versions = {block_type.version: block_type for block_type in known}
    same = versions.get(offered.version)
    if same is None:
        if versions and offered.version < max(versions):
            raise SchemaConflict(
                f"Block type '{offered.slug}' is registered in version {max(versions)}, and version "
                f"{offered.version} is older. Upgrade the plugin that provides it{_named(offered)}."
            )
        return "new version" if versions else "new"
    if same.structure_hash != offered.structure_hash:
        found = differences(structure(same.schema), structure(offered.schema))
        if not all(item.compatible for item in found):
            listed = "; ".join(item.text for item in found if not item.compatible)
            raise SchemaConflict(
                f"Block type '{offered.slug}' has another structure than its version {offered.version} that is "
                f"registered: {listed}. Blocks that are saved may not fit: undo the change, or raise the version in "
                f"the class statement (version={offered.version + 1}) and say what becomes of them "
                f"(@upgrades(from_version={offered.version}))."
            )
        return "updated"
    return "unchanged" if same == offered else "updated"


def _named(block_type: BlockType) -> str:
    return f", {block_type.distribution}" if block_type.distribution else ""
