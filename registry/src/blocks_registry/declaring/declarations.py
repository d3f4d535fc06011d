"""Declarations: what a document of a file says of a block, its form checked."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, cast

from blocks_core.document import Json, dotted
from blocks_core.errors import NameInvalid, did_you_mean
from blocks_core.names import check_labels, join_address, split_address, suggest
from blocks_registry.declaring.kinds import JSON, is_kind, known_kinds, read_path
from blocks_registry.declaring.yaml_reader import MAX_DEPTH, Node
from blocks_registry.errors import DeclarationProblem

KEYS: Final = ("block", "type_version", "labels", "fields", "kinds")


@dataclass(frozen=True)
class Statement:
    """A document and the block that it is about."""

    slug: str
    name: str
    node: Node

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


@dataclass(frozen=True)
class Declaration:
    """The whole of a block: what it leaves out has its default, or is not there."""

    slug: str
    name: str
    node: Node = field(repr=False)
    type_version: int | None
    """That the fields are written for; None stands for the installed one."""
    labels: Mapping[str, str]
    fields: dict[str, Json] = field(repr=False)
    kinds: Mapping[str, str]
    """JSON pointer -> kind."""

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)

    def problem(self, text: str, pointer: str = "", *, within: str = "fields") -> DeclarationProblem:
        """Return a problem with the value at a pointer, or with the nearest around it."""
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        return self._problem(text, [within, *steps] if pointer or within != "fields" else [], dotted(pointer))

    def problem_at(self, path: str, text: str) -> DeclarationProblem:
        """Return a problem with the value at a dotted path of a field."""
        return self._problem(text, ["fields", *path.split(".")] if path else [], path)

    def _problem(self, text: str, steps: Sequence[str], path: str) -> DeclarationProblem:
        place = _nearest(self.node, steps)
        return DeclarationProblem(text, place.source, place.line, place.column, self.address, path)


def state(documents: Iterable[Node], problems: list[DeclarationProblem]) -> list[Statement]:
    """Return the documents, those in lists one by one, with the blocks that they name."""
    found: list[Statement] = []
    for document in documents:
        for node in document.value if isinstance(document.value, list) else [document]:
            statement = _state(node, problems)
            if statement is not None:
                found.append(statement)
    return found


def each_once(statements: Iterable[Statement], problems: list[DeclarationProblem]) -> list[Statement]:
    """Return the first statement about each block; others are problems."""
    first: dict[str, Statement] = {}
    for statement in statements:
        earlier = first.setdefault(statement.address, statement).node
        if earlier is not statement.node:
            problems.append(
                _problem(
                    statement.node,
                    f"the block is declared in {earlier.source}:{earlier.line} already. Declare it once; what "
                    f"differs between environments stands in an overlay (--overlay)",
                    statement.address,
                )
            )
    return list(first.values())


def declare(statement: Statement, problems: list[DeclarationProblem]) -> Declaration | None:
    """Return what a document declares; None, with its problems noted, where its form is not one."""
    before = len(problems)
    members = cast("dict[str, Node]", statement.node.value)
    fields, kinds = _fields_and_kinds(statement, members, problems)
    declaration = Declaration(
        statement.slug,
        statement.name,
        statement.node,
        _type_version(statement, members.get("type_version"), problems),
        _labels(statement, members.get("labels"), problems),
        fields,
        kinds,
    )
    for name, node in members.items():
        if name not in KEYS:
            hint = did_you_mean(suggest(name, KEYS))
            problems.append(
                _problem(
                    node,
                    f"a declaration has no '{_shown(name)}'{hint}. It has {', '.join(KEYS)}",
                    declaration.address,
                )
            )
    return declaration if len(problems) == before else None


def to_json(node: Node) -> Json:
    """Return a node's value without the places."""
    if isinstance(node.value, dict):
        return {key: to_json(inner) for key, inner in node.value.items()}
    if isinstance(node.value, list):
        return [to_json(inner) for inner in node.value]
    return node.value


def _state(node: Node, problems: list[DeclarationProblem]) -> Statement | None:
    if not isinstance(node.value, dict) or "block" not in node.value:
        problems.append(
            _problem(
                node, 'a declaration is a mapping that names its block, such as "block: s3/raw-data"', ""
            )
        )
        return None
    named = node.value["block"]
    if not isinstance(named.value, str):
        problems.append(_problem(named, "'block' takes an address, slug/name, such as s3/raw-data", ""))
        return None
    try:
        slug, name = split_address(named.value)
    except NameInvalid as error:
        problems.append(_problem(named, _of_name(named.value) or str(error), ""))
        return None
    return Statement(slug, name, node)


def _of_name(address: str) -> str:
    """Return what is wrong with a name that holds characters which are none of ASCII, however they look."""
    odd = next((char for char in address if ord(char) > 0x7E), None)
    if odd is None:
        return ""
    name = unicodedata.name(odd, f"character U+{ord(odd):04X}")
    return (
        f"{address[:120]!a} is no address of a block: it has the character {odd!a} ({name}), and names have "
        f"lower-case letters of ASCII, digits, '-', '_' and '.' only. Type it anew"
    )


def _type_version(statement: Statement, node: Node | None, problems: list[DeclarationProblem]) -> int | None:
    if node is None or node.value is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 0 < node.value < 2**31:
        problems.append(_problem(node, "'type_version' takes a whole number from 1", statement.address))
        return None
    return node.value


def _labels(statement: Statement, node: Node | None, problems: list[DeclarationProblem]) -> dict[str, str]:
    before = len(problems)
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        problems.append(
            _problem(node, "'labels' takes a mapping of texts, such as {team: data}", statement.address)
        )
        return {}
    found: dict[str, str] = {}
    for key, inner in node.value.items():
        if isinstance(inner.value, str):
            found[key] = inner.value
            _check_labels(statement, inner, {key: inner.value}, problems)
        else:
            problems.append(
                _problem(
                    inner, f"the label '{_shown(key)}' takes a text. Put it in quotes", statement.address
                )
            )
    if len(problems) == before:
        _check_labels(statement, node, found, problems)
    return found


def _check_labels(
    statement: Statement, node: Node, labels: Mapping[str, str], problems: list[DeclarationProblem]
) -> None:
    try:
        check_labels(labels)
    except NameInvalid as error:
        problems.append(_problem(node, str(error), statement.address))


def _fields_and_kinds(
    statement: Statement, members: Mapping[str, Node], problems: list[DeclarationProblem]
) -> tuple[dict[str, Json], dict[str, str]]:
    node = members.get("fields")
    fields: Json = {} if node is None or node.value is None else to_json(node)
    if not isinstance(fields, dict):
        assert node is not None
        problems.append(_problem(node, "'fields' takes a mapping of the block's fields", statement.address))
        return {}, {}
    kinds = _kinds(statement, members.get("kinds"), problems)
    fields, without = expand_json(fields, kinds)
    for pointer in without:
        problems.append(
            _problem(
                _nearest(statement.node, ["kinds"]),
                f"the value at '{_shown(dotted(pointer))}' is of the kind 'json' and no text with JSON in it",
                statement.address,
            )
        )
    assert isinstance(fields, dict)
    return fields, kinds


def _kinds(statement: Statement, node: Node | None, problems: list[DeclarationProblem]) -> dict[str, str]:
    if node is None or node.value is None:
        return {}
    found, wrong = read_kinds(to_json(node))
    if found.pop("", None) is not None:
        wrong.append(("", "a kind is given for the fields as a whole. Name the field"))
    for key, problem in wrong:
        problems.append(_problem(_nearest(node, [key]), problem, statement.address))
    return found


def read_kinds(value: Json) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the kinds of a mapping by pointers, and what is wrong: pairs of its key and the problem."""
    if not isinstance(value, dict):
        return {}, [("", "'kinds' takes a mapping of paths and kinds, such as {start: date}")]
    found: dict[str, str] = {}
    wrong: list[tuple[str, str]] = []
    for path, kind in value.items():
        pointer = read_path(path)
        if pointer is None:
            wrong.append(
                (path, f"'{_shown(path)}' is no path: write hosts.0.token, or the pointer /hosts/0/token")
            )
        elif not isinstance(kind, str) or not is_kind(kind):
            hint = did_you_mean(suggest(kind, known_kinds())) if isinstance(kind, str) else ""
            shown = f"'{_shown(kind)}'" if isinstance(kind, str) else "this"
            wrong.append(
                (path, f"{shown} is no kind of a value{hint}. See docs/declarative.md for the kinds")
            )
        elif pointer in found:
            wrong.append(
                (path, f"'{_shown(path)}' is given twice, in two ways of writing a path. Give it once")
            )
        else:
            found[pointer] = kind
    return found, wrong


def expand_json(root: Json, kinds: dict[str, str]) -> tuple[Json, list[str]]:
    """Return a value with texts of the kind `json` replaced by what they hold.

    Args:    kinds: by pointers; those that are dealt with here are taken out.
    Returns: also the pointers of the texts that hold no JSON.
    """
    pointers = sorted(pointer for pointer, kind in kinds.items() if kind.partition("+")[0] == JSON)
    for pointer in pointers:
        _, plus, kind = kinds.pop(pointer).partition("+")
        if plus:
            kinds[pointer] = kind
    holder: dict[str, Json] = {"": deepcopy(root) if pointers else root}
    without = [pointer for pointer in pointers if not _put_json(holder, pointer)]
    return holder[""], without


def _put_json(holder: Any, pointer: str) -> bool:
    *above, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/"))
    try:
        for step in above:
            holder = holder[int(step) if isinstance(holder, list) else step]
        key: Any = int(last) if isinstance(holder, list) else last
        holder[key] = _parsed(holder[key])
    except (LookupError, TypeError, ValueError, RecursionError):
        return False
    return True


def _parsed(text: Any) -> Json:
    """Return the value of a text that holds JSON, by the rules of the file around it.

    Raises:  TypeError, ValueError, RecursionError.
    """
    found: Json = json.loads(
        text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_with_each_key_once
    )
    waiting: list[tuple[Json, int]] = [(found, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(inner, depth + 1) for inner in inside]
    return found


def _finite(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError
    return found


def _with_each_key_once(members: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError
    return found


def _nearest(node: Node, steps: Sequence[str]) -> Node:
    """Return the node at the end of these steps, or the last one on the way there."""
    for step in steps:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[step]
        elif isinstance(node.value, list) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
        else:
            break
    return node


def _problem(node: Node, text: str, address: str) -> DeclarationProblem:
    return DeclarationProblem(text, node.source, node.line, node.column, address)


def _shown(text: str) -> str:
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return short if short.isprintable() else ascii(short)[1:-1]
