"""The trail of upgrades: each step with the fields before and after it, and which step left a field over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from blocks_core.document import Encoded, Json, pointer_to
from blocks_core.errors import BlockInvalid, FieldProblem

UNKNOWN = "there is no such field"
"""How a field that a type lacks is refused."""


@dataclass(frozen=True)
class Step:
    """One upgrade that was done."""

    slug: str
    from_version: int
    name: str
    """Of its function."""
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __str__(self) -> str:
        return f"the upgrade of '{self.slug}' from version {self.from_version} ({self.name})"


Steps = tuple[Step, ...]


def explained(error: BlockInvalid, steps: Steps) -> BlockInvalid:
    """Return the refusal of upgraded fields, saying of each that the type lacks where it comes from."""
    problems = [
        FieldProblem(problem.path, f"{problem.problem}; {whence(steps, _pointer(problem.path))}")
        if problem.problem.startswith(UNKNOWN)
        else problem
        for problem in error.problems
    ]
    first, last = steps[0].from_version, steps[-1].from_version + 1
    return BlockInvalid(f"{error.what.rstrip(',')}, upgraded from version {first} to {last},", problems)


def whence(steps: Steps, pointer: str) -> str:
    """Return where a field that was left over comes from, and which upgrades did not take it away.

    Args:    pointer: of the field, from the block that the steps upgraded.
    """
    adding = [step for step in steps if not _has(step.before, pointer) and _has(step.after, pointer)]
    if adding:
        return f"{adding[-1]} added it"
    names = ", ".join(f"{step.name} from version {step.from_version}" for step in steps)
    return f"version {steps[0].from_version} stored it, and no upgrade ({names}) dropped or renamed it"


def steps_around(steps: Mapping[str, Steps], pointer: str) -> tuple[str, Steps]:
    """Return where the innermost block around a place stands that was upgraded, and its steps."""
    around = [start for start in steps if steps[start] and (not start or pointer.startswith(f"{start}/"))]
    start = max(around, key=len, default="")
    return start, steps.get(start, ())


def lost(given: Encoded, made: Encoded) -> Iterator[str]:
    """Yield the pointers of the members of content that are not in what was made of it."""
    yield from _lost(given.data, made, made.data, "")
    for pointer in given.secrets.keys() & made.secrets.keys():
        for inner in lost(given.secrets[pointer], made.secrets[pointer]):
            yield pointer + inner


def _lost(data: Json, made: Encoded, again: Json, pointer: str) -> Iterator[str]:
    mark = made.marks.get(pointer, "")
    if mark in ("set", "frozenset") or mark.startswith(
        "keys:"
    ):  # which have an order, and texts, of their own
        return
    if isinstance(data, dict) and isinstance(again, dict):
        for name in data:
            inner = pointer_to(pointer, name)
            if name in again:
                yield from _lost(data[name], made, again[name], inner)
            else:
                yield inner
    elif isinstance(data, list) and isinstance(again, list):
        for index, (item, other) in enumerate(zip(data, cast("list[Json]", again), strict=False)):
            yield from _lost(item, made, other, pointer_to(pointer, index))


def _has(data: object, pointer: str) -> bool:
    here: Any = data
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            here = here[int(name) if isinstance(cast("object", here), list) else name]
        except (KeyError, IndexError, TypeError, ValueError):
            return False
    return True


def _pointer(path: str) -> str:
    pointer = ""
    for step in path.split("."):
        pointer = pointer_to(pointer, step)
    return pointer
