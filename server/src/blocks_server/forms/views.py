"""What a template shows of one field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from markupsafe import Markup

from blocks_core.document import Json
from blocks_core.errors import NameInvalid
from blocks_core.schema import BlockType
from blocks_core.secret_reference import SecretReference
from blocks_server.forms.choices import BlockChoice
from blocks_server.forms.fields import (
    MISSING,
    BlockField,
    ConstantField,
    Field,
    ListField,
    ModelField,
    NumberField,
    SecretField,
    TextField,
    UnionField,
)
from blocks_server.forms.form import Filled
from blocks_server.forms.naming import id_of
from blocks_server.forms.nodes import (
    AS_JSON,
    INSIDE,
    KEEP,
    LEFT_OUT,
    NO_SECRET,
    REFER,
    SET,
    SET_BASE64,
    SET_LINES,
    Node,
)
from blocks_server.forms.showing import asks_for_empty
from blocks_server.forms.texts import example_of

MAX_SHOWN_BLOCKS: Final = 200
"""In one list of choices; any other is chosen by its address."""

_MAX_LINE: Final = 160
_IN_JSON: Final = (
    "In JSON, as no other input holds this value. "
    "Secrets and blocks in it, which are null here, stay as they are."
)


@dataclass(frozen=True)
class Page:
    """What surrounds a form on its page."""

    save_url: str
    change_url: str = ""
    """Where the form is sent that is to change: a row added, another branch chosen. Empty: where it is saved."""
    save_text: str = "Save"
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names and values to send along, such as a token against forged requests."""
    before: Markup = field(default_factory=Markup)
    """Fields of the page's own, above those of the form."""
    after: Markup = field(default_factory=Markup)
    """Buttons and links beside the one that saves."""
    create_url: Callable[[BlockField, str], str] | None = None
    """(field, name of its input) -> address of the page that creates a block for it; empty where there is none."""
    problems: tuple[tuple[str, str, str], ...] = ()
    """(id of a control, its label, what is wrong) of the page's own fields, to be listed with those of the form."""
    names_inside: bool = False
    """Whether a block that is made in place may be given a name, so that it is saved as one of its own."""


@dataclass(frozen=True)
class View:
    """One field with its node, as templates ask for it."""

    node: Node
    filled: Filled
    page: Page
    own_label: str = ""
    is_in_row: bool = False
    takes_focus: bool = False
    shows_problem: bool = True

    @property
    def field(self) -> Field:
        """Return the field."""
        return self.node.field

    @property
    def id(self) -> str:
        """Return the id of the control."""
        return id_of(self.node.name)

    @property
    def label(self) -> str:
        """Return what the field is called."""
        return self.own_label or self.field.title or "Value"

    @property
    def problem(self) -> str:
        """Return what is wrong here."""
        return self.filled.problems.get(self.node.name, "") if self.shows_problem else ""

    @property
    def is_required(self) -> bool:
        """Tell whether people must give a value."""
        return self.field.is_required and not self.field.is_nullable and not self.is_in_row

    @property
    def help(self) -> str:
        """Return the help of the field; of a model or a block, which explain themselves at length, its beginning."""
        text = self.field.help.strip()
        return text.partition("\n\n")[0] if isinstance(self.field, (ModelField, BlockField)) else text

    @cached_property
    def hint(self) -> str:
        """Return what the schema says in numbers and examples."""
        if self.node.is_json:
            return "" if self.field.is_read_only else _IN_JSON
        found: list[str] = []
        if isinstance(self.field, NumberField) and self.field.limits:
            found.append(f"{self.field.limits[:1].upper()}{self.field.limits[1:]}.")
        if isinstance(self.field, TextField):
            found += self._hints_of_text(self.field)
        if isinstance(self.field, ListField):
            found += _counts(self.field) if self.field.item else []
        default = self.field.default
        if default not in (MISSING, None, "") and not isinstance(default, (bool, list, dict)):
            found.append(f"Default: {default}.")
        if self.field.examples:
            found.append(f"Such as {', '.join(self.field.examples)}.")
        return " ".join(found)

    def _hints_of_text(self, field: TextField) -> list[str]:
        if field.kind == "bytes":
            return ["Bytes, in base64."]
        found: list[str] = []
        if field.max_length is not None:
            found.append(f"At most {field.max_length} characters.")
        example = example_of(field.kind)
        if example and not field.examples and field.kind != "date":
            found.append(f"Such as {example}.")
        return found

    @property
    def described_by(self) -> str:
        """Return the ids of what explains the control."""
        found = [f"{self.id}-help"] if self.help or self.hint else []
        return " ".join([*found, *([f"{self.id}-error"] if self.problem else [])])

    @property
    def nothing_text(self) -> str:
        """Return what stands for no choice."""
        if self.field.is_nullable:
            return "None"
        return "Choose…" if self.field.is_required else "Left out: it has its default"

    @property
    def fixed_text(self) -> str:
        """Return the value of a field that nobody changes."""
        if isinstance(self.field, SecretField):
            return "A secret"
        if isinstance(self.field, ConstantField):
            return _shown(self.field.value)
        return _shown_text(self.node.text)

    @property
    def is_area(self) -> bool:
        """Tell whether a text has several lines, or may well have."""
        kind = self.field.kind if isinstance(self.field, TextField) else ""
        return kind in ("lines", "bytes") or "\n" in self.node.text or len(self.node.text) > _MAX_LINE

    @property
    def rows(self) -> int:
        """Return how many lines a text area shows."""
        lines = self.node.text.count("\n") + len(self.node.text) // 90 + 1
        return min(max(lines, 2 if self.node.is_json else 3), 20)

    @property
    def input_type(self) -> str:
        """Return the type of the input; one that browsers change the value of is not taken."""
        is_date = isinstance(self.field, TextField) and self.field.kind == "date"
        return "date" if is_date and (not self.node.text or _is_date(self.node.text)) else "text"

    @property
    def input_mode(self) -> str:
        """Return which keys a phone shows."""
        if isinstance(self.field, NumberField):
            return "numeric" if self.field.kind == "integer" else "decimal"
        kind = self.field.kind if isinstance(self.field, TextField) else ""
        return {"uri": "url", "email": "email"}.get(kind, "")

    @property
    def placeholder(self) -> str:
        """Return what stands in an empty input."""
        return self.field.examples[0] if self.field.examples else ""

    @property
    def asks_for_empty(self) -> bool:
        """Tell whether one must say that the empty text is meant."""
        return isinstance(self.field, TextField) and asks_for_empty(self.field)

    @property
    def secret_choices(self) -> list[tuple[str, str]]:
        """Return what may become of a secret: words and what to call them."""
        assert isinstance(self.field, SecretField)
        start, origin = self.filled.start, self.node.origin
        is_stored = start.at(origin) is not MISSING and start.mark(origin).startswith("secret:")
        found = [(KEEP, "Keep the stored value")] if is_stored or self.node.text == KEEP else []
        verb = "Replace it" if is_stored else "Set a value"
        if self.field.kind == "json":
            found.append((SET_LINES, f"{verb}, in JSON"))
        else:
            found += [(SET, verb), (SET_LINES, f"{verb}, several lines")]
        if self.field.kind == "bytes":
            found.append((SET_BASE64, f"{verb}, bytes in base64"))
        if self.field.takes_reference:
            found.append((REFER, "Kept elsewhere: name where"))
        if self.field.is_nullable:
            found.append((NO_SECRET, "Clear it" if is_stored else "None"))
        elif not self.field.is_required:
            found.append((NO_SECRET, "Left out: it has its default"))
        return found

    @property
    def reference(self) -> str:
        """Return a reference as it was typed; what is none may be a secret, given by mistake."""
        if self.node.text != REFER:
            return ""
        try:
            SecretReference.parse(self.node.secret.strip())
        except NameInvalid:
            return ""
        return self.node.secret

    @property
    def saved_blocks(self) -> list[BlockChoice]:
        """Return the saved blocks to choose from; the one that is chosen is among them."""
        found = self._fitting[:MAX_SHOWN_BLOCKS]
        chosen = self.filled.choices.find(self.node.text)
        return found if chosen is None or chosen in found else [chosen, *found]

    @property
    def has_more_blocks(self) -> bool:
        """Tell whether there are more saved blocks than are shown."""
        return len(self._fitting) > MAX_SHOWN_BLOCKS or bool(self.typed_address)

    @property
    def _fitting(self) -> list[BlockChoice]:
        assert isinstance(self.field, BlockField)
        return self.filled.choices.fitting(self.field)

    @property
    def unseen_block(self) -> str:
        """Return the id of a block that stands here and is not known."""
        is_stored = self.filled.start.mark(self.node.origin) == f"block:{self.node.text}"
        return self.node.text if is_stored and self._is_unknown else ""

    @property
    def typed_address(self) -> str:
        """Return an address that was typed and leads to no block."""
        return self.node.text if self._is_unknown and not self.unseen_block else ""

    @property
    def _is_unknown(self) -> bool:
        text = self.node.text
        return bool(text) and not text.startswith(INSIDE) and self.filled.choices.find(text) is None

    @property
    def inside_types(self) -> list[BlockType]:
        """Return the types of which a block may be stored inside."""
        assert isinstance(self.field, BlockField)
        return self.filled.form.inside_of(self.field)

    @property
    def create_url(self) -> str:
        """Return the address of the page that creates a block for this field."""
        assert isinstance(self.field, BlockField)
        return self.page.create_url(self.field, self.node.name) if self.page.create_url else ""

    @property
    def branch(self) -> str:
        """Return the branch of a union."""
        return AS_JSON if self.node.is_json else self.node.text

    @property
    def branch_titles(self) -> list[str]:
        """Return what the branches of a union are called."""
        assert isinstance(self.field, UnionField)
        return [branch.title or "Value" for branch in self.field.branches]

    @property
    def is_left_out(self) -> bool:
        """Tell whether a model is no part of the value."""
        return self.node.text == LEFT_OUT

    @property
    def can_close(self) -> bool:
        """Tell whether a model may be left out."""
        return not self.field.is_required and bool(self.node.name)

    @property
    def has_extra(self) -> bool:
        """Tell whether a model takes members with names of the user's."""
        return isinstance(self.field, ModelField) and self.field.extra is not None

    @property
    def can_add(self) -> bool:
        """Tell whether there may be another row."""
        if not isinstance(self.field, ListField):
            return True
        most = self.field.max_items
        return self.field.item is not None and (most is None or len(self.node.children) < most)

    @property
    def add_text(self) -> str:
        """Return what the button says that makes a row."""
        return "Add an item" if isinstance(self.field, ListField) else "Add a row"


def _counts(field: ListField) -> list[str]:
    found = [f"At least {field.min_items}."] if field.min_items else []
    return [*found, *([f"At most {field.max_items}."] if field.max_items is not None else [])]


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown_text(text: str) -> str:
    """Return what JSON text says, without quotes around a text."""
    try:
        return _shown(json.loads(text)) if text else "None"
    except ValueError:
        return text


def _is_date(text: str) -> bool:
    year, month, day = (*text.split("-"), "", "", "")[:3]
    parts = year.isascii() and year.isdecimal() and month.isdecimal() and day.isdecimal()
    return parts and len(text) == 10 and (len(year), len(month), len(day)) == (4, 2, 2) and year != "0000"
