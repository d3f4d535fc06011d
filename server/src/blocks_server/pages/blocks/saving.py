"""From what a form says to what a registry keeps: a block, and those that were made in place for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from uuid import UUID, uuid4

from blocks_core.document import Document, Draft, Encoded, Json, dotted, reference_mark
from blocks_core.errors import (
    BlockExists,
    BlockInvalid,
    BlocksError,
    FieldProblem,
    ReferenceBroken,
    VersionConflict,
)
from blocks_core.names import join_address
from blocks_core.registry import Put
from blocks_core.schema import BlockType
from blocks_registry.access import GuardedRegistry
from blocks_server.forms import Answer
from blocks_server.pages.errors import detail_of

T = TypeVar("T")

_TAKEN: Final = "is a name that another block of the type has. Choose another one, or that block"


@dataclass(frozen=True)
class MadeInPlace:
    """A block that was filled in inside another one's form, to be saved as one of its own."""

    pointer: str
    """Where it stands in the block that holds it."""
    draft: Draft


@dataclass(frozen=True)
class Writing:
    """What one form writes, all or nothing."""

    draft: Draft
    kept: Mapping[str, str]
    """JSON pointer of a secret in the draft -> where it stands now."""
    made: Sequence[MadeInPlace] = ()

    def save(
        self, registry: GuardedRegistry, expected_version: int, expected_id: UUID | None = None
    ) -> Document:
        """Write it, as a new block (0) or as the version behind the one that is expected.

        Raises:  what a registry's `save` does.
        """
        others = [Put(found.draft, expected_version=0) for found in self.made]
        if self.kept:
            return registry.save_keeping(
                self.draft,
                self.kept,
                expected_version=expected_version,
                expected_id=expected_id,
                others=others,
            )
        document = registry.change([*others, Put(self.draft, expected_version, expected_id)])[-1]
        assert document is not None
        return document

    def problems_of(self, error: BlocksError) -> list[FieldProblem]:
        """Return what a registry found, at the paths of the form's fields."""
        for found in self.made:
            address = join_address(found.draft.slug, found.draft.name)
            if isinstance(error, BlockInvalid) and f"'{address}'" in error.what:
                return [_moved(problem, found.pointer) for problem in error.problems]
            if isinstance(error, (VersionConflict, BlockExists)) and error.address == address:
                return [FieldProblem(dotted(found.pointer), _TAKEN)]
        if isinstance(error, BlockInvalid):
            return list(error.problems)
        if isinstance(error, ReferenceBroken):
            return [FieldProblem(error.field, "names a block that is not saved, or not for you to see")]
        return [FieldProblem("", detail_of(error))]


def writing_of(
    answer: Answer,
    block_type: BlockType,
    name: str,
    types: Mapping[str, BlockType],
    labels: Mapping[str, str] | None,
) -> Writing:
    """Return what is written of an answer.

    Args:    types: the registered ones by slug.
    """
    content = answer.content
    made: list[MadeInPlace] = []
    for pointer in sorted(answer.named, key=lambda each: each.count("/"), reverse=True):
        found = _taken_out(content, pointer, answer.named[pointer], types)
        made.append(found)
        assert found.draft.document_id is not None
        content = _with_reference(content, pointer, found.draft.document_id)
    draft = Draft(
        slug=block_type.slug,
        name=name,
        type_version=block_type.version,
        structure_hash=block_type.structure_hash,
        content=content,
        labels=labels,
    )
    return Writing(draft, answer.kept, made)


def _taken_out(content: Encoded, pointer: str, name: str, types: Mapping[str, BlockType]) -> MadeInPlace:
    slug = content.marks[pointer].removeprefix("inline:").rpartition("@")[0]
    block_type = types[slug]
    inner = Encoded(
        _at(content.data, pointer),
        _below(content.marks.items(), pointer),
        _below(content.secrets.items(), pointer),
    )
    draft = Draft(slug, name, block_type.version, block_type.structure_hash, inner, document_id=uuid4())
    return MadeInPlace(pointer, draft)


def _with_reference(content: Encoded, pointer: str, target: UUID) -> Encoded:
    begin = f"{pointer}/"
    marks = {place: mark for place, mark in content.marks.items() if not place.startswith(begin)}
    return replace(
        content,
        data=_replaced(content.data, _steps(pointer)),
        marks={**marks, pointer: reference_mark(target)},
        secrets={place: each for place, each in content.secrets.items() if not place.startswith(begin)},
    )


def _below(items: Iterable[tuple[str, T]], pointer: str) -> dict[str, T]:
    begin = f"{pointer}/"
    return {place.removeprefix(pointer): each for place, each in items if place.startswith(begin)}


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(data: Json, pointer: str) -> Json:
    for step in _steps(pointer):
        data = data[int(step)] if isinstance(data, list) else data[step] if isinstance(data, dict) else None
    return data


def _replaced(data: Json, steps: Sequence[str]) -> Json:
    """Return data with null at a place."""
    if not steps:
        return None
    if isinstance(data, dict):
        return {**data, steps[0]: _replaced(data[steps[0]], steps[1:])}
    assert isinstance(data, list)
    place = int(steps[0])
    return [*data[:place], _replaced(data[place], steps[1:]), *data[place + 1 :]]


def _moved(problem: FieldProblem, pointer: str) -> FieldProblem:
    path = dotted(pointer)
    return FieldProblem(f"{path}.{problem.path}" if problem.path else path, problem.problem)
