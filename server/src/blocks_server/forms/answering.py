"""From a filled-in form to its answer, or to what is wrong with it.

A field that was not touched gives back what stood there, marks and all. Of what is new, only those marks are made
without which a class could not read it: it makes a date of a text by itself, but not bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, cast

from blocks_core.document import Encoded, Json, pointer_to, reference_mark
from blocks_core.errors import NameInvalid
from blocks_core.names import check_name
from blocks_core.secret_reference import MARK, SecretReference
from blocks_server.forms.answers import Answer
from blocks_server.forms.fields import (
    MISSING,
    BlockField,
    ChoiceField,
    ConstantField,
    JsonField,
    ListField,
    MapField,
    Maybe,
    ModelField,
    NothingField,
    NumberField,
    SecretField,
    SwitchField,
    TextField,
)
from blocks_server.forms.nodes import (
    INSIDE,
    KEEP,
    LEFT_OUT,
    NO_SECRET,
    REFER,
    SET,
    SET_BASE64,
    SET_LINES,
    Node,
    Typed,
)
from blocks_server.forms.showing import Showing, is_same, means_empty
from blocks_server.forms.starts import Start
from blocks_server.forms.texts import (
    MARKS,
    TextRefused,
    has_format,
    parse_base64,
    parse_format,
    parse_json,
    parse_number,
)

_SECRET: Final = "secret:"  # noqa: S105 the beginning of a mark
"""How the mark of a sealed secret begins."""

_REQUIRED: Final = "is required"


class Answering:
    """One run over a filled-in form.

    Args:    versions: of the types of blocks that may be stored inside, by slug.
    """

    def __init__(self, showing: Showing, versions: Mapping[str, int]) -> None:
        self._showing = showing
        self._start = showing.start
        self._versions = versions
        self._marks: dict[str, str] = {}
        self._secrets: dict[str, Encoded] = {}
        self._kept: dict[str, str] = {}
        self._blocks: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        """Name of an input -> what is wrong with it."""
        self.places: dict[str, str] = {"": ""}
        """JSON pointer -> name of the input there."""
        self.unseen: set[str] = set()
        """JSON pointers of blocks of which nothing is known here, so that nobody can say whether they fit."""

    def answer(self, root: Node) -> Answer:
        """Return what a form says; it is sound where there are no problems."""
        data = self._value(root, "")
        kept = set(self._kept.values())
        cleared = tuple(
            place
            for place, mark in self._start.marks_below("")
            if mark.startswith(_SECRET) and place not in kept
        )
        content = Encoded(None if data is MISSING else data, self._marks, self._secrets)
        return Answer(content, self._kept, cleared, self._blocks, self._named)

    def _value(self, node: Node, pointer: str) -> Maybe:
        self.places[pointer] = node.name
        field = node.field
        if isinstance(field, (ModelField, MapField, ListField)) and not node.is_json:
            return self._group(node, pointer)
        if node.children and not isinstance(field, BlockField):
            return self._value(node.children[0], pointer)
        if isinstance(field, SecretField):
            return self._secret(node, field, pointer)
        if isinstance(field, BlockField) and not node.is_json:
            return self._block(node, field, pointer)
        if self._is_untouched(node):
            return self._copied(node.origin or "", pointer)
        if field.is_read_only:
            return field.default
        try:
            return self._json(node, pointer) if node.is_json else self._leaf(node, pointer)
        except TextRefused as refused:
            self.problems[node.name] = str(refused)
        return None

    def _is_untouched(self, node: Node) -> bool:
        """Tell whether a field stands as what the form began with is shown."""
        if self._start.at(node.origin) is MISSING:
            return False
        shown = self._showing.stored(node.field, node.name, node.origin)
        return (shown.text, shown.is_json, shown.is_empty) == (node.text, node.is_json, node.is_empty)

    def _copied(self, origin: str, pointer: str) -> Maybe:
        """Take over what stood at a place, with its marks; secrets are kept."""
        for below, mark in self._start.marks_below(origin):
            self._take_mark(f"{origin}{below}", f"{pointer}{below}", mark)
        return self._start.at(origin)

    def _take_mark(self, origin: str, pointer: str, mark: str) -> None:
        self._marks[pointer] = mark
        if mark.startswith(_SECRET):
            self._kept[pointer] = origin
        elif mark.startswith("block:"):
            choice = self._showing.choices.find(mark.removeprefix("block:"))
            if choice is None:
                self.unseen.add(pointer)
            else:
                self._blocks[pointer] = choice.address
        elif mark.startswith("inline:") and _slug_inside(mark) not in self._versions:
            self.unseen.add(pointer)

    def _json(self, node: Node, pointer: str) -> Maybe:
        """Return the value of JSON text; what is as it was keeps its marks, secrets and blocks among them."""
        if not node.text.strip():
            return self._nothing(node)
        data = parse_json(node.text)
        typed = Start(Encoded(data))
        if node.origin is not None:
            for below, mark in self._start.marks_below(node.origin):
                before, now = self._start.at(node.origin + below), typed.at(below)
                if now is not MISSING and _keeps_mark(mark, before, now):
                    self._take_mark(node.origin + below, pointer + below, mark)
        return data

    def _nothing(self, node: Node) -> Maybe:
        """Return what a field without a text says."""
        field = node.field
        if field.is_nullable or (isinstance(field, JsonField) and field.default is None):
            return None
        if field.is_required:
            self.problems[node.name] = _REQUIRED
        return MISSING

    def _leaf(self, node: Node, pointer: str) -> Maybe:
        field = node.field
        if isinstance(field, ConstantField):
            return field.value
        if isinstance(field, NothingField):
            return None
        if isinstance(field, SwitchField):
            return node.text == "true"
        if isinstance(field, TextField):
            return self._text(node, field, pointer)
        if not node.text.strip():
            return self._nothing(node)
        if isinstance(field, NumberField):
            found, mark = parse_number(node.text, field.kind)
            if mark == "float" or (mark and field.is_choice):
                self._marks[pointer] = mark
            return found
        return _chosen(node, field) if isinstance(field, ChoiceField) else self._json(node, pointer)
        if isinstance(field, JsonField):
            return self._json(node, pointer)
        raise TextRefused("is none of the choices")

    def _text(self, node: Node, field: TextField, pointer: str) -> Maybe:
        text = node.text
        if not text:
            if node.is_empty:
                return ""
            if means_empty(field):
                return "" if field.min_length == 0 or field.is_required else MISSING
            return self._nothing(node)
        mark = MARKS.get(field.kind, "")
        if field.kind == "bytes":
            text = parse_base64(text)
        elif has_format(field.kind):
            exact = parse_format(text, field.kind)
            text = exact if field.is_choice else text.strip()
        if mark and (mark == "bytes" or field.is_choice):
            self._marks[pointer] = mark
        return text

    def _secret(self, node: Node, field: SecretField, pointer: str) -> Maybe:
        if field.is_read_only:
            return self._copied(node.origin or "", pointer)
        if node.text == KEEP:
            if self._start.at(node.origin) is MISSING:
                self.problems[node.name] = "has no secret to keep. Set one"
                return None
            return self._copied(node.origin or "", pointer)
        if node.text == REFER and field.takes_reference:
            return self._reference(node, field, pointer)
        if node.text in (SET, SET_LINES, SET_BASE64):
            return self._set_secret(node, field, pointer)
        if node.text != NO_SECRET:
            self.problems[node.name] = "is none of the choices"
        return self._nothing(node)

    def _set_secret(self, node: Node, field: SecretField, pointer: str) -> Json:
        if not node.secret:
            self.problems[node.name] = "has no value yet. Type it, or choose something else"
            return None
        try:
            value = self._sealed(node, field)
        except TextRefused as refused:
            self.problems[node.name] = str(refused)
            return None
        kind = "value" if not field.is_password else "bytes" if field.kind == "bytes" else "str"
        self._marks[pointer], self._secrets[pointer] = f"secret:{kind}", value
        return None

    def _sealed(self, node: Node, field: SecretField) -> Encoded:
        if field.kind == "json":
            return Encoded(parse_json(node.secret))
        if field.kind == "text":
            return Encoded(node.secret)
        is_text = node.text != SET_BASE64
        text = b64encode(node.secret.encode()).decode() if is_text else parse_base64(node.secret)
        return Encoded(text, {"": "bytes"})

    def _reference(self, node: Node, field: SecretField, pointer: str) -> Json:
        text = node.secret.strip()
        try:
            SecretReference.parse(text)
        except NameInvalid:
            self.problems[node.name] = (
                "is no secret reference: write env:NAME, file:/PATH, or SLUG/NAME/KEY for the key of a saved block"
            )
            return None
        self._marks[pointer] = f"{MARK}{'bytes' if field.kind == 'bytes' else 'str'}"
        return text

    def _block(self, node: Node, field: BlockField, pointer: str) -> Maybe:
        if not node.text:
            return self._nothing(node)
        if node.text.startswith(INSIDE):
            slug = node.text.removeprefix(INSIDE)
            if not node.children or slug not in self._versions:
                self.problems[node.name] = "is of a type that is not installed here. Choose a saved block"
                return None
            self._marks[pointer] = f"{node.text.replace(INSIDE, 'inline:')}@{self._versions[slug]}"
            value = self._value(node.children[0], pointer)
            if node.saved_as:
                self._name(node, pointer)
            return value
        choice = self._showing.choices.find(node.text)
        if choice is not None:
            self._marks[pointer] = reference_mark(choice.id)
            self._blocks[pointer] = choice.address
        elif self._start.mark(node.origin) == f"block:{node.text}":
            self._take_mark(node.origin or "", pointer, f"block:{node.text}")
        else:
            self.problems[node.name] = "is not saved any more, or not for you to see. Choose another block"
        return None

    def _name(self, node: Node, pointer: str) -> None:
        """Note that a block is to be saved as one of its own."""
        try:
            self._named[pointer] = check_name(node.saved_as)
        except NameInvalid as refused:
            self.problems[node.name] = f"cannot be saved under that name: {refused}"
            return
        if any(kept.startswith(f"{pointer}/") for kept in self._kept):
            self.problems[node.name] = (
                "has secrets that are kept here, and cannot be saved elsewhere with them. Set them anew, or give it "
                "no name"
            )

    def _group(self, node: Node, pointer: str) -> Maybe:
        if node.text == LEFT_OUT:
            if node.field.is_required:
                self.problems[node.name] = _REQUIRED
            return MISSING
        mark = self._start.mark(node.origin)
        if isinstance(node.field, ListField):
            if mark in ("tuple", "set", "frozenset"):
                self._marks[pointer] = mark
            return self._items(node, pointer)
        if mark.startswith("keys:") and isinstance(self._start.at(node.origin), dict):
            self._marks[pointer] = mark
        return self._members(node, pointer)

    def _items(self, node: Node, pointer: str) -> Json:
        found: list[Json] = []
        for child in node.children:
            value = self._value(child, pointer_to(pointer, len(found)))
            found.append(None if value is MISSING else value)
        return found

    def _members(self, node: Node, pointer: str) -> Json:
        found: dict[str, Json] = {}
        names = [member.name for member in node.field.members] if isinstance(node.field, ModelField) else []
        for number, child in enumerate(node.children):
            key = names[number] if child.key is None else self._key(child, child.key, node)
            if key is None:
                continue
            if key in found:
                self.problems[child.name] = "has a key that another row has, too. Give each its own"
                continue
            value = self._value(child, pointer_to(pointer, key))
            if value is not MISSING:
                found[key] = value
            elif child.key is not None:
                found[key] = None
        return found

    def _key(self, row: Node, key: Typed, parent: Node) -> str | None:
        """Return the key of a row; None where there is none."""
        if key.is_json:
            try:
                found = parse_json(key.text)
            except TextRefused as refused:
                self.problems[row.name] = f"has a key that {refused}"
                return None
            if isinstance(found, str):
                return found
            self.problems[row.name] = "has a key that is no text in JSON"
            return None
        if key.text or (row.origin is not None and row.origin.endswith("/")):
            return key.text
        if not row.text and not row.children:  # a row that nobody wrote into
            return None
        self.problems[row.name] = "needs a key"
        return None


def _chosen(node: Node, field: ChoiceField) -> Json:
    """Return the value of an option.

    Raises:  TextRefused: there is no such option.
    """
    place = int(node.text) if node.text.isdecimal() and len(node.text) < 9 else len(field.options)
    if place >= len(field.options):
        raise TextRefused("is none of the choices")
    return field.options[place]


def _slug_inside(mark: str) -> str:
    """Return the slug of a block that is stored inside."""
    return mark.removeprefix("inline:").rpartition("@")[0]


def _keeps_mark(mark: str, before: Maybe, now: Maybe) -> bool:
    """Tell whether a value that was written anew is still of its kind."""
    if mark in ("tuple", "set", "frozenset"):
        return isinstance(now, list)
    if mark.startswith(("keys:", "inline:")):
        return isinstance(now, dict)
    return type(now) is type(before) and is_same(cast("Json", now), cast("Json", before))
