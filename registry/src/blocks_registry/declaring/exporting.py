"""Saved blocks as the declarations that would make them: the same blocks are always the same text.

Only what is stored is read, so no plugin is needed, and no key unless secrets are revealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from blocks_core.document import Document, Encoded, Json, dotted, pointer_to
from blocks_core.names import join_address, split_address
from blocks_core.records import Summary
from blocks_core.registry import Registry
from blocks_registry.declaring.implied import Fields, Schemas, inline_of
from blocks_registry.declaring.kinds import (
    BLOCK,
    INLINE,
    JSON,
    PLAIN,
    SECRET,
    SECRET_REFERENCE,
    is_form_of_secret,
    write_path,
)
from blocks_registry.declaring.yaml_writer import Inline, can_write, write_document

_ALWAYS: Final = frozenset({"bytes", f"{SECRET}bytes", f"{SECRET}value"})
"""Kinds that are named in any case: without them, another version of the type could take the value for a text."""


@dataclass(frozen=True)
class ExportOptions:
    """Which blocks are written, and what of them."""

    addresses: tuple[str, ...] = ()
    slug: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    reveal_secrets: bool = False


@dataclass(frozen=True)
class Exported:
    """One block as text."""

    slug: str
    name: str
    version: int
    """Of the document, when it was read."""
    text: str
    """A YAML document."""
    broken: tuple[str, ...] = ()
    """Paths of the fields that hold a block which is not there any more."""
    revealed: tuple[str, ...] = ()
    """Paths of the secrets whose values stand in the text."""

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


def chosen(registry: Registry, options: ExportOptions) -> list[Summary]:
    """Return a line for each block that is to be written, sorted by address.

    Raises:  NameInvalid; BlockNotFound: one of the addresses is not there.
    """
    found = registry.find(options.slug, labels=options.labels or None)
    wanted = set(options.addresses)
    missing = (
        wanted - {join_address(summary.slug, summary.name) for summary in registry.find()} if wanted else ()
    )
    for address in sorted(missing):
        registry.read(*split_address(address))  # says what is not there, and what may have been meant
    return [summary for summary in found if not wanted or join_address(summary.slug, summary.name) in wanted]


def export_blocks(
    registry: Registry, summaries: Iterable[Summary], *, reveal_secrets: bool = False
) -> Iterator[Exported]:
    """Yield blocks as text.

    Raises:  BlockNotFound: one was deleted meanwhile. KeyringError, where secrets are revealed.
    """
    writer = _Writer(registry)
    for summary in summaries:
        if reveal_secrets:
            document = registry.load(summary.slug, summary.name).root
        else:
            document = registry.read(summary.slug, summary.name)
        yield writer.write(document, reveal_secrets=reveal_secrets)


class _Writer:
    def __init__(self, registry: Registry) -> None:
        types = {block_type.slug: block_type for block_type in registry.types()}
        self._registry = registry
        self._schemas = Schemas(lambda slug, _: types.get(slug))
        self._addresses: dict[UUID, str] = {}

    def write(self, document: Document, *, reveal_secrets: bool) -> Exported:
        wanted = {target for _, target in document.content.references()} - self._addresses.keys()
        if wanted:
            self._addresses |= self._registry.addresses(wanted)
        fields = self._schemas.fields(document.slug, document.type_version)
        rendering = _Rendering(document.content, self._schemas, self._addresses, reveal=reveal_secrets)
        values, kinds = rendering.render(fields)
        found: dict[str, Json] = {"block": document.address, "type_version": document.type_version}
        if document.labels:
            found["labels"] = dict(sorted(document.labels.items()))
        found["fields"] = values
        if kinds:
            found["kinds"] = kinds
        return Exported(
            document.slug,
            document.name,
            document.version,
            write_document(found),
            tuple(rendering.broken),
            tuple(dotted(pointer) for pointer in document.content.secrets) if reveal_secrets else (),
        )


class _Rendering:
    """One document, or the value of one secret."""

    def __init__(
        self, content: Encoded, schemas: Schemas, addresses: Mapping[UUID, str], *, reveal: bool
    ) -> None:
        self._content = content
        self._schemas = schemas
        self._addresses = addresses
        self._reveal = reveal
        self._kinds: dict[str, str] = {}
        self.broken: list[str] = []

    def render(self, fields: Fields) -> tuple[Json, dict[str, Json]]:
        """Return the value as it is declared, and the kinds that its schema does not tell, by their paths."""
        value = self._value(self._content.data, "", fields)
        value = _without_halves(value, "", self._kinds)
        return value, {write_path(pointer): kind for pointer, kind in self._kinds.items()}

    def _value(self, data: Json, pointer: str, fields: Fields) -> Json:
        mark = self._content.marks.get(pointer, "")
        if mark.startswith((SECRET, SECRET_REFERENCE)):
            return self._secret(data, pointer, mark, fields)
        if mark.startswith("block:"):
            return self._block(pointer, mark, fields)
        if mark.startswith(INLINE):
            fields = self._schemas.fields(*inline_of(mark))
            self._kinds[pointer] = mark
        elif mark != fields.kind(data) or mark in _ALWAYS or fields.is_secret or is_form_of_secret(data):
            self._note(pointer, mark, data)
        if isinstance(data, dict):
            return {
                key: self._value(inner, pointer_to(pointer, key), fields.below(key))
                for key, inner in data.items()
            }
        if isinstance(data, list):
            return [
                self._value(item, pointer_to(pointer, index), fields.below(index))
                for index, item in enumerate(data)
            ]
        return data

    def _note(self, pointer: str, mark: str, data: Json) -> None:
        if data is not None:
            self._kinds[pointer] = mark or PLAIN

    def _block(self, pointer: str, mark: str, fields: Fields) -> str:
        target = mark.removeprefix("block:")
        address = self._addresses.get(UUID(target))
        if address is None:
            self.broken.append(dotted(pointer))
            address = target
        if fields.is_secret or fields.kind(address) != BLOCK:
            self._kinds[pointer] = BLOCK
        return address

    def _secret(self, data: Json, pointer: str, mark: str, fields: Fields) -> Json:
        word, _, kind = mark.partition(":")
        mark = f"{SECRET}{kind}"
        form: dict[str, Json] = {"secret": "keep"}
        value: Json = ""
        if f"{word}:" == SECRET_REFERENCE:
            form, value = {"ref": data}, data
        elif self._reveal:
            secret = self._content.secrets[pointer]
            inner = _Rendering(secret, self._schemas, self._addresses, reveal=True)
            value = secret.data
            shown, kinds = inner.render(fields.inside_secret(mark))
            if mark == f"{SECRET}bytes" and kinds == {"": "bytes"}:
                kinds = {}
            form = {"value": shown, "kinds": kinds} if kinds else {"value": shown}
        keeps = form == {"secret": "keep"}  # what is stored says itself of which kind it is
        told = keeps or (fields.secret_kind(value) == mark and mark not in _ALWAYS)
        if not (fields.is_secret and told):
            self._kinds[pointer] = mark
        in_lines = isinstance(value, (dict, list)) or (isinstance(value, str) and "\n" in value)
        return form if self._reveal and in_lines else Inline(form)


def _without_halves(value: Json, pointer: str, kinds: dict[str, str]) -> Json:
    """Return a value with what YAML cannot hold, halves of characters (surrogates), as texts of the kind `json`."""
    if isinstance(value, str) and not can_write(value):
        kinds[pointer] = f"{JSON}+{kinds[pointer]}" if pointer in kinds else JSON
        return json.dumps(value)
    if isinstance(value, dict):
        if not all(can_write(key) for key in value):
            kinds[pointer] = f"{JSON}+{kinds[pointer]}" if pointer in kinds else JSON
            return json.dumps(value)
        inside = {
            key: _without_halves(inner, pointer_to(pointer, key), kinds) for key, inner in value.items()
        }
        return Inline(inside) if isinstance(value, Inline) else inside
    if isinstance(value, list):
        return [_without_halves(item, pointer_to(pointer, index), kinds) for index, item in enumerate(value)]
    return value
