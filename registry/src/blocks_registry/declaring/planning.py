"""The plan that makes the saved blocks those that are declared: every problem is found before anything is written."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Final, Literal
from uuid import UUID, uuid4

from blocks_core.block import Block
from blocks_core.comparing import compare
from blocks_core.document import Document, Encoded, dotted
from blocks_core.errors import BlockTypeNotFound, NameInvalid, PluginBroken, ReferenceBroken, did_you_mean
from blocks_core.library import Library
from blocks_core.names import join_address, split_address, suggest
from blocks_core.records import FieldChange, Summary
from blocks_core.registry import Put, decide_registration
from blocks_core.schema import BlockType, describe
from blocks_registry.declaring.building import Builder, Candidate
from blocks_registry.declaring.contents import Content, Surroundings, read_content
from blocks_registry.declaring.declarations import Declaration
from blocks_registry.declaring.implied import Schemas, inline_of
from blocks_registry.declaring.kinds import INLINE, SECRET
from blocks_registry.declaring.plans import Plan, PlannedBlock
from blocks_registry.declaring.pruning import undeclared
from blocks_registry.declaring.reading import Declared
from blocks_registry.errors import DeclarationInvalid, DeclarationProblem

_MANY_TYPES: Final = 5


def make_plan(
    library: Library,
    declared: Declared,
    *,
    prune: Mapping[str, str] | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Plan:
    """Return what it takes to make the saved blocks those that are declared; nothing is written.

    Args:    prune: labels; blocks that have all of them and are not declared are to be deleted.
             tick: called once for each block.
    Raises:  DeclarationInvalid: with the problems that were met when it was read, and all others. PruneRefused.
             KeyringError.
    """
    planner = _Planner(library, declared, tick)
    blocks = planner.plan()
    found = [*declared.problems, *planner.problems]
    if found:
        raise DeclarationInvalid(
            sorted(found, key=lambda problem: (problem.source, problem.line, problem.column))
        )
    pruned = undeclared(library.registry, prune, planner.references) if prune else []
    return Plan((*blocks, *pruned), tuple(planner.needed_types(blocks)))


class _Planner:
    def __init__(self, library: Library, declared: Declared, tick: Callable[[], object]) -> None:
        self._library = library
        self._registry = library.registry
        self._tick = tick
        self.declarations = {declaration.address: declaration for declaration in declared.declarations}
        self.problems: list[DeclarationProblem] = []
        self.candidates: dict[str, Candidate] = {}
        self.references: dict[str, frozenset[str]] = {}
        """Address -> addresses of the blocks that the declared block holds."""
        self._summaries: dict[str, dict[str, Summary]] = {}
        self._ids: dict[str, UUID] = {address: uuid4() for address in declared.addresses}
        self._types: dict[str, BlockType] = {found.slug: found for found in self._registry.types()}
        self._classes: dict[str, type[Block] | str] = {}
        self._described: dict[str, BlockType] = {}
        self._declared_names: dict[str, str] = {}
        self._stored: dict[str, Document] = {}
        self._loaded: set[str] = set()
        self._by_registry = Schemas(lambda slug, _: self._types.get(slug))
        self._by_plugins = Schemas(self._at_hand)

    def plan(self) -> list[PlannedBlock]:
        self._list_many()
        for address, declaration in self.declarations.items():
            summary = self._summary(declaration.slug, declaration.name)
            self._ids[address] = summary.id if summary else uuid4()
        found = {address: self._look(declaration) for address, declaration in self.declarations.items()}
        builder = Builder(self._library, self.candidates, self._ids.keys() - self.declarations.keys())
        for address in self._in_order():
            candidate = self.candidates.get(address)
            if candidate is not None:
                builder.build(candidate)
                self.problems += candidate.problems
                if candidate.draft is not None:
                    found[address] = self._compared(candidate)
                self._tick()
        return [block for block in found.values() if block is not None]

    def needed_types(self, blocks: Iterable[PlannedBlock]) -> Iterator[type[Block]]:
        """Yield the installed types that are to be registered before these blocks are written.

        Raises:  SchemaConflict.
        """
        contents = [
            (put.draft.slug, put.draft.content) for block in blocks if isinstance(put := block.edit, Put)
        ]
        marks = {
            mark for _, content in contents for mark in content.marks.values() if mark.startswith(INLINE)
        }
        for slug in sorted({slug for slug, _ in contents} | {inline_of(mark)[0] for mark in marks}):
            found, described, block_type = self._types.get(slug), self._installed(slug), self._class(slug)
            if described is None or isinstance(block_type, str):
                continue
            if found is None or found.version < described.version or _is_other(found, described):
                yield block_type

    def _around(self, declaration: Declaration, schemas: Schemas) -> Surroundings:
        """Return what the reading of a declaration asks of the world."""
        own = declaration.address
        return Surroundings(schemas, lambda address: self._find_block(address, own), self._stored.get(own))

    def _find_block(self, address: str, own: str) -> UUID | str:
        """Return the id of a block that is saved or declared, or why there is none."""
        try:
            slug, name = split_address(address)
        except NameInvalid:
            return "takes the address of a saved block, slug/name, and the text is none"
        if address in self._ids:
            return self._ids[address]
        summary = self._summary(slug, name)
        if summary is not None:
            return summary.id
        others = {*self._ids, *(join_address(slug, other) for other in self._summaries[slug])} - {own}
        near = suggest(address, others)
        return f"no block '{address}' is saved or declared{did_you_mean(near)}. Declare it, or save it first"

    def _look(self, declaration: Declaration) -> PlannedBlock | None:
        """Return a block that is as it is declared; None, with a candidate noted, where it may not be."""
        summary = self._summary(declaration.slug, declaration.name)
        stored: Document | None = None
        if summary is not None:
            stored = self._stored[declaration.address] = self._registry.read(
                declaration.slug, declaration.name
            )
        content = read_content(declaration, self._around(declaration, self._by_registry))
        self.references[declaration.address] = frozenset(content.references.values())
        if stored is not None and self._is_as_stored(declaration, stored, content):
            self._tick()
            return _planned(declaration, content, stored.version)
        self._propose(declaration, stored, content)
        return None

    def _is_as_stored(self, declaration: Declaration, stored: Document, content: Content) -> bool:
        """Tell, without the plugin and where possible without a key, whether a block is what is declared."""
        version = declaration.type_version or self._by_registry.version(declaration.slug)
        if (
            content.problems
            or version != stored.type_version
            or dict(declaration.labels) != dict(stored.labels)
        ):
            return False
        if not content.in_clear:
            return not compare(stored.content, content.encoded)
        stored = self._with_secrets(stored)
        return not compare(
            stored.content, read_content(declaration, self._around(declaration, self._by_registry)).encoded
        )

    def _propose(self, declaration: Declaration, stored: Document | None, content: Content) -> None:
        """Note a declaration as a candidate, read anew by the installed type's schema."""
        block_type = self._class(declaration.slug)
        if stored is not None and (content.kept or content.in_clear):
            self._with_secrets(stored)
        content = read_content(declaration, self._around(declaration, self._by_plugins))
        candidate = Candidate(
            declaration,
            self._ids[declaration.address],
            stored.version if stored else 0,
            content,
            None if isinstance(block_type, str) else block_type,
            content.problems,
        )
        if isinstance(block_type, str):
            candidate.problems.append(declaration.problem(block_type))
        elif any(pointer not in content.encoded.secrets for pointer in content.kept):
            candidate.problems.append(
                declaration.problem(
                    "its secrets cannot be kept, as it holds a block that is not there any more. Write them as "
                    "{ref: env:NAME} or {value: ...}"
                )
            )
        self.candidates[declaration.address] = candidate
        self.references[declaration.address] = frozenset(content.references.values())

    def _compared(self, candidate: Candidate) -> PlannedBlock:
        declaration, draft = candidate.declaration, candidate.draft
        assert draft is not None
        stored = self._stored.get(declaration.address)
        if stored is not None and draft.content.secrets and _has_secrets(stored):
            stored = self._with_secrets(stored)
        before = stored.content if stored else Encoded({})
        changes = compare(before, draft.content, self._names(before))
        labels = _label_changes(stored.labels if stored else {}, declaration.labels)
        versions = (stored.type_version, draft.type_version) if stored else None
        same_version = versions is None or versions[0] == versions[1]
        if stored is not None and not (changes or labels) and same_version:
            return _planned(declaration, candidate.content, stored.version)
        return replace(
            _planned(declaration, candidate.content, candidate.version),
            action="changed" if stored else "new",
            changes=tuple(changes),
            labels=tuple(labels),
            type_versions=None if same_version else versions,
            edit=Put(draft, candidate.version),
        )

    def _names(self, before: Encoded) -> Mapping[str, str]:
        """Return the addresses of blocks by their ids, those that are declared and those that were held before."""
        held = [target for _, target in before.references()]
        found = (
            {str(target): address for target, address in self._registry.addresses(held).items()}
            if held
            else {}
        )
        if len(self._declared_names) != len(self._ids):
            self._declared_names = {str(found_id): address for address, found_id in self._ids.items()}
        return ChainMap(found, self._declared_names)

    def _in_order(self) -> list[str]:
        """Return the addresses, those that are held before those that hold them; a cycle is a problem."""
        sorter = TopologicalSorter(
            {
                address: [held for held in held_by if held in self.references]
                for address, held_by in self.references.items()
            }
        )
        try:
            return list(sorter.static_order())
        except CycleError as error:
            circle: list[str] = error.args[1]
            declaration = self.declarations[circle[0]]
            self.problems.append(
                declaration.problem(
                    f"blocks hold each other in a circle: {' in '.join(circle)}. Take one of them out of the other"
                )
            )
            self.problems += [problem for found in self.candidates.values() for problem in found.problems]
            return []

    def _with_secrets(self, stored: Document) -> Document:
        """Return a document with its secrets; without them where it cannot be loaded, as it holds a lost block."""
        if stored.address not in self._loaded:
            self._loaded.add(stored.address)
            with suppress(ReferenceBroken):
                tree = self._registry.load(stored.slug, stored.name, version=stored.version)
                self._stored[stored.address] = tree.root
        return self._stored[stored.address]

    def _list_many(self) -> None:
        """List all blocks in one go where blocks of many types are declared."""
        slugs = {declaration.slug for declaration in self.declarations.values()}
        if len(slugs) > _MANY_TYPES:
            self._summaries = {slug: {} for slug in slugs}
            for found in self._registry.find():
                self._summaries.setdefault(found.slug, {})[found.name] = found

    def _summary(self, slug: str, name: str) -> Summary | None:
        if slug not in self._summaries:
            self._summaries[slug] = {found.name: found for found in self._registry.find(slug)}
        return self._summaries[slug].get(name)

    def _class(self, slug: str) -> type[Block] | str:
        """Return the class of a type, or why there is none."""
        if slug not in self._classes:
            try:
                self._classes[slug] = self._library.type(slug)
            except (BlockTypeNotFound, PluginBroken) as error:
                self._classes[slug] = str(error).removesuffix(".")
        return self._classes[slug]

    def _at_hand(self, slug: str, version: int | None) -> BlockType | None:
        """Return the installed type; the registered one where only that is of the version."""
        installed, registered = self._installed(slug), self._types.get(slug)
        is_older = installed is not None and version not in (None, installed.version)
        return registered if is_older and registered and registered.version == version else installed

    def _installed(self, slug: str) -> BlockType | None:
        block_type = self._class(slug)
        if isinstance(block_type, str):
            return self._types.get(slug)
        if slug not in self._described:
            self._described[slug] = describe(block_type)
        return self._described[slug]


def _planned(declaration: Declaration, content: Content, version: int) -> PlannedBlock:
    """Return a block to which nothing is to be done."""
    in_clear = tuple(dotted(pointer) for pointer in content.in_clear)
    return PlannedBlock(
        declaration.address, "unchanged", version, in_clear=in_clear, source=declaration.node.source
    )


def _is_other(found: BlockType, described: BlockType) -> bool:
    """Tell whether a registered type is to be brought up to date.

    Raises:  SchemaConflict.
    """
    if found.version != described.version or found.structure_hash == described.structure_hash:
        return False
    return decide_registration([found], described) != "unchanged"


def _has_secrets(document: Document) -> bool:
    return any(kind.startswith(SECRET) for kind in document.content.marks.values())


def _label_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[FieldChange]:
    def change(key: str) -> FieldChange:
        kind: Literal["added", "removed", "changed"] = (
            "added" if key not in before else "removed" if key not in after else "changed"
        )
        return FieldChange(key, kind, before.get(key), after.get(key))

    return [change(key) for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
