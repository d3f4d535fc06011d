"""From a value to a form that is filled in with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from blocks_core.document import Json, pointer_to
from blocks_core.encoding import MAX_DEPTH
from blocks_core.limits import MAX_VALUES
from blocks_server.forms.choices import Choices
from blocks_server.forms.compiling import resolved
from blocks_server.forms.errors import FormTooLarge
from blocks_server.forms.fields import (
    MISSING,
    BlockField,
    ChoiceField,
    ConstantField,
    Field,
    JsonField,
    LinkField,
    ListField,
    MapField,
    Maybe,
    ModelField,
    NothingField,
    NumberField,
    SecretField,
    SwitchField,
    TextField,
    UnionField,
)
from blocks_server.forms.naming import member_name, row_name
from blocks_server.forms.nodes import (
    GIVEN,
    INSIDE,
    KEEP,
    LEFT_OUT,
    NO_SECRET,
    REFER,
    SET,
    SET_LINES,
    Node,
    Typed,
)
from blocks_server.forms.starts import Start
from blocks_server.forms.texts import MARKS, TextRefused, fits_input, has_format, json_text, parse_format

FindInside = Callable[[str, str], ModelField | None]
"""(slug, version or nothing) -> the fields of a block that is stored inside; None where no such form is at hand."""

_MAX_OPENED: Final = 12
"""Of models that are required inside each other and have no value yet."""


class Showing:
    """Fills in a form, and looks that it does not grow beyond what anybody needs."""

    def __init__(self, start: Start, choices: Choices, find_inside: FindInside) -> None:
        self.start = start
        self.choices = choices
        self.find_inside = find_inside
        self._count = 0

    def count(self, depth: int) -> None:
        """Count a node.

        Raises:  FormTooLarge.
        """
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise FormTooLarge(
                f"The form has more than {MAX_VALUES:,} values, or lies deeper than {MAX_DEPTH} levels. Keep large "
                f"values in a storage, and their path in the block."
            )

    def stored(self, field: Field, name: str, origin: str | None, depth: int = 0) -> Node:
        """Return a field filled in with what the form began with; else with its default, else blank."""
        return self.show(field, name, self.start.at(origin), origin, depth)

    def show(self, field: Field, name: str, data: Maybe, origin: str | None, depth: int = 0) -> Node:
        """Return a field filled in with data.

        Args:    origin: where the data stand in the value that the form began with.
        """
        self.count(depth)
        found = resolved(field)
        if data is MISSING and found.default is not MISSING:
            data = found.default
            origin = None if self.start.at(origin) is MISSING else origin
        if found.is_read_only:
            text = "" if data is MISSING or isinstance(found, SecretField) else json_text(data)
            return Node(found, name, origin, text=text, is_json=True)
        if data is MISSING:
            return self._blank(found, name, origin, depth, is_link=isinstance(field, LinkField))
        node = self._filled(found, name, data, origin, depth)
        return node or Node(found, name, origin, text=json_text(data), is_json=True)

    def _fitted(
        self, field: Field, name: str, data: Json, origin: str | None, depth: int
    ) -> tuple[int, Node | None]:
        """Return how well a branch of a union fits data (0 not at all, 2 as if made for it), and it filled in."""
        found = resolved(field)
        mark = self.start.mark(origin)
        is_secret = mark.startswith(("secret:", "secretref:"))
        if is_secret != isinstance(found, SecretField):
            return 0, None
        if isinstance(found, TextField):
            fit = _fit_of_text(found, data, mark)
        elif isinstance(found, NumberField):
            fit = _fit_of_number(found, data, mark)
        elif isinstance(found, JsonField):
            fit = 1
        elif isinstance(found, ModelField) and not _has_shape(found, data):
            fit = 0
        else:
            fit = 2
        if not fit:
            return 0, None
        self.count(depth)
        node = self._filled(found, name, data, origin, depth)
        if node is None and isinstance(found, TextField):
            node = Node(found, name, origin, text=json_text(data), is_json=True)
        if node is None:
            return 0, None
        is_odd = fit == 2 and any(part.is_json for part in node.walk()) and not isinstance(found, TextField)
        return (1 if is_odd else fit), node

    def _filled(self, field: Field, name: str, data: Json, origin: str | None, depth: int) -> Node | None:
        """Return a field filled in with data; None where the field cannot show them."""
        if isinstance(field, SecretField):
            return self._secret(field, name, data, origin)
        if isinstance(field, BlockField):
            return self._block(field, name, data, origin, depth)
        if isinstance(field, UnionField):
            return self._union(field, name, data, origin, depth)
        if isinstance(field, ModelField) and isinstance(data, dict):
            return self._model(field, name, data, origin, depth)
        if isinstance(field, MapField) and isinstance(data, dict):
            rows = self._rows_with_keys(field.value, name, data, origin, depth)
            return Node(field, name, origin, text=GIVEN, children=rows)
        if isinstance(field, ListField) and isinstance(data, list):
            return self._list(field, name, data, origin, depth)
        return self._leaf(field, name, data, origin)

    def _leaf(self, field: Field, name: str, data: Json, origin: str | None) -> Node | None:
        if data is None and field.is_nullable and isinstance(field, (TextField, NumberField, ChoiceField)):
            return Node(field, name, origin)
        if isinstance(field, TextField) and isinstance(data, str):
            if not fits_input(data):
                return None
            return Node(field, name, origin, text=data, is_empty=not data and asks_for_empty(field))
        if isinstance(field, NumberField):
            is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
            has_text = isinstance(data, str) and (
                field.kind == "decimal" or self.start.mark(origin) == "float"
            )
            if not (is_number or has_text):
                return None
            return Node(field, name, origin, text=data if isinstance(data, str) else json_text(data))
        if isinstance(field, SwitchField) and isinstance(data, bool):
            return Node(field, name, origin, text="true" if data else "false")
        if isinstance(field, ChoiceField):
            places = [str(place) for place, option in enumerate(field.options) if is_same(option, data)]
            return Node(field, name, origin, text=places[0]) if places else None
        if isinstance(field, JsonField):
            text = "" if data is None and field.default is None else json_text(data)
            return Node(field, name, origin, text=text)
        is_shown = (isinstance(field, NothingField) and data is None) or (
            isinstance(field, ConstantField) and is_same(field.value, data)
        )
        return Node(field, name, origin) if is_shown else None

    def _secret(self, field: SecretField, name: str, data: Json, origin: str | None) -> Node:
        mark = self.start.mark(origin)
        if mark.startswith("secretref:"):
            return Node(field, name, origin, text=REFER, secret=str(data))
        if data is None and not mark:
            return Node(field, name, origin, text=NO_SECRET)
        return Node(field, name, origin, text=KEEP)  # whatever stands there, it is not shown

    def _block(self, field: BlockField, name: str, data: Json, origin: str | None, depth: int) -> Node | None:
        kind, _, rest = self.start.mark(origin).partition(":")
        if kind == "block":
            return Node(field, name, origin, text=rest)
        if kind == "inline":
            slug, _, version = rest.rpartition("@")
            inside = self.find_inside(slug, version)
            if inside is None or not isinstance(data, dict):
                return None
            child = self._filled(inside, name, data, origin, depth + 1)
            return child and Node(field, name, origin, text=f"{INSIDE}{slug}", children=(child,))
        if data is None and field.is_nullable:
            return Node(field, name, origin)
        chosen = self.choices.find(data) if isinstance(data, str) else None
        return Node(field, name, origin, text=str(chosen.id)) if chosen else None

    def _union(self, field: UnionField, name: str, data: Json, origin: str | None, depth: int) -> Node:
        fitted = [self._fitted(branch, name, data, origin, depth + 1) for branch in field.branches]
        best, child = max(fitted, key=lambda one: one[0])
        if child is None:
            return Node(field, name, origin, text=json_text(data), is_json=True)
        place = fitted.index((best, child))
        return Node(field, name, origin, text=str(place), children=(child,))

    def _model(
        self, field: ModelField, name: str, data: dict[str, Json], origin: str | None, depth: int
    ) -> Node | None:
        names = {member.name for member in field.members}
        further = {key: value for key, value in data.items() if key not in names}
        if further and field.extra is None:
            return None
        members = tuple(
            self.show(
                member.field,
                member_name(name, member.name),
                data.get(member.name, MISSING),
                below(origin, member.name),
                depth + 1,
            )
            for member in field.members
        )
        rows = self._rows_with_keys(field.extra, name, further, origin, depth) if field.extra else ()
        return Node(field, name, origin, text=GIVEN, children=(*members, *rows))

    def _rows_with_keys(
        self, field: Field, name: str, data: dict[str, Json], origin: str | None, depth: int
    ) -> tuple[Node, ...]:
        return tuple(
            replace(
                self.show(field, row_name(name, number), value, below(origin, key), depth + 1),
                key=typed_of(key),
            )
            for number, (key, value) in enumerate(data.items())
        )

    def _list(
        self, field: ListField, name: str, data: list[Json], origin: str | None, depth: int
    ) -> Node | None:
        if len(data) < len(field.first) or (field.item is None and len(data) > len(field.first)):
            return None
        rows = tuple(
            self.show(
                item_field(field, number), row_name(name, number), value, below(origin, number), depth + 1
            )
            for number, value in enumerate(data)
        )
        return Node(field, name, origin, text=GIVEN, children=rows)

    def _blank(self, field: Field, name: str, origin: str | None, depth: int, *, is_link: bool) -> Node:
        if isinstance(field, SecretField):
            can_lack = field.is_nullable or not field.is_required
            word = SET_LINES if field.kind == "json" else SET
            return Node(field, name, origin, text=NO_SECRET if can_lack else word)
        if isinstance(field, SwitchField):
            return Node(field, name, origin, text="false")
        if isinstance(field, UnionField):
            if not field.is_required:
                return Node(field, name, origin)
            child = self.show(field.branches[0], name, MISSING, origin, depth + 1)
            return Node(field, name, origin, text="0", children=(child,))
        if isinstance(field, ModelField):
            is_open = field.is_required and not (is_link and depth > _MAX_OPENED)
            return (
                self.opened(field, name, origin, depth)
                if is_open
                else Node(field, name, origin, text=LEFT_OUT)
            )
        if isinstance(field, ListField):
            count = max(
                len(field.first), min(field.min_items, 100) if field.is_required and field.item else 0
            )
            if not field.is_required:
                count = 0
            rows = tuple(
                self.show(item_field(field, number), row_name(name, number), MISSING, None, depth + 1)
                for number in range(count)
            )
            return Node(field, name, origin, text=GIVEN if field.is_required else LEFT_OUT, children=rows)
        if isinstance(field, MapField):
            return Node(field, name, origin, text=GIVEN if field.is_required else LEFT_OUT)
        return Node(field, name, origin)

    def opened(self, field: ModelField, name: str, origin: str | None, depth: int) -> Node:
        """Return a model whose members are blank or have their defaults."""
        members = tuple(
            self.stored(member.field, member_name(name, member.name), below(origin, member.name), depth + 1)
            for member in field.members
        )
        return Node(field, name, origin, text=GIVEN, children=members)


def below(origin: str | None, step: str | int) -> str | None:
    """Return the place below another one, where there is that."""
    return None if origin is None else pointer_to(origin, step)


def item_field(field: ListField, number: int) -> Field:
    """Return the field of a row."""
    if number < len(field.first):
        return field.first[number]
    return field.item or JsonField(is_required=True)


def asks_for_empty(field: TextField) -> bool:
    """Tell whether the empty text must be asked for, as an input without text means that there is no value."""
    can_be = field.min_length == 0 and field.kind in ("text", "lines", "bytes") and not field.pattern
    return can_be and not means_empty(field)


def means_empty(field: TextField) -> bool:
    """Tell whether an input without text means the empty text."""
    return field.may_be_empty or (isinstance(field.default, str) and not field.is_nullable)


def typed_of(text: str) -> Typed:
    """Return a text as an input of one line holds it."""
    return Typed(text) if fits_input(text, is_line=True) else Typed(json_text(text), is_json=True)


def is_same(one: Json, other: Json) -> bool:
    """Tell whether two values are the same in JSON, where true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _has_shape(field: ModelField, data: Json) -> bool:
    """Tell whether data may be of a model, without a look at what lies deeper."""
    if not isinstance(data, dict):
        return False
    for member in field.members:
        if member.name not in data:
            if member.field.is_required:
                return False
        elif isinstance(member.field, ConstantField) and not is_same(member.field.value, data[member.name]):
            return False
    return True


def _fit_of_text(field: TextField, data: Json, mark: str) -> int:
    if not isinstance(data, str):
        return 0
    kind = mark.partition("@")[0]
    own = MARKS.get(field.kind, "")
    if kind:
        return 2 if kind == own else 0
    if not own:
        return 2 if field.max_length is None or len(data) <= field.max_length else 1
    if not has_format(field.kind):
        return 1
    try:
        parse_format(data, field.kind)
    except TextRefused:
        return 0
    return 1


def _fit_of_number(field: NumberField, data: Json, mark: str) -> int:
    if isinstance(data, str):
        return 2 if mark == {"decimal": "decimal", "number": "float"}.get(field.kind) else 0
    if isinstance(data, bool) or not isinstance(data, (int, float)) or field.kind == "decimal":
        return 0
    if isinstance(data, int):
        return 2 if field.kind == "integer" else 1
    return 2 if field.kind == "number" else 0
