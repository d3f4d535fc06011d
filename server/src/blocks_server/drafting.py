"""Drafts from what clients send: secrets kept, set or cleared, and what the client leaves to the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from blocks_core.document import Draft, Encoded, Json, dotted
from blocks_core.errors import FieldProblem
from blocks_registry.access import GuardedRegistry
from blocks_server.bodies import Clear, Content, DraftBody, Keep, SetTo, StoredValue
from blocks_server.errors import RequestInvalid

_TEXT, _OTHER = "secret:str", "secret:value"


@dataclass(frozen=True)
class Drafted:
    """A draft, and the secrets that it takes over from the version that is saved now."""

    draft: Draft
    kept: Mapping[str, str]
    """JSON pointer in the draft -> where the secret stands now."""


def draft_of(body: DraftBody, registry: GuardedRegistry) -> Drafted:
    """Return the draft of a body; what it says nothing of is as the type is registered.

    Raises:  BlockTypeNotFound: no such type is registered. RequestInvalid.
    """
    content, kept = _content_of(body.content)
    version, structure = body.type_version, body.structure_hash
    if version is None or structure is None:
        known = registry.type(body.slug)
        version = known.version if version is None else version
        if structure is None:
            structure = known.structure_hash if known.version == version else ""
    draft = Draft(
        slug=body.slug,
        name=body.name,
        type_version=version,
        structure_hash=structure,
        content=content,
        labels=body.labels,
        document_id=body.document_id,
        action=body.action,
    )
    return Drafted(draft, kept)


def _content_of(content: Content) -> tuple[Encoded, dict[str, str]]:
    data, marks = content.data, dict(content.marks)
    secrets: dict[str, Encoded] = {}
    kept: dict[str, str] = {}
    for pointer, given in content.secrets.items():
        if isinstance(given, Clear):
            marks.pop(pointer, None)
        elif isinstance(given, Keep):
            kept[pointer] = given.keep
        elif isinstance(given, SetTo):
            secrets[pointer] = Encoded(given.set)
            marks.setdefault(pointer, _TEXT if isinstance(given.set, str) else _OTHER)
        else:
            secrets[pointer] = _encoded(given)
            marks.setdefault(pointer, _TEXT)
        _empty(data, pointer)
    return Encoded(data, marks, secrets), kept


def _encoded(value: StoredValue) -> Encoded:
    inner = {pointer: _encoded(each) for pointer, each in value.secrets.items()}
    return Encoded(value.data, value.marks, inner)


def _empty(data: Any, pointer: str) -> None:
    """Put null where a secret stands, if its field was left out.

    Raises:  RequestInvalid: the pointer leads nowhere, or a value stands there in clear.
    """
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    here = data
    try:
        for step in steps[:-1]:
            here = _inside(here, step)
        if isinstance(here, dict):
            found = cast("dict[str, Json]", here).setdefault(steps[-1], None)
        else:
            found = _inside(here, steps[-1])
    except (AttributeError, LookupError, TypeError, ValueError):
        problem = "there is no such place for a secret: name it by a JSON pointer, such as /password"
        raise _refusal(pointer, problem) from None
    if found is not None:
        raise _refusal(pointer, "a value stands in clear where the secret is, which takes null there")


def _inside(data: Any, step: str) -> Any:
    return cast("list[Json]", data)[int(step)] if isinstance(data, list) else data[step]


def _refusal(pointer: str, problem: str) -> RequestInvalid:
    path = dotted(pointer)[:100]
    return RequestInvalid(f"The block cannot be read: {path}: {problem}.", [FieldProblem(path, problem)])
