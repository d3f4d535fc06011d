"""The fields of a block that is to be made, collected from options, files and standard input."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn, cast

import click
from pydantic import Secret, SecretBytes, SecretStr

from blocks_core.errors import BlockInvalid, FieldProblem, NameInvalid, did_you_mean
from blocks_core.names import suggest
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_registry.schema_paths import (
    Options,
    SchemaReader,
    describe_options,
    is_secret,
    names_below,
    secret_kind,
    takes_block,
    takes_bytes,
    takes_list,
    takes_text,
)

_REFERENCE: Final = "ref"
"""The one name in a JSON object that stands in the place of a secret's value: `{"ref": "env:NAME"}`."""


class Fields:
    """Plain data for a block of one type, its secrets wrapped and its references loaded.

    Args:    what: what to call the block in an error. load: loads a saved block by its address.
    """

    def __init__(self, schema: Mapping[str, Any], *, what: str, load: Callable[[str], object]) -> None:
        self.schema = SchemaReader(schema)
        self.values: dict[str, Any] = {}
        self.secret_texts: list[str] = []
        self._what = what
        self._load = load

    def take(self, values: Mapping[str, Any]) -> None:
        """Take whole fields of plain JSON, secrets among them.

        Raises:  BlockInvalid.
        """
        for name, value in values.items():
            options = self.schema.at((name,))
            self.values[name] = self._from_json(name, value, options, open_to_secrets=True)

    def set_text(self, path: str, text: str) -> None:
        """Set a field to a text as it is, or to the JSON value in it where the field takes no text.

        Raises:  UsageError: the field is a secret. BlockInvalid.
        """
        steps = tuple(path.split("."))
        options = self._options_at(steps)
        self._refuse_secret(path, options)
        if takes_block(options):
            value = self._saved_block(path, text)
        elif takes_bytes(options):
            value = text.encode()
        elif takes_text(options):
            value = text
        else:
            value = self._from_json(path, self._parsed(path, text, options), options, open_to_secrets=False)
        self._put(steps, value)

    def set_json(self, path: str, text: str) -> None:
        """Set a field to a JSON value.

        Raises:  UsageError: the value holds a secret. BlockInvalid.
        """
        steps = tuple(path.split("."))
        options = self._options_at(steps)
        value = self._parsed(path, text, options)
        self._put(steps, self._from_json(path, value, options, open_to_secrets=False))

    def require_secret(self, path: str) -> None:
        """Refuse a path that is no secret's.

        Raises:  UsageError, BlockInvalid.
        """
        self._options_of_secret(tuple(path.split(".")))

    def set_secret(self, path: str, text: str) -> None:
        """Set a secret to a text; to the JSON value in it where the secret is no text.

        Raises:  UsageError, BlockInvalid.
        """
        steps = tuple(path.split("."))
        options = self._options_of_secret(steps)
        self._put_secret(steps, text if takes_text(options) else self._parsed(path, text, options), options)

    def set_reference(self, path: str, text: str) -> None:
        """Let a secret be what a reference leads to, such as `env:NAME`; it is not read here.

        Raises:  UsageError: the field is no secret. BlockInvalid.
        """
        steps = tuple(path.split("."))
        options = [found for found in self._options_of_secret(steps) if found.get("format") == "password"]
        self._put(steps, self._referring(path, text, options))

    def set_secrets(self, values: Mapping[str, Any]) -> None:
        """Set the secrets of a JSON object: by dotted paths, or by objects inside objects.

        Raises:  UsageError, BlockInvalid.
        """
        for path, value in values.items():
            self._set_secrets(tuple(path.split(".")), value)

    def _set_secrets(self, steps: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and not is_secret(self._options_at(steps)):
            for name, inner in cast("dict[str, Any]", value).items():
                self._set_secrets((*steps, name), inner)
        else:
            self._put_secret(steps, value, self._options_of_secret(steps))

    def _put_secret(self, steps: tuple[str, ...], value: Any, options: Options) -> None:
        if _is_reference(value, options):
            self._put(steps, self._referring(".".join(steps), value[_REFERENCE], options))
            return
        self.secret_texts += _texts_in(value)
        if isinstance(value, str) and takes_bytes(options):
            value = value.encode()
        self._put(steps, None if value is None else _wrapped(value, options))

    def _options_of_secret(self, steps: tuple[str, ...]) -> Options:
        options = self._options_at(steps)
        if not is_secret(options):
            path = ".".join(steps)
            raise click.UsageError(f"The field '{path}' is no secret. Give it with --set {path}=VALUE.")
        return options

    def _options_at(self, steps: tuple[str, ...]) -> Options:
        options = self.schema.root
        for step in steps:
            inner = self.schema.below(options, step)
            if not inner:
                hint = did_you_mean(suggest(step, names_below(options)))
                self._refuse(".".join(steps), f"there is no such field{hint}")
            options = inner
        return options

    def _from_json(self, path: str, value: Any, options: Options, *, open_to_secrets: bool) -> Any:
        if value is None:
            return None
        if is_secret(options):
            if _is_reference(value, options):
                return self._referring(path, value[_REFERENCE], options)
            if not open_to_secrets:
                self._refuse_secret(path, options)
            return self._secret(path, value, options)
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {
                name: self._from_json(
                    f"{path}.{name}",
                    item,
                    self.schema.below(options, name),
                    open_to_secrets=open_to_secrets,
                )
                for name, item in members.items()
            }
        if isinstance(value, list):
            return [
                self._from_json(
                    f"{path}.{index}",
                    item,
                    self.schema.below(options, str(index)),
                    open_to_secrets=open_to_secrets,
                )
                for index, item in enumerate(cast("list[Any]", value))
            ]
        if isinstance(value, str) and takes_block(options):
            return self._saved_block(path, value)
        return self._decoded(path, value) if isinstance(value, str) and takes_bytes(options) else value

    def _secret(self, path: str, value: Any, options: Options) -> Any:
        self.secret_texts += _texts_in(value)
        if isinstance(value, str) and takes_bytes(options):
            return _wrapped(self._decoded(path, value), options)
        return _wrapped(value, options)

    def _referring(self, path: str, text: Any, options: Options) -> SecretRef | SecretBytesRef:
        kind = _reference_kind(options)
        if kind is None:
            self._refuse(path, "takes no secret reference, as it is no SecretStr or SecretBytes")
        try:
            return kind(text)
        except NameInvalid as error:
            problem = str(error).rstrip(".")
        return self._refuse(path, problem[:1].lower() + problem[1:])

    def _decoded(self, path: str, text: str) -> bytes:
        try:
            return b64decode(text, validate=True)
        except ValueError:
            self._refuse(path, "takes bytes, which JSON holds in base64, and the text is none")

    def _saved_block(self, path: str, address: str) -> object:
        try:
            return self._load(address)
        except NameInvalid:
            self._refuse(
                path,
                "takes a saved block: give its address, slug/name, or one of its fields by a dotted path",
            )

    def _parsed(self, path: str, text: str, options: Options) -> Any:
        with suppress(ValueError, RecursionError):
            return json.loads(text)
        return self._refuse(  # not from the cause, which holds the text
            path,
            f"takes JSON ({describe_options(options)}), and what was given is none (a text needs quotes)",
        )

    def _put(self, steps: tuple[str, ...], value: Any) -> None:
        path = ".".join(steps)
        here: Any = self.values
        for count, step in enumerate(steps[:-1], start=1):
            here = self._entered(here, step, path, self.schema.at(steps[:count]))
        self._place(here, steps[-1], value, path)

    def _entered(self, container: Any, step: str, path: str, options: Options) -> Any:
        """Return the container at a step, made where there is none yet."""
        if isinstance(container, list):
            items = cast("list[Any]", container)
            inner: Any = items[int(step)] if step.isdecimal() and int(step) < len(items) else None
        else:
            inner = container.get(step)
        if inner is None:
            inner = cast("Any", [] if takes_list(options) else {})
            self._place(container, step, inner, path)
        if not isinstance(inner, (dict, list)):
            self._refuse(path, f"lies inside '{step}', which was given as a whole")
        return cast("Any", inner)

    def _place(self, container: Any, step: str, value: Any, path: str) -> None:
        if isinstance(container, dict):
            container[step] = value
            return
        items = cast("list[Any]", container)
        if not step.isdecimal() or int(step) > len(items):
            self._refuse(path, f"the list has {len(items)} items so far: the next is number {len(items)}")
        items[int(step) : int(step) + 1] = [value]

    def _refuse_secret(self, path: str, options: Options) -> None:
        if is_secret(options):
            raise click.UsageError(
                f"The field '{path}' is a secret, and arguments are seen by every user of this machine and kept by "
                f"the shell. Give it with --secret {path}, which asks for it, or with --secrets-stdin."
            )

    def _refuse(self, path: str, problem: str) -> NoReturn:
        raise BlockInvalid(self._what, [FieldProblem(path, problem)])


def _reference_kind(options: Options) -> type[SecretRef | SecretBytesRef] | None:
    """Return the kind of reference that may stand in a secret's place: none where it is no text and no bytes."""
    secrets = [option for option in options if option.get("writeOnly")]
    if not secrets or any(option.get("format") != "password" for option in secrets):
        return None
    return SecretBytesRef if all("contentEncoding" in option for option in secrets) else SecretRef


def _is_reference(value: Any, options: Options) -> bool:
    """Tell whether a JSON value is a reference; where a secret may be any object, it is that object."""
    is_one = isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {_REFERENCE}
    return is_one and _reference_kind(options) is not None


def _wrapped(value: Any, options: Options) -> Any:
    """Return a value as the kind of secret that a field takes, so that no error repeats it."""
    if secret_kind(options, value) == "value":
        return Secret[Any](value)
    return SecretBytes(value) if isinstance(value, bytes) else SecretStr(value)


def _texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in cast("dict[str, Any]", value).values() for text in _texts_in(item)]
    if isinstance(value, list):
        return [text for item in cast("list[Any]", value) for text in _texts_in(item)]
    return [] if value is None or isinstance(value, bool) else [str(value)]
