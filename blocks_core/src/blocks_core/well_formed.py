"""Whether a stored form is one: plain JSON, marks that say what stands at their places, each secret at its mark.

A class's own encoder makes no other. A client that writes by hand may, and what it marks as a secret or a block
must not also stand in clear, nor be hidden from those who look for references.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, cast
from uuid import UUID

from blocks_core.decoding import decode
from blocks_core.document import Encoded, dotted
from blocks_core.encoding import MAX_INT_BITS
from blocks_core.errors import BlockInvalid, DocumentDamaged, FieldProblem, NameInvalid
from blocks_core.names import check_slug
from blocks_core.secret_reference import SecretReference

_SECRETS: Final = ("secret:str", "secret:bytes", "secret:value")
_REFERENCES: Final = ("secretref:str", "secretref:bytes")
_MAX_PROBLEMS = 20


def refuse_malformed(content: Encoded, what: str) -> None:
    """Refuse what is no stored form of a block.

    Args:    what: what to call it in an error.
    Raises:  BlockInvalid: with one problem for each place, and no value.
    """
    found: list[FieldProblem] = []
    for problem in _problems(content):
        found.append(problem)
        if len(found) == _MAX_PROBLEMS:
            break
    if not found:
        try:
            decode(content, lambda pointer, mark, members: None, address=what)
        except DocumentDamaged as error:
            found.append(FieldProblem("", str(error)))
        except (AttributeError, OSError):  # a time zone's name that is a folder
            found.append(FieldProblem("", "a mark does not fit what it stands at"))
    if found:
        raise BlockInvalid(what, found)


def _problems(content: Encoded) -> Iterator[FieldProblem]:
    yield from _not_json(content.data, "")
    if "" in content.marks:
        yield FieldProblem("", "a block itself has no mark")
    waiting = [("", content, False)]
    while waiting:
        base, part, is_secret = waiting.pop()
        for pointer, mark in cast("dict[Any, Any]", part.marks).items():
            if not isinstance(pointer, str) or not isinstance(mark, str):
                yield FieldProblem(dotted(base), "a mark and its place must be texts")
            elif problem := _misfit(part, pointer, mark, is_secret):
                yield FieldProblem(dotted(base + pointer), problem)
        for pointer, secret in part.secrets.items():
            if not str(part.marks.get(pointer, "")).startswith("secret:"):
                yield FieldProblem(dotted(base + pointer), "must be a secret that its mark says is one")
            yield from _not_json(secret.data, base + pointer)
            waiting.append((base + pointer, secret, True))


def _misfit(part: Encoded, pointer: str, mark: str, is_secret: bool) -> str:
    """Return what is wrong with a mark; nothing where it fits."""
    try:
        data = _at(part.data, pointer)
    except (LookupError, TypeError, ValueError):
        return "a mark stands at a place that is not there"
    word = mark.partition(":")[0]
    if is_secret and word in ("block", "inline", "secretref"):
        return "a secret cannot hold a block or a secret reference"
    if word in ("secret", "block") and data is not None:
        return f"a value stands in clear beside its mark '{word}'"
    if word == "secret" and pointer not in part.secrets:
        return "is a secret without a value"
    known = {"secret": mark in _SECRETS, "secretref": mark in _REFERENCES, "block": _is_reference(mark)}
    if not known.get(word, True):
        return f"its mark '{word}' is none that a block has"
    if word == "inline" and not (isinstance(data, dict) and _is_inline(mark)):
        return "is no block of fields"
    if word == "secretref" and not _is_secret_reference(data):
        return "is no secret reference. Write env:NAME, file:PATH or SLUG/NAME/KEY"
    return _misfit_of_kind(word, data)


def _is_secret_reference(data: Any) -> bool:
    try:
        return isinstance(data, str) and str(SecretReference.parse(data)) == data
    except NameInvalid:
        return False


def _misfit_of_kind(word: str, data: Any) -> str:
    """Return whether the mark of a value stands at another kind of value than it is for."""
    if word in ("secret", "block", "inline"):
        return ""
    wanted = dict if word == "keys" else list if word in ("tuple", "set", "frozenset") else str
    return "" if isinstance(data, wanted) else "its mark does not fit what it stands at"


def _is_reference(mark: str) -> bool:
    text = mark.removeprefix("block:")
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _is_inline(mark: str) -> bool:
    slug, _, version = mark.removeprefix("inline:").rpartition("@")
    try:
        check_slug(slug)
    except NameInvalid:
        return False
    return version.isascii() and version.isdecimal() and len(version) < 10


def _at(data: Any, pointer: str) -> Any:
    """Return what stands at a pointer.

    Raises:  LookupError, TypeError, ValueError: nothing does.
    """
    if pointer and not pointer.startswith("/"):
        raise ValueError
    for step in pointer.split("/")[1:]:
        if isinstance(data, list):
            if str(int(step)) != step or step.startswith("-"):
                raise ValueError
            data = cast("list[Any]", data)[int(step)]
        else:
            data = data[step.replace("~1", "/").replace("~0", "~")]
    return data


def _not_json(root: Any, pointer: str) -> Iterator[FieldProblem]:
    """Yield what JSON cannot hold; without recursion, as it may be of any depth."""
    waiting = [root]
    while waiting:
        data = waiting.pop()
        if isinstance(data, dict):
            members = cast("dict[Any, Any]", data)
            waiting += members.values()
            if not all(isinstance(name, str) for name in members):
                yield FieldProblem(dotted(pointer), "a member's name must be a text")
        elif isinstance(data, list):
            waiting += cast("list[Any]", data)
        elif isinstance(data, float):
            if not math.isfinite(data):
                yield FieldProblem(
                    dotted(pointer), "a number is infinite or none; write it as a text with a mark"
                )
        elif isinstance(data, int):
            if data.bit_length() > MAX_INT_BITS:
                yield FieldProblem(dotted(pointer), "a number has too many digits")
        elif not (data is None or isinstance(data, str)):
            yield FieldProblem(dotted(pointer), f"a {type(data).__name__} is no JSON")
