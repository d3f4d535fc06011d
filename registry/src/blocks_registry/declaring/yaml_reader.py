"""YAML as a strict subset reads it: texts, numbers, true, false, null, lists and mappings, and where each stands.

Plain scalars mean what the core schema of YAML 1.2 says, but numbers that a text may be meant by stay texts: with
leading zeros (`007`), a plus sign (`+49`), another base (`0o7`, `0x1F`). There are no tags, anchors, aliases and
merge keys, so nothing can be made, repeated or multiplied.

Source: YAML 1.2.2, chapter 10.3 (core schema); events by PyYAML, on libyaml where that is there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

import yaml
from yaml import events

from blocks_registry.errors import DeclarationProblem

MAX_BYTES: Final = 10 * 1024 * 1024
"""Of one file."""

MAX_DOCUMENTS: Final = 10_000
"""In all files together, like the next."""

MAX_VALUES: Final = 1_000_000
"""Texts, numbers, lists, mappings."""

MAX_DEPTH: Final = 104
"""Levels of lists and mappings: the 100 that a block may have, and what stands around its fields."""

MAX_CHARACTERS: Final = 4 * 1024 * 1024
"""Of one text: what a whole block may have."""

MAX_KEY_CHARACTERS: Final = 1_000
MAX_DIGITS: Final = 4_000
_MAX_PROBLEMS: Final = 100
"""Of one file; who has made more begins with these."""

_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"-?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = 'half of a character (a surrogate) cannot stand in YAML. Write the text as JSON, of the kind "json"'

PARSER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """A value and the place that it stands at, or where its key does."""

    value: bool | int | float | str | list[Node] | dict[str, Node] | None
    source: str
    line: int
    column: int


class Budget:
    """What may still be read in one run, and the problems that were met; shared by all its files."""

    def __init__(self) -> None:
        self.documents = MAX_DOCUMENTS
        self.values = MAX_VALUES
        self.problems: list[DeclarationProblem] = []


def read_documents(raw: bytes, source: str, budget: Budget, *, parser: Any = PARSER) -> list[Node]:
    """Return the documents of a YAML file, empty ones left out; what is wrong goes to the budget's problems.

    Args:    raw: the file's bytes, UTF-8. source: what to call the file in problems.
             parser: a loader of PyYAML, of which only the events are used.
    """
    reader = _Reader(source, budget, parser)
    try:
        return reader.read(raw)
    except _Stopped:
        return []


class _Stopped(Exception):
    """Nothing more can be made of this file; the problem is noted."""


class _Reader:
    def __init__(self, source: str, budget: Budget, parser: Any) -> None:
        self._parser = parser
        self._source = source
        self._budget = budget
        self._count = 0
        self._next: Callable[[], Any]

    def read(self, raw: bytes) -> list[Node]:
        parser = self._parser(self._text(raw))
        self._next = parser.get_event
        found: list[Node] = []
        try:
            for node in self._documents():
                if node.value is not None:
                    found.append(node)
        except yaml.YAMLError as error:
            self._note_syntax(error)
        finally:
            parser.dispose()
        return found

    def _text(self, raw: bytes) -> str:
        if len(raw) > MAX_BYTES:
            self._stop(f"the file is larger than {MAX_BYTES // 1024**2} MiB. Split it")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode("utf-8-sig")
            line, column = _place(before, len(before))
            self._stop("the file is not UTF-8 here. Save it as UTF-8", line, column)
        found = _CONTROL.search(text)
        if found is not None:
            shown = ascii(found[0])[1:-1]
            self._stop(
                f"the character {shown} must not stand here as it is. Write the text in double quotes and the "
                f'character as "{_yaml_escape(found[0])}"',
                *_place(text, found.start()),
            )
        return text

    def _documents(self) -> Iterator[Node]:
        while True:
            event = self._next()
            if isinstance(event, events.StreamEndEvent):
                return
            if isinstance(event, events.DocumentStartEvent):
                self._check_document(event)
                yield self._compose(self._next(), 1)

    def _check_document(self, event: Any) -> None:
        if event.version not in (None, (1, 2)):
            self._note(event, "files are read as YAML 1.2. Take the line %YAML out")
        if event.tags:
            self._note(event, "tags are not read. Take the line %TAG out")
        self._budget.documents -= 1
        if self._budget.documents < 0:
            self._stop_at(
                event, f"there are more than {MAX_DOCUMENTS:,} documents. Apply them in several runs"
            )

    def _compose(self, event: Any, depth: int) -> Node:
        self._budget.values -= 1
        if self._budget.values < 0:
            self._stop_at(event, f"there are more than {MAX_VALUES:,} values. Apply them in several runs")
        if isinstance(event, events.AliasEvent):
            self._note(
                event, "an alias (*name) is not read. Write the value out, or put it into a block of its own"
            )
            return self._node(None, event)
        self._check_properties(event)
        if isinstance(event, events.ScalarEvent):
            return self._node(self._scalar(event), event)
        if depth > MAX_DEPTH:
            self._stop_at(event, f"this lies deeper than {MAX_DEPTH} levels. Flatten it")
        if isinstance(event, events.SequenceStartEvent):
            return self._node(self._sequence(depth), event)
        return self._node(self._mapping(depth), event)

    def _check_properties(self, event: Any) -> None:
        if event.anchor is not None:
            self._note(event, "an anchor (&name) is not read. Take it out")
        if event.tag is not None:
            self._note(event, "a tag (such as !!str) is not read. Take it out; a text stands in quotes")

    def _sequence(self, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._next(), events.SequenceEndEvent):
            items.append(self._compose(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := self._next(), events.MappingEndEvent):
            key = self._key(event, depth)
            member = self._compose(self._next(), depth + 1)
            member.line, member.column = _mark(event)
            if key is None:
                continue
            if key in members:
                first = members[key]
                self._note(
                    event, f"the key '{_short(key)}' stands in line {first.line} already. Give each key once"
                )
            members[key] = member
        return members

    def _key(self, event: Any, depth: int) -> str | None:
        """Return a key as it is written, or None where it is none."""
        if not isinstance(event, events.ScalarEvent):
            self._note(event, "a key must be a text, and here it is a list, a mapping or an alias")
            self._compose(event, depth + 1)
            return None
        self._check_properties(event)
        plain = _is_plain(event)
        key = cast("str", event.value)
        if plain and key == "<<":
            self._note(event, "a merge key (<<) is not read. Write the members out; a text stands in quotes")
        elif plain and not key:
            self._note(event, "a key is empty. Give it a name; a text stands in quotes")
        elif len(key) > MAX_KEY_CHARACTERS:
            self._note(event, f"a key is longer than {MAX_KEY_CHARACTERS:,} characters. Shorten it")
        elif _SURROGATE.search(key):
            self._note(event, _HALF)
        else:
            return key
        return None

    def _scalar(self, event: Any) -> bool | int | float | str | None:
        text = cast("str", event.value)
        if len(text) > MAX_CHARACTERS:
            self._note(event, f"a text is longer than {MAX_CHARACTERS:,} characters. Keep it in a storage")
            return None
        if not text.isascii() and _SURROGATE.search(text):
            self._note(event, _HALF)
        if not _is_plain(event):
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.fullmatch(text):
            return self._int(text, event)
        if _FLOAT.fullmatch(text):
            return self._float(text, event)
        if _NO_NUMBER.fullmatch(text):
            word = text.lower().replace(".", "").removeprefix("+")
            self._note(
                event,
                f'{text} is no number of JSON. Write "{word}", and say its kind: "kinds: {{FIELD: float}}"',
            )
        return text

    def _int(self, text: str, event: Any) -> int:
        if len(text) > MAX_DIGITS:
            self._note(event, f"a number has more than {MAX_DIGITS:,} digits. Write it as a text, in quotes")
            return 0
        return int(text)

    def _float(self, text: str, event: Any) -> float:
        found = float(text) if len(text) <= MAX_DIGITS else math.inf
        if not math.isfinite(found):
            self._note(event, "a number is too large. Write it as a text, in quotes")
            return 0.0
        return found

    def _node(self, value: Any, event: Any) -> Node:
        return Node(value, self._source, *_mark(event))

    def _note(self, event: Any, problem: str) -> None:
        self._add(problem, *_mark(event))
        if self._count >= _MAX_PROBLEMS:
            self._stop("there are more problems in this file. Mend the ones above first")

    def _stop_at(self, event: Any, problem: str) -> NoReturn:
        self._stop(problem, *_mark(event))

    def _stop(self, problem: str, line: int = 0, column: int = 0) -> NoReturn:
        self._add(problem, line, column)
        raise _Stopped

    def _note_syntax(self, error: yaml.YAMLError) -> None:
        """Note what the parser says; never the piece of the file that it may show."""
        marked = cast("Any", error)
        mark = getattr(marked, "problem_mark", None) or getattr(marked, "context_mark", None)
        said = [getattr(marked, part, None) for part in ("context", "problem")]
        text = ", ".join(str(part) for part in said if part) or "it cannot be read"
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        if "nesting depth" in text:  # the parser's own limit, which it meets when it reads ahead
            self._add(f"this lies deeper than {MAX_DEPTH} levels. Flatten it", *place)
            return
        self._add(f"this is not YAML: {text}. Mend the line, or put the text in quotes", *place)

    def _add(self, problem: str, line: int = 0, column: int = 0) -> None:
        self._count += 1
        self._budget.problems.append(DeclarationProblem(problem, self._source, line, column))


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _is_plain(event: Any) -> bool:
    return event.style in (None, "")


def _place(text: str, index: int) -> tuple[int, int]:
    """Return line and column of a place in a text, both from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _yaml_escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _short(key: str) -> str:
    shown = key if len(key) <= 60 else f"{key[:60]}…"
    return shown if shown.isprintable() else ascii(shown)[1:-1]
