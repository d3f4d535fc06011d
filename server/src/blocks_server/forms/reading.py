"""From what was sent to a form that is filled in with it.

The fields are gone through and their names looked up, so nothing that was sent decides what is read. What was not
sent is as it was stored, or blank: fields of a branch that was only just chosen, most of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from blocks_server.forms.compiling import resolved
from blocks_server.forms.errors import FormTooLarge
from blocks_server.forms.fields import (
    MISSING,
    BlockField,
    ConstantField,
    Field,
    ListField,
    MapField,
    ModelField,
    NothingField,
    SecretField,
    TextField,
    UnionField,
)
from blocks_server.forms.naming import member_name, part_name, row_name
from blocks_server.forms.nodes import (
    AS_JSON,
    BY_ADDRESS,
    GIVEN,
    INSIDE,
    KEEP,
    LEFT_OUT,
    REFER,
    SET_LINES,
    Node,
    Typed,
)
from blocks_server.forms.showing import Showing, asks_for_empty, below, item_field

MAX_PAIRS: Final = 200_000
MAX_CHARACTERS: Final = 16 * 1024 * 1024
_MAX_ROW_DIGITS: Final = 9

ACTION: Final = "~do"
"""The name of the buttons that change the form: a verb and the name of what it is done to."""


@dataclass(frozen=True)
class Action:
    """What a button of the form asks for."""

    verb: str = ""
    """`add`, `remove`, `up`, `down`, `open` or `close`; empty where none was pressed."""
    name: str = ""

    @classmethod
    def of(cls, text: str) -> Action:
        """Return the action of a button's value."""
        verb, _, name = text.partition(" ")
        return cls(verb, name)


class Reading:
    """Reads what was sent for one form.

    Raises:  FormTooLarge.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], showing: Showing) -> None:
        self._showing = showing
        self._sent: dict[str, list[str]] = {}
        characters = 0
        for count, (name, value) in enumerate(pairs, start=1):
            characters += len(name) + len(value)
            if count > MAX_PAIRS or characters > MAX_CHARACTERS:
                raise FormTooLarge(
                    f"What was sent has more than {MAX_PAIRS:,} inputs or {MAX_CHARACTERS:,} characters. Keep large "
                    f"values in a storage, and their path in the block."
                )
            self._sent.setdefault(name, []).append(value)
        self.action = Action.of(self._last(ACTION) or "")
        self.changed = ""
        """The name of the input to go on with, where the action made a new one."""

    def read(self, field: Field, name: str = "", origin: str | None = "", depth: int = 0) -> Node:
        """Return a field filled in with what was sent for it."""
        self._showing.count(depth)
        found = resolved(field)
        if found.is_read_only:
            return self._showing.stored(field, name, origin, depth)
        if isinstance(found, (ConstantField, NothingField)):  # whatever stood there, in another branch
            return Node(found, name, origin)
        if self._last(part_name(name, "as")) == AS_JSON and not isinstance(found, (UnionField, SecretField)):
            text = self._last(name)
            if text is not None:
                return Node(found, name, origin, text=_lines(text), is_json=True)
        node = self._read(found, name, origin, depth)
        return node if node is not None else self._not_sent(field, name, origin, depth)

    def _read(self, field: Field, name: str, origin: str | None, depth: int) -> Node | None:
        """Return a field filled in with what was sent; None where nothing was."""
        if isinstance(field, ModelField):
            return self._model(field, name, origin, depth)
        if isinstance(field, (ListField, MapField)):
            return self._rows_field(field, name, origin, depth)
        if isinstance(field, UnionField):
            return self._union(field, name, origin, depth)
        text = self._last(name)
        if text is None:
            return None
        if isinstance(field, SecretField):
            return self._secret(field, name, origin, text)
        if isinstance(field, BlockField):
            return self._block(field, name, origin, text, depth)
        is_empty = isinstance(field, TextField) and not text and asks_for_empty(field)
        is_meant = is_empty and self._last(part_name(name, "empty")) is not None
        return Node(field, name, origin, text=_lines(text), is_empty=is_meant)

    def _not_sent(self, field: Field, name: str, origin: str | None, depth: int) -> Node:
        """Return a field as it was stored where that fits it, else blank."""
        stored = self._showing.stored(field, name, origin, depth)
        return self._showing.show(field, name, MISSING, None, depth) if stored.is_json else stored

    def _secret(self, field: SecretField, name: str, origin: str | None, word: str) -> Node:
        if word == REFER:
            return Node(field, name, origin, text=word, secret=self._last(part_name(name, "ref")) or "")
        part = "lines" if word == SET_LINES else "value"
        typed = _lines(self._last(part_name(name, part)) or "")
        return Node(field, name, origin, text=word, secret="" if word == KEEP else typed)

    def _block(self, field: BlockField, name: str, origin: str | None, text: str, depth: int) -> Node:
        if text == BY_ADDRESS:
            address = (self._last(part_name(name, "address")) or "").strip()
            chosen = self._showing.choices.find(address)
            return Node(field, name, origin, text=str(chosen.id) if chosen else address)
        slug = text.removeprefix(INSIDE) if text.startswith(INSIDE) else ""
        mark = self._showing.start.mark(origin)
        version = mark.rpartition("@")[2] if mark.startswith(f"inline:{slug}@") else ""
        inside = self._showing.find_inside(slug, version) if slug and field.may_be_inside else None
        if inside is None:
            return Node(field, name, origin, text=text)
        place = origin if mark.startswith("inline:") else None
        child = self.read(inside, name, place, depth + 1)
        if child.text == LEFT_OUT:
            child = self._showing.opened(inside, name, place, depth + 1)
        saved_as = (self._last(part_name(name, "saved-as")) or "").strip()
        return Node(field, name, origin, text=text, children=(child,), saved_as=saved_as)

    def _union(self, field: UnionField, name: str, origin: str | None, depth: int) -> Node | None:
        chosen = self._last(part_name(name, "branch"))
        if chosen is None:
            return None
        text = self._last(name)
        if chosen == AS_JSON and text is not None:
            return Node(field, name, origin, text=_lines(text), is_json=True)
        place = int(chosen) if chosen.isdecimal() and len(chosen) < _MAX_ROW_DIGITS else len(field.branches)
        if place >= len(field.branches):
            return Node(field, name, origin)
        branch = field.branches[place]
        is_switched = self._last(part_name(name, "was")) != chosen
        if is_switched and self._sent.pop(part_name(name, "as"), None):
            self._sent.pop(name, None)  # JSON that stood for a value of another branch
        child = self.read(branch, name, origin, depth + 1)
        if child.text == LEFT_OUT and isinstance(child.field, ModelField):
            child = self._showing.opened(child.field, name, origin, depth + 1)
        return Node(field, name, origin, text=str(place), children=(child,))

    def _model(self, field: ModelField, name: str, origin: str | None, depth: int) -> Node | None:
        state = self._last(part_name(name, "is"))
        if self.action == Action("open", name):
            return self._showing.opened(field, name, origin, depth)
        if state is None:
            return None
        if state != GIVEN or self.action == Action("close", name):
            return Node(field, name, origin, text=LEFT_OUT)
        members = tuple(
            self.read(member.field, member_name(name, member.name), below(origin, member.name), depth + 1)
            for member in field.members
        )
        names = {member.name for member in field.members}
        rows = self._keyed_rows(field.extra, name, origin, names, depth) if field.extra else ()
        return Node(field, name, origin, text=GIVEN, children=(*members, *rows))

    def _rows_field(
        self, field: ListField | MapField, name: str, origin: str | None, depth: int
    ) -> Node | None:
        state = self._last(part_name(name, "is"))
        if state is None:
            return None
        if isinstance(field, MapField):
            rows = self._keyed_rows(field.value, name, origin, set(), depth)
        else:
            rows = self._rows(field, name, origin, depth)
        changes = self.action.verb == "remove" and self.action.name.rpartition("[")[0] == name
        is_given = state == GIVEN or rows or changes
        return Node(field, name, origin, text=GIVEN if is_given else LEFT_OUT, children=rows)

    def _rows(self, field: ListField, name: str, origin: str | None, depth: int) -> tuple[Node, ...]:
        data = self._showing.start.at(origin)
        stored = len(data) if isinstance(data, list) else 0
        found: list[Node] = []
        for number in self._numbers(name, stored, len(field.first)):
            place = below(origin, number) if number < stored else None
            found.append(self.read(item_field(field, number), row_name(name, number), place, depth + 1))
        return tuple(found)

    def _keyed_rows(
        self, field: Field, name: str, origin: str | None, taken: set[str], depth: int
    ) -> tuple[Node, ...]:
        data = self._showing.start.at(origin)
        keys = [key for key in data if key not in taken] if isinstance(data, dict) else []
        found: list[Node] = []
        for number in self._numbers(name, len(keys), 0):
            row = row_name(name, number)
            place = below(origin, keys[number]) if number < len(keys) else None
            key = part_name(row, "key")
            is_json = self._last(part_name(key, "as")) == AS_JSON
            typed = Typed(self._last(key) or "", is_json)
            found.append(replace(self.read(field, row, place, depth + 1), key=typed))
        return tuple(found)

    def _numbers(self, name: str, stored: int, first: int) -> Sequence[int]:
        """Return the numbers of the rows in their order, after what the button asks for.

        Args:    stored: how many rows there were in the beginning, whose numbers are not given to others.
                 first: how many of the rows stay where they are.
        """
        sent = self._sent.get(part_name(name, "row"), [])
        found = [
            int(text) for text in sent if text.isdecimal() and text.isascii() and len(text) <= _MAX_ROW_DIGITS
        ]
        found = list(dict.fromkeys(found))
        if self.action == Action("add", name):
            found.append(max([*found, stored - 1, first - 1, -1]) + 1)
            self.changed = row_name(name, found[-1])
        elif self.action.verb in ("remove", "up", "down") and self.action.name.rpartition("[")[0] == name:
            found = _moved(found, self.action, first)
            if self.action.verb == "remove":
                self.changed = name
        return found

    def _last(self, name: str) -> str | None:
        values = self._sent.get(name)
        return values[-1] if values else None


def _moved(numbers: list[int], action: Action, first: int) -> list[int]:
    """Return numbers of rows after one was removed or moved."""
    row = action.name.rpartition("[")[2].removesuffix("]")
    number = int(row) if row.isdecimal() and len(row) <= _MAX_ROW_DIGITS else -1
    if number not in numbers or number < first:
        return numbers
    place = numbers.index(number)
    if action.verb == "remove":
        return numbers[:place] + numbers[place + 1 :]
    other = place - 1 if action.verb == "up" else place + 1
    if first <= other < len(numbers):
        numbers[place], numbers[other] = numbers[other], numbers[place]
    return numbers


def _lines(text: str) -> str:
    """Return a text with the ends of lines that it had before it was sent.

    Source: HTML, form submission: each end of a line is sent as CR LF.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n")
