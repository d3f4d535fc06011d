"""Whether an answer fits its schema, before a registry is asked; in its words.

What nobody can look into here takes part as what does fit: a secret that is kept, as a reference to one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

from blocks_core.document import Json, dotted, pointer_to
from blocks_core.errors import FieldProblem
from blocks_core.schema import BlockType
from blocks_core.secret_reference import MARK
from blocks_core.validation import Held, Validator
from blocks_server.forms.answers import Answer
from blocks_server.forms.choices import Choices


def find_problems(
    answer: Answer,
    validator: Validator,
    choices: Choices,
    described: Callable[[str], tuple[Validator, BlockType] | None],
    unseen: set[str],
) -> list[FieldProblem]:
    """Return what does not fit, with dotted paths.

    Args:    unseen: pointers of the blocks of which nothing is known.
    """
    marks = {**answer.content.marks, **dict.fromkeys(answer.kept, f"{MARK}str")}

    def held(document_id: UUID) -> Held | None:
        choice = choices.find(str(document_id))
        return Held(choice.slug, choice.capabilities) if choice else None

    def inside(slug: str, version: int) -> tuple[Validator, Held]:
        found = described(slug)
        if found is None or found[1].version != version:
            return Validator({}), Held(slug, ())
        return found[0], Held(slug, found[1].capabilities)

    hidden = {dotted(pointer) for pointer in unseen}
    content = replace(answer.content, marks=marks, data=_told_apart(answer.content.data, "", answer.kept))
    return [found for found in validator.problems(content, held, inside) if found.path not in hidden]


def _told_apart(data: Json, pointer: str, kept: Mapping[str, str]) -> Json:
    """Return data with another text for each secret that is kept: two of a set are not the same one."""
    if pointer in kept:
        return kept[pointer]
    if isinstance(data, dict):
        return {key: _told_apart(value, pointer_to(pointer, key), kept) for key, value in data.items()}
    if isinstance(data, list):
        return [_told_apart(value, pointer_to(pointer, number), kept) for number, value in enumerate(data)]
    return data
