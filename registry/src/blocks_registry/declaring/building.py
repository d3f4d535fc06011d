"""The blocks that declarations make: validated by their types, before anything is written."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from blocks_core.block import Block
from blocks_core.building import build_block
from blocks_core.decoding import decode
from blocks_core.document import Document, DocumentTree, Draft, dotted
from blocks_core.errors import BlockInvalid, BlocksError, FieldProblem, KeyringError
from blocks_core.library import Library
from blocks_core.limits import refuse_too_large
from blocks_core.masking import note_secrets
from blocks_core.names import split_address
from blocks_registry.declaring.contents import Content
from blocks_registry.declaring.declarations import Declaration
from blocks_registry.declaring.kinds import INLINE
from blocks_registry.errors import DeclarationProblem, RegistryError


@dataclass
class Candidate:
    """A declaration whose block may differ from what is saved."""

    declaration: Declaration
    document_id: UUID
    version: int
    """That is saved; 0 where nothing is."""
    content: Content
    block_type: type[Block] | None
    """None where it cannot be had; the problems say why."""
    problems: list[DeclarationProblem] = field(default_factory=list[DeclarationProblem])
    draft: Draft | None = None
    """None where there are problems."""


class Builder:
    """Makes blocks of declarations, each after those that it holds.

    Args:    candidates: by address; whatever else they hold is loaded.
             unsound: addresses of blocks that are declared, and not well.
    """

    def __init__(self, library: Library, candidates: Mapping[str, Candidate], unsound: Set[str]) -> None:
        self._library = library
        self._candidates = candidates
        self._unsound = unsound
        self._loaded: dict[UUID, Document] = {}
        self._made: dict[UUID, Document] = {}

    def build(self, candidate: Candidate) -> None:
        """Make the draft of one block; what does not fit is noted as its problems.

        Raises:  KeyringError, RegistryError.
        """
        if candidate.block_type is None:
            return
        note_secrets(candidate.content.encoded)
        try:
            if candidate.problems:
                self._find_more(candidate, candidate.block_type)
            else:
                self._build(candidate, candidate.block_type)
        except (KeyringError, RegistryError):
            raise
        except BlockInvalid as error:
            candidate.problems += [
                candidate.declaration.problem_at(found.path, found.problem) for found in error.problems
            ]
        except BlocksError as error:
            candidate.problems.append(candidate.declaration.problem(str(error).removesuffix(".")))

    def _build(self, candidate: Candidate, block_type: type[Block]) -> None:
        declaration, content = candidate.declaration, candidate.content.encoded
        if not all(self._can_hold(address) for address in candidate.content.references.values()):
            self._try_out(candidate, block_type)
            return
        document = Document(
            id=candidate.document_id,
            slug=declaration.slug,
            name=declaration.name,
            version=candidate.version + 1,
            type_version=declaration.type_version or block_type.type_info.version,
            content=content,
            saved_at=datetime.now(UTC),
        )
        tree = DocumentTree(document, ChainMap(self._made, self._loaded))
        _refuse_circle(tree)
        draft = self._library.draft(self._made_of(tree, candidate, block_type), declaration.name)
        draft = replace(
            draft, labels=dict(declaration.labels), document_id=candidate.document_id, action="applied"
        )
        refuse_too_large(draft)
        candidate.draft = draft
        self._made[document.id] = replace(document, type_version=draft.type_version, content=draft.content)

    def _made_of(self, tree: DocumentTree, candidate: Candidate, block_type: type[Block]) -> Block:
        """Return the block of a document; a text that its schema calls a date may be taken for the text it is."""
        try:
            return self._library.build(tree, block_type)
        except BlockInvalid as error:
            refused = {found.path for found in error.problems}
            doubtful = {pointer for pointer in candidate.content.implied if dotted(pointer) in refused}
            if not doubtful:
                raise
        content = tree.root.content
        marks = {pointer: kind for pointer, kind in content.marks.items() if pointer not in doubtful}
        root = replace(tree.root, content=replace(content, marks=marks))
        return self._library.build(replace(tree, root=root), block_type)

    def _can_hold(self, address: str) -> bool:
        """Make sure that a block which is held is at hand; False where it was declared and is not sound."""
        held = self._candidates.get(address)
        if address in self._unsound:
            return False
        if held is not None:
            return held.draft is not None
        tree = self._library.registry.load(*split_address(address))
        self._loaded |= {**tree.others, tree.root.id: tree.root}
        return True

    def _find_more(self, candidate: Candidate, block_type: type[Block]) -> None:
        """Note what the type itself finds in fields of which some are not sound, but not of those."""
        known = [found.path for found in candidate.problems]
        try:
            self._try_out(candidate, block_type)
        except BlockInvalid as error:
            candidate.problems += [
                candidate.declaration.problem_at(found.path, found.problem)
                for found in error.problems
                if found.path and not any(_is_around(found.path, path) for path in known)
            ]
        except BlocksError:  # what is not sound stands in the way
            return

    def _try_out(self, candidate: Candidate, block_type: type[Block]) -> None:
        """Find what else does not fit where a block that is held is not sound: stand-ins take its place.

        Raises:  BlockInvalid.
        """
        content = candidate.content

        def block_at(pointer: str, mark: str, members: Any) -> Any:
            if mark.startswith(INLINE):
                inner = self._library.type(mark.removeprefix(INLINE).rpartition("@")[0])
                return build_block(inner, members, what="it")
            return self._library.type(split_address(content.references[pointer])[0]).model_construct()

        if candidate.declaration.type_version in (None, block_type.type_info.version):
            address = candidate.declaration.address
            build_block(block_type, decode(content.encoded, block_at, address=address), what="it")


def _refuse_circle(tree: DocumentTree) -> None:
    """Refuse a block that would hold itself through one that is saved.

    Raises:  BlockInvalid.
    """
    for pointer, target in tree.root.content.references():
        waiting, seen = [target], {target}
        while waiting:
            document = tree.others.get(waiting.pop())
            held = {inner for _, inner in document.content.references()} if document else set[UUID]()
            waiting += held - seen
            seen |= held
        if tree.root.id in seen:
            problem = (
                "the block there holds this one, so each would hold itself. Take one of them out of the other"
            )
            raise BlockInvalid("it", [FieldProblem(dotted(pointer), problem)])


def _is_around(path: str, other: str) -> bool:
    """Tell whether one of two places lies in the other."""
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")
