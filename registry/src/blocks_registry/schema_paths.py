"""What a type's JSON Schema says of the field at a dotted path.

A field may take several kinds of values; each is one *option*, a schema without references or choices.
Source: JSON Schema 2020-12, as pydantic writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

Node = Mapping[str, Any]
Options = list[Node]

_CHOICES = ("anyOf", "oneOf", "allOf")


class SchemaReader:
    """Reads one type's schema by dotted paths."""

    def __init__(self, schema: Node) -> None:
        self._schema = schema
        self.root: Options = self._expand(schema, ())

    def at(self, steps: Iterable[str]) -> Options:
        """Return what the field at the end of these steps takes; empty where there is no such field."""
        options = self.root
        for step in steps:
            options = self.below(options, step)
        return options

    def below(self, options: Options, step: str) -> Options:
        """Return what a member or an item of these options takes."""
        return [
            inner
            for option in options
            if not option.get("writeOnly")  # a secret is given whole
            for child in _children(option, step)
            for inner in self._expand(child, ())
        ]

    def fields(self) -> Iterator[tuple[str, Node, Options, bool]]:
        """Yield path, schema, options and whether it is required, for each field, members of models too."""
        yield from self._fields(self.root, "", ())

    def example_options(self) -> list[str]:
        """Return the command line options for the fields that must be given."""
        return [
            f"--secret {path}" if is_secret(options) else f"--set {path}=..."
            for path, _, options, required in self.fields()
            if required and "." not in path
        ]

    def missing_secrets(self, values: Mapping[str, Any]) -> list[str]:
        """Return the paths of the secrets that must be given and were not."""
        return list(self._missing_secrets(self.root, values, ""))

    def _fields(
        self, options: Options, prefix: str, inside: tuple[Node, ...]
    ) -> Iterator[tuple[str, Node, Options, bool]]:
        for option in options:
            if inside and "x-block-type" in option:  # a block's fields are its own type's
                continue
            if any(option is model for model in inside):  # a model that holds itself is listed once
                continue
            for name, node in option.get("properties", {}).items():
                inner = self._expand(node, ())
                yield f"{prefix}{name}", node, inner, name in option.get("required", ())
                yield from self._fields(inner, f"{prefix}{name}.", (*inside, option))

    def _missing_secrets(self, options: Options, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        models = [option for option in options if "properties" in option]
        if len(models) != 1:  # which one is meant is for pydantic to say
            return
        for name in models[0]["properties"]:
            inner = self.below(models, name)
            if isinstance(values.get(name), dict):
                yield from self._missing_secrets(inner, values[name], f"{prefix}{name}.")
            elif name in models[0].get("required", ()) and name not in values and is_secret(inner):
                yield f"{prefix}{name}"

    def _expand(self, node: Any, inside: tuple[str, ...]) -> Options:
        if not isinstance(node, Mapping):
            return [{}] if node is True else []
        part = cast("Node", node)
        if "$ref" in part:
            name = str(part["$ref"]).rpartition("/")[2]
            if name in inside:
                return []
            return self._expand(self._schema.get("$defs", {}).get(name, {}), (*inside, name))
        for key in _CHOICES:
            if key in part:
                return [option for choice in part[key] for option in self._expand(choice, inside)]
        return [part]


def is_secret(options: Options) -> bool:
    """Tell whether a field may hold a secret as its own value."""
    return any(option.get("writeOnly") for option in options)


def takes_block(options: Options) -> bool:
    """Tell whether a field takes a block."""
    return any(is_block(option) for option in options)


def is_block(option: Node) -> bool:
    """Tell whether an option is a block: of a type, with a capability, or any."""
    return any(word in option for word in ("x-block-type", "x-capability", "x-any-block"))


def takes_text(options: Options) -> bool:
    """Tell whether a field takes a text as it is."""
    return bool(texts_of(options))


def texts_of(options: Options) -> Options:
    """Return those of the options that are texts, or anything."""
    return [option for option in options if _takes_text(option)]


def secret_kind(options: Options, value: object) -> str:
    """Return as which kind of secret a field holds a value: `str`, `bytes`, or `value` for any other."""
    secret = next(option for option in options if option.get("writeOnly"))
    if secret.get("format") != "password" or not isinstance(value, (str, bytes)):
        return "value"
    return "bytes" if "contentEncoding" in secret else "str"


def takes_bytes(options: Options) -> bool:
    """Tell whether a field takes bytes and no text."""
    texts = texts_of(options)
    return bool(texts) and all("contentEncoding" in option for option in texts)


def takes_list(options: Options) -> bool:
    """Tell whether a field takes a list, a tuple or a set."""
    return any(option.get("type") == "array" for option in options)


def names_below(options: Options) -> list[str]:
    """Return the names of the fields of models among the options."""
    return [name for option in options for name in option.get("properties", {})]


def describe_options(options: Options) -> str:
    """Return what a field takes, in words."""
    return " or ".join(dict.fromkeys(_words(option) for option in options)) or "anything"


def _words(option: Node) -> str:
    for key, word in (("x-block-type", "block of type"), ("x-capability", "block that can be a")):
        if key in option:
            return f"{word} {option[key]}"
    if is_block(option):
        return "block"
    if option.get("writeOnly"):
        return "secret"
    if "const" in option or "enum" in option:
        return " or ".join(json.dumps(value) for value in option.get("enum", [option.get("const")]))
    if option.get("type") == "object":
        return str(option["title"]) if "properties" in option else "object"
    if option.get("type") == "array":
        return "list"
    if "contentEncoding" in option:
        return "bytes"
    return str(option.get("format") or option.get("type") or "anything")


def _takes_text(option: Node) -> bool:
    allowed: Sequence[Any] = option.get("enum", [option["const"]] if "const" in option else [])
    if allowed:
        return any(isinstance(value, str) for value in allowed)
    return option.get("type", "string") == "string" and not is_block(option)


def _children(option: Node, step: str) -> Iterator[Any]:
    if option.get("type") == "array":
        items: Sequence[Any] = option.get("prefixItems", [])
        if step.isdecimal():
            index = int(step)
            yield items[index] if index < len(items) else option.get("items", {})
        return
    if step in option.get("properties", {}):
        yield option["properties"][step]
    elif "additionalProperties" in option:
        yield option["additionalProperties"]
