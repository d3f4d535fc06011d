"""A block's content as lines to read: what stands at each field, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from blocks_server.forms import Filled
from blocks_server.forms.fields import (
    MISSING,
    BlockField,
    ChoiceField,
    ConstantField,
    Field,
    ListField,
    MapField,
    ModelField,
    NothingField,
    SecretField,
    SwitchField,
    UnionField,
)
from blocks_server.forms.nodes import INSIDE, KEEP, LEFT_OUT, REFER, Node
from blocks_server.pages.addresses import address_url

Kind = Literal["text", "code", "secret", "block", "nothing", "group"]

MAX_LINES: Final = 2000
_MAX_TEXT: Final = 20_000
_MAX_INDENT: Final = 6


@dataclass(frozen=True)
class Line:
    """One field."""

    label: str
    kind: Kind
    text: str = ""
    url: str = ""
    """Where the block is that the field holds."""
    help: str = ""
    note: str = ""
    indent: int = 0


def lines_of(filled: Filled) -> list[Line]:
    """Return the lines of a block, of which no more than `MAX_LINES`.

    Args:    filled: the form of its type, shown with its content.
    """
    found: list[Line] = []
    for line in _Reader(filled).lines(filled.root, "", 0, is_root=True):
        found.append(line)
        if len(found) >= MAX_LINES:
            found.append(
                Line(
                    "More", "nothing", "There are more fields than a page shows. See them with block inspect."
                )
            )
            break
    return found


class _Reader:
    """Goes through a form as it is filled in."""

    def __init__(self, filled: Filled) -> None:
        self._filled = filled

    def lines(self, node: Node, label: str, depth: int, *, is_root: bool = False) -> Iterator[Line]:
        """Yield the line of a node, and those of what lies in it."""
        field = node.field
        label = label or field.title or "Value"
        if node.is_json:
            yield self._line(node, label, depth, "code" if node.text else "nothing", _cut(node.text))
        elif isinstance(field, UnionField):
            yield from self._union(node, label, depth)
        elif isinstance(field, BlockField):
            yield from self._block(node, label, depth)
        elif isinstance(field, (ModelField, MapField, ListField)):
            yield from self._group(node, label, depth, is_root=is_root)
        else:
            yield self._leaf(node, label, depth)

    def _group(self, node: Node, label: str, depth: int, *, is_root: bool) -> Iterator[Line]:
        if node.text == LEFT_OUT or (not node.children and not is_root):
            yield self._line(node, label, depth, "nothing", "Left out" if node.text == LEFT_OUT else "None")
            return
        below = depth if is_root else depth + 1
        if not is_root:
            yield self._line(node, label, depth, "group")
        for number, child in enumerate(node.children, start=1):
            if isinstance(child.field, ConstantField) and node.field.is_choice:
                continue  # the branch of a union says it
            own = ""
            if child.key is not None:
                own = child.key.text
            elif isinstance(node.field, ListField):
                own = child.field.title if number <= len(node.field.first) else f"Item {number}"
            yield from self.lines(child, own, below)

    def _union(self, node: Node, label: str, depth: int) -> Iterator[Line]:
        if not node.children:
            yield self._line(node, label, depth, "nothing", "None")
            return
        (child,) = node.children
        branch = child.field.title
        if isinstance(child.field, (NothingField, ConstantField)):
            yield self._line(node, label, depth, "text" if branch else "nothing", branch or "None")
        elif isinstance(child.field, ModelField) and not child.is_json:
            yield self._line(node, label, depth, "group", note=branch)
            yield from self._group(child, label, depth + 1, is_root=True)
        else:
            yield from self.lines(child, label, depth)

    def _block(self, node: Node, label: str, depth: int) -> Iterator[Line]:
        if node.text.startswith(INSIDE) and node.children:
            title = node.children[0].field.title or node.text.removeprefix(INSIDE)
            yield self._line(node, label, depth, "group", note=f"{title}, a part of this block")
            yield from self._group(node.children[0], label, depth + 1, is_root=True)
            return
        choice = self._filled.choices.find(node.text)
        if choice is not None:
            yield self._line(node, label, depth, "block", choice.address, address_url(choice.address))
        elif node.text:
            text = "A block that is not there any more, or not for you to see"
            yield self._line(node, label, depth, "nothing", text)
        else:
            yield self._line(node, label, depth, "nothing", "None")

    def _leaf(self, node: Node, label: str, depth: int) -> Line:
        field = node.field
        if isinstance(field, SecretField):
            return self._secret(node, label, depth)
        if isinstance(field, SwitchField):
            return self._line(node, label, depth, "text", "Yes" if node.text == "true" else "No")
        if isinstance(field, ChoiceField) and node.text.isdecimal():
            return self._line(node, label, depth, "text", field.labels[int(node.text)])
        if isinstance(field, ConstantField):
            return self._line(node, label, depth, "text", str(field.value))
        if node.text:
            return self._line(node, label, depth, "code" if "\n" in node.text else "text", _cut(node.text))
        is_empty = self._filled.start.at(node.origin) == "" or (node.is_empty and not node.text)
        return self._line(node, label, depth, "nothing", "Empty" if is_empty else "None")

    def _secret(self, node: Node, label: str, depth: int) -> Line:
        if node.text == KEEP:
            return self._line(node, label, depth, "secret", "Set, not shown")
        if node.text == REFER:
            return self._line(node, label, depth, "secret", f"Kept elsewhere: {node.secret}")
        return self._line(node, label, depth, "nothing", "Not set")

    def _line(
        self, node: Node, label: str, depth: int, kind: Kind, text: str = "", url: str = "", note: str = ""
    ) -> Line:
        is_default = self._filled.start.at(node.origin) is MISSING and kind != "group"
        return Line(
            label=label,
            kind=kind,
            text=text,
            url=url,
            help=_help_of(node.field),
            note=note or ("default" if is_default else ""),
            indent=min(depth, _MAX_INDENT),
        )


def _help_of(field: Field) -> str:
    return field.help.strip().partition("\n\n")[0]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
