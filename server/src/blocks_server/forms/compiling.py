"""From a JSON Schema, as pydantic writes it, to fields.

What is not understood is asked for as JSON, and what restricts a value further is left to the check of the answer,
which knows all of JSON Schema.

Source: JSON Schema 2020-12; our own marks of secrets and blocks (`blocks_core.schema`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from blocks_core.document import Json
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
    Member,
    ModelField,
    NothingField,
    NumberField,
    SecretField,
    SwitchField,
    TextField,
    UnionField,
)
from blocks_server.forms.schema_parts import (
    BLOCK_WORDS,
    Node,
    choices_of,
    count_of,
    is_block,
    is_null,
    node_of,
    numeric_of,
    parts_of,
    target_of,
    values_of,
)
from blocks_server.forms.wording import branch_title, key_help_of, label_of, limits_of, told_apart

MAX_FIELDS: Final = 20_000
MAX_DEPTH: Final = 60
"""Of schemas inside schemas; what links lead to begins anew."""

_LINES: Final = {"lines", "multi-line", "multiline", "textarea", "markdown"}
_ABOUT: Final = ("title", "description", "default", "examples", "readOnly", "deprecated")


class Definitions:
    """What a schema defines, made fields when a link leads there."""

    def __init__(self, parts: Node) -> None:
        self._parts = parts
        self._fields: dict[str, Field] = {}

    def part(self, name: str) -> Any:
        """Return a definition as it stands in the schema; nothing is known of one that is not there."""
        return self._parts.get(name, {})

    def resolve(self, link: LinkField) -> Field:
        """Return what a link leads to, with what is said of it at the place of the link."""
        if link.target not in self._fields:
            self._fields[link.target] = _Compiler(self).field(self.part(link.target), chain=(link.target,))
        found = self._fields[link.target]
        if isinstance(found, LinkField):
            found = self.resolve(found)
        default = found.default if link.default is MISSING else link.default
        return replace(
            found,
            title=link.title or found.title,
            help=link.help or found.help,
            examples=link.examples or found.examples,
            default=default,
            is_required=link.is_required,
            is_nullable=found.is_nullable or link.is_nullable,
            is_read_only=found.is_read_only or link.is_read_only,
            is_deprecated=found.is_deprecated or link.is_deprecated,
            is_choice=link.is_choice,
        )


def resolved(field: Field) -> Field:
    """Return a field itself, not a link to it."""
    return field.book.resolve(field) if isinstance(field, LinkField) else field


def compile_schema(schema: Node) -> Field:
    """Return the field of a whole schema.

    Raises:  FormTooLarge.
    """
    book = Definitions(node_of(schema.get("$defs")))
    root: Node = {key: value for key, value in schema.items() if key not in ("$defs", *BLOCK_WORDS)}
    chain: tuple[str, ...] = ()
    if "$ref" in root:  # a type that holds its own kind: its fields stand among the definitions
        name = target_of(root)
        target = node_of(book.part(name))
        root = {key: value for key, value in target.items() if key not in BLOCK_WORDS}
        chain = (name,)
    return replace(_Compiler(book).field(root, chain=chain), is_required=True)


class _Compiler:
    """Makes the fields of one part of a schema."""

    def __init__(self, book: Definitions) -> None:
        self._book = book
        self._count = 0

    def field(self, part: Any, *, chain: tuple[str, ...] = (), depth: int = 0) -> Field:
        """Return the field of a part.

        Args:    chain: names of the definitions that the part stands in.
        """
        self._count += 1
        if self._count > MAX_FIELDS or depth > MAX_DEPTH:
            raise FormTooLarge(
                f"The schema has more than {MAX_FIELDS:,} fields, or lies deeper than {MAX_DEPTH} levels, which no "
                f"form shows. Set such a block in Python, or by block apply."
            )
        if not isinstance(part, Mapping):
            return JsonField()
        node = cast("Node", part)
        if node.get("writeOnly"):
            return _secret(node, _about(node))
        if "$ref" in node:
            return self._referred(node, chain, depth)
        choices = choices_of(node)
        if choices is not None and not node.get("x-decimal"):
            return self._choice(node, choices, chain, depth)
        return self._single(node, chain, depth)

    def _referred(self, node: Node, chain: tuple[str, ...], depth: int) -> Field:
        name = target_of(node)
        target = self._book.part(name)
        if name in chain or ("properties" in node_of(target) and not is_block(node_of(target))):
            return LinkField(target=name, book=self._book, **_about(node))
        if not isinstance(target, Mapping):
            return JsonField(**_about(node))
        said = {key: node[key] for key in _ABOUT if key in node}
        return self.field({**cast("Node", target), **said}, chain=(*chain, name), depth=depth + 1)

    def _choice(self, node: Node, choices: Sequence[Any], chain: tuple[str, ...], depth: int) -> Field:
        """Return the field of a choice: of one branch and null, where that is all there is to choose from."""
        parts = list(self._flattened(choices, chain))
        others = [part for part in parts if not is_null(part)]
        is_nullable = len(others) < len(parts)
        about = _about(node)
        if not others:
            return NothingField(**about)
        values = values_of(others)
        if values is not None:
            return _choice_of(values, {**about, "is_nullable": is_nullable or None in values})
        if len(others) == 1:
            said = {key: node[key] for key in _ABOUT if key in node}
            found = self.field({**others[0], **said}, chain=chain, depth=depth + 1)
            if not is_nullable:
                return found
            if isinstance(found, (TextField, NumberField, ChoiceField, SecretField, BlockField)):
                return replace(found, is_nullable=True)
            if isinstance(found, SwitchField):
                return _choice_of([True, False], {**about, "is_nullable": True})
            if isinstance(found, (JsonField, NothingField)):
                return found
        branches = [self.field(part, chain=chain, depth=depth + 1) for part in others]
        titles = told_apart(
            [branch_title(part, branch) for part, branch in zip(others, branches, strict=True)]
        )
        named = [
            replace(branch, title=title, is_required=True, is_choice=True)
            for branch, title in zip(branches, titles, strict=True)
        ]
        if is_nullable:
            named.insert(0, NothingField(title="None"))
        return UnionField(branches=tuple(named), **about)

    def _flattened(self, choices: Sequence[Any], chain: tuple[str, ...]) -> Sequence[Node]:
        """Return the branches of a choice, those of choices inside it among them."""
        found: list[Node] = []
        for part in choices:
            node = node_of(part)
            inner = choices_of(node)
            if inner is None or node.get("writeOnly") or node.get("x-decimal"):
                found.append(node)
            else:
                found += self._flattened(inner, chain)
        return found

    def _single(self, node: Node, chain: tuple[str, ...], depth: int) -> Field:
        about = _about(node)
        if is_block(node):
            return BlockField(
                slug=str(node.get("x-block-type", "")),
                capability=str(node.get("x-capability", "")),
                may_be_inside=node.get("type") == "object",
                **about,
            )
        if "const" in node:
            return ConstantField(value=node["const"], **about)
        if isinstance(node.get("enum"), list):
            values = cast("list[Json]", node["enum"])
            return _choice_of(values, {**about, "is_nullable": None in values})
        if node.get("x-decimal"):
            return NumberField(kind="decimal", limits=limits_of(numeric_of(node)), **about)
        return self._typed(node, about, chain, depth)

    def _typed(self, node: Node, about: dict[str, Any], chain: tuple[str, ...], depth: int) -> Field:
        """Return the field of a part that says its type."""
        kind = node.get("type", "object" if node_of(node.get("properties")) else None)
        if kind == "string":
            return _text(node, about)
        if kind in ("integer", "number"):
            return NumberField(kind=kind, limits=limits_of(node), **about)
        if kind == "boolean":
            return SwitchField(**about)
        if kind == "null":
            return NothingField(**about)
        if kind == "array":
            return self._list(node, about, chain, depth)
        if kind == "object":
            return self._object(node, about, chain, depth)
        return JsonField(**about)

    def _list(self, node: Node, about: dict[str, Any], chain: tuple[str, ...], depth: int) -> Field:
        first = tuple(
            replace(self._inner(part, chain, depth), is_required=True)
            for part in parts_of(node.get("prefixItems"))
        )
        titled = tuple(
            item if item.title else replace(item, title=f"Item {count}")
            for count, item in enumerate(first, start=1)
        )
        rest = node.get("items", not first)
        has_more = rest is not False and count_of(node, "maxItems") != len(first)
        item = replace(self._inner(rest, chain, depth), is_required=True) if has_more else None
        return ListField(
            first=titled,
            item=item,
            min_items=count_of(node, "minItems") or 0,
            max_items=count_of(node, "maxItems"),
            is_set=bool(node.get("uniqueItems")),
            **about,
        )

    def _object(self, node: Node, about: dict[str, Any], chain: tuple[str, ...], depth: int) -> Field:
        patterns, properties = node_of(node.get("patternProperties")), node_of(node.get("properties"))
        further = next(iter(patterns.values()), node.get("additionalProperties", not properties))
        extra = None if further is False else self._value(further, chain, depth)
        if not properties:
            return MapField(value=extra or JsonField(is_required=True), key_help=key_help_of(node), **about)
        required = parts_of(node.get("required"))
        members = tuple(
            Member(name, self._member(name, part, name in required, chain, depth))
            for name, part in properties.items()
        )
        return ModelField(members=members, extra=extra, **about)

    def _member(self, name: str, part: Any, is_required: bool, chain: tuple[str, ...], depth: int) -> Field:
        found = self._inner(part, chain, depth)
        title = str(node_of(part).get("title") or name.replace("_", " ").title())
        return replace(found, title=title, is_required=is_required)

    def _value(self, part: Any, chain: tuple[str, ...], depth: int) -> Field:
        found = replace(self._inner(part, chain, depth), is_required=True)
        return replace(found, may_be_empty=True) if isinstance(found, TextField) else found

    def _inner(self, part: Any, chain: tuple[str, ...], depth: int) -> Field:
        return self.field(part, chain=chain, depth=depth + 1)


def _choice_of(values: Sequence[Json], about: dict[str, Any]) -> ChoiceField:
    options = tuple(value for value in values if value is not None)
    return ChoiceField(options=options, labels=tuple(label_of(value) for value in options), **about)


def _about(node: Node) -> dict[str, Any]:
    shown = parts_of(node.get("examples"))
    return {
        "title": str(node.get("title") or ""),
        "help": str(node.get("description") or ""),
        "examples": tuple(one if isinstance(one, str) else json.dumps(one) for one in shown[:3]),
        "default": cast("Maybe", node.get("default", MISSING)),
        "is_read_only": node.get("readOnly") is True,
        "is_deprecated": node.get("deprecated") is True,
    }


def _secret(node: Node, about: dict[str, Any]) -> SecretField:
    is_password = node.get("format") == "password"
    kind = "bytes" if "contentEncoding" in node else "text" if node.get("type") == "string" else "json"
    if kind == "bytes" and not is_password:
        kind = "json"
    found = SecretField(kind=kind, takes_reference=is_password, is_password=is_password, **about)
    return replace(found, default=MISSING)  # whatever stands there: everybody may read a schema


def _text(node: Node, about: dict[str, Any]) -> TextField:
    kind = str(node.get("format") or "text")
    if "contentEncoding" in node:
        kind = "bytes"
    elif kind in _LINES or str(node.get("contentMediaType", "")).startswith("text/"):
        kind = "lines"
    return TextField(
        kind=kind,
        min_length=count_of(node, "minLength") or 0,
        max_length=count_of(node, "maxLength"),
        pattern=str(node.get("pattern") or ""),
        **about,
    )
