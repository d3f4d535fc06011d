"""Where the value of each field of a saved block comes from; the values of secrets are never read for it.

Secret references are tried in this process, which asks the sources that they name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from uuid import UUID

from blocks_core.chain import Upgraded, bring_up_to_date
from blocks_core.comparing import compare
from blocks_core.document import Document, Encoded, Json, dotted, pointer_to
from blocks_core.errors import BlocksError, BlockTypeNotFound, KeyringError, NameInvalid, PluginBroken
from blocks_core.library import Library
from blocks_core.names import split_address
from blocks_core.records import FieldChange, VersionSummary
from blocks_core.registry import Registry
from blocks_core.resolving import ReferenceState, state_of
from blocks_core.schema import schema_of
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_core.secret_reference import MARK
from blocks_registry.database import Database
from blocks_registry.schema_paths import Options, SchemaReader

Kind = Literal["value", "default", "secret", "secret reference", "block", "inline block", "upgrade"]

_KEY = "SELECT key_id FROM document_versions WHERE document_id = ? AND version = ?"


@dataclass(frozen=True)
class Origin:
    """Where the value of one field comes from."""

    path: str
    kind: Kind
    """`default`: it is stored, as all values are, and equals the type's default. `upgrade`: it is not stored."""
    value: Json = None
    """None of a secret; of a reference its text, of a block its address or its type."""
    since: VersionSummary | None = None
    """The version of the document in which it became what it is; None where that cannot be told."""
    moved_from: str = ""
    """Where it is stored, if an upgrade moves it on load."""
    reference: ReferenceState | None = None
    held: Document | None = None
    """Of a block that is referred to."""


@dataclass(frozen=True)
class Explanation:
    """Where the values of a saved block come from."""

    document: Document
    origins: list[Origin]
    key_id: str | None
    """Of the key that seals its secrets; None where there are none, or nobody can tell."""
    upgrades: list[str]
    """What brings it to the installed version of its type on load; empty where that stored it."""
    problem: str = ""
    """Why the type could not be asked, or cannot load it."""


def explain(library: Library, slug: str, name: str, key_id: str | None = None) -> Explanation:
    """Return where the value of each field comes from. The plugin is asked where it is installed, and not needed.

    Args:    key_id: of the key that seals the document's secrets, if that is known.
    Raises:  BlockNotFound.
    """
    document = library.registry.read(slug, name)
    upgraded, problem = _upgraded(library, document)
    content, version = document.content, document.type_version
    if upgraded is not None:
        content, version = upgraded.content, version + len(upgraded.steps[""])
    reading = _Reading(library, document, upgraded, content)
    origins = list(reading.origins(_Type.find(library, slug, version)))
    steps = [str(step) for chain in (upgraded.steps.values() if upgraded else ()) for step in chain]
    return Explanation(document, origins, key_id, steps, problem)


def read_key_id(database: Database, document: Document) -> str | None:
    """Return the id of the key that seals a document's secrets, or None where it has none."""
    with database.reading() as connection:
        row = connection.execute(_KEY, (str(document.id), document.version)).fetchone()
    return None if row is None else row[0]


def _upgraded(library: Library, document: Document) -> tuple[Upgraded | None, str]:
    """Return the document as the installed version of its type loads it, and why that cannot be told."""
    try:
        block_type = library.type(document.slug)
        if not library.is_outdated(document, block_type):
            return None, ""
        return bring_up_to_date(document, block_type, library.type), ""
    except BlocksError as error:
        return None, str(error)


@dataclass(frozen=True)
class _Type:
    """What a type's schema says of the fields below a place."""

    options: Options
    reader: SchemaReader
    defaults: Mapping[str, Json]
    """By dotted paths from where the type's fields begin."""
    start: str = ""
    """Pointer of that place."""

    @classmethod
    def find(cls, library: Library, slug: str, version: int, start: str = "") -> _Type | None:
        """Return what is known of a version of a type, or None."""
        schema = _schema_of(library, slug, version)
        if schema is None:
            return None
        reader = SchemaReader(schema)
        defaults = {path: node["default"] for path, node, _, _ in reader.fields() if "default" in node}
        return cls(reader.root, reader, defaults, start)

    def below(self, step: str) -> _Type:
        """Return what is said of a member or an item."""
        return _Type(self.reader.below(self.options, step), self.reader, self.defaults, self.start)

    @property
    def is_model(self) -> bool:
        """Tell whether the members here are fields."""
        return any("properties" in option for option in self.options)

    def is_default(self, pointer: str, value: Json) -> bool:
        """Tell whether a value is the default of its field."""
        path = dotted(pointer[len(self.start) :])
        return path in self.defaults and _same(self.defaults[path], value)


class _Reading:
    """One run over a document, as it is loaded."""

    def __init__(
        self, library: Library, document: Document, upgraded: Upgraded | None, content: Encoded
    ) -> None:
        self._library = library
        self._document = document
        self._upgraded = upgraded
        self._content = content
        self._addresses = library.registry.addresses(target for _, target in content.references())
        named = {str(found): address for found, address in self._addresses.items()}
        self._made = compare(document.content, content, named) if upgraded else []
        self._since: dict[str, VersionSummary] = {}

    def origins(self, described: _Type | None) -> Iterator[Origin]:
        """Yield the origin of each field."""
        places = list(self._places(self._content.data, "", described))
        stored = [self._stored_path(pointer) for pointer, _ in places]
        self._since = _versions_of(
            self._library.registry, self._document, {path for path in stored if path is not None}
        )
        for (pointer, known), path in zip(places, stored, strict=True):
            yield self._origin(pointer, known, path)

    def _places(self, data: Json, pointer: str, known: _Type | None) -> Iterator[tuple[str, _Type | None]]:
        """Yield the places of values that are explained as one, with what the schema says there."""
        mark = self._content.marks.get(pointer, "")
        if mark.startswith("inline:"):
            yield pointer, known
            slug, _, version = mark.removeprefix("inline:").rpartition("@")
            known = _Type.find(self._library, slug, int(version), pointer) if version.isdecimal() else None
        elif mark.startswith(("secret:", MARK, "block:")) or not self._is_opened(data, pointer, known):
            yield pointer, known
            return
        members = (
            data.items() if isinstance(data, dict) else enumerate(data if isinstance(data, list) else ())
        )
        for step, value in members:
            inner = known.below(str(step)) if known else None
            yield from self._places(value, pointer_to(pointer, step), inner)

    def _is_opened(self, data: Json, pointer: str, known: _Type | None) -> bool:
        """Tell whether what a container holds is explained part by part."""
        if not isinstance(data, (dict, list)) or not data:
            return not pointer and isinstance(data, dict)
        if not pointer or (isinstance(data, dict) and known is not None and known.is_model):
            return True
        special = ("secret:", MARK, "block:", "inline:")
        return any(
            place.startswith(f"{pointer}/") and mark.startswith(special)
            for place, mark in self._content.marks.items()
        )

    def _stored_path(self, pointer: str) -> str | None:
        """Return where a value is stored, or None where an upgrade makes it on load."""
        if self._upgraded is None:
            return dotted(pointer)
        if pointer in self._upgraded.origins:
            return dotted(self._upgraded.origins[pointer])
        path = dotted(pointer)
        return None if any(_touches(change, path) for change in self._made) else path

    def _origin(self, pointer: str, known: _Type | None, stored: str | None) -> Origin:
        path, data = dotted(pointer), _at(self._content.data, pointer)
        mark = self._content.marks.get(pointer, "")
        since = None if stored is None else self._since.get(stored)
        moved = "" if stored in (None, path) else str(stored)
        if mark.startswith("secret:"):
            return Origin(path, "secret", None, since, moved)
        if mark.startswith(MARK):
            return Origin(path, "secret reference", data, since, moved, reference=self._state(mark, data))
        if mark.startswith("block:"):
            address, held = self._held(UUID(mark.removeprefix("block:")))
            return Origin(path, "block", address, since, moved, held=held)
        if mark.startswith("inline:"):
            return Origin(path, "inline block", mark.removeprefix("inline:"), since, moved)
        if stored is None:
            return Origin(path, "upgrade", data)
        is_default = known is not None and known.is_default(pointer, data)
        return Origin(path, "default" if is_default else "value", data, since, moved)

    def _state(self, mark: str, data: Json) -> ReferenceState:
        try:
            kind = SecretBytesRef if mark == f"{MARK}bytes" else SecretRef
            reference = kind(str(data))
        except NameInvalid as error:
            return ReferenceState(str(data), "nowhere", problem=str(error))
        reference.bind(self._library)
        return state_of(reference, self._library)

    def _held(self, target: UUID) -> tuple[str, Document | None]:
        address = self._addresses.get(target)
        if address is None:
            return f"{target} (deleted)", None
        return address, self._library.registry.read(*split_address(address))


def _versions_of(registry: Registry, document: Document, paths: Iterable[str]) -> dict[str, VersionSummary]:
    """Return the version in which each of these fields of a document became what it is.

    Without the key, that of a secret cannot be told, and is left out.
    """
    slug, name, waiting = document.slug, document.name, set(paths)
    found: dict[str, VersionSummary] = {}
    versions = registry.history(slug, name)
    for newer, older in pairwise(versions):
        if not waiting:
            break
        changes = _changes(registry, document, older.version, newer.version)
        if changes is None:
            waiting -= _secrets_of(document)
            changes = compare(
                registry.read(slug, name, version=older.version).content,
                registry.read(slug, name, version=newer.version).content,
            )
        touched = {path for path in waiting if any(_touches(change, path) for change in changes)}
        found |= dict.fromkeys(touched, newer)
        waiting -= touched
    return found | dict.fromkeys(waiting, versions[-1])


def _changes(registry: Registry, document: Document, older: int, newer: int) -> list[FieldChange] | None:
    try:
        return registry.diff(document.slug, document.name, older, newer)
    except KeyringError:
        return None


def _secrets_of(document: Document) -> set[str]:
    return {dotted(pointer) for pointer, mark in document.content.marks.items() if mark.startswith("secret:")}


def _touches(change: FieldChange, path: str) -> bool:
    """Tell whether a change is one of a field, of what is around it, or of what is in it."""
    return change.path == path or path.startswith(f"{change.path}.") or change.path.startswith(f"{path}.")


def _schema_of(library: Library, slug: str, version: int) -> dict[str, Json] | None:
    try:
        registered = library.registry.type(slug)
        if registered.version == version:
            return registered.schema
        installed = library.type(slug)
    except (BlockTypeNotFound, PluginBroken):
        return None
    return schema_of(installed) if installed.type_info.version == version else None


def _same(default: Json, value: Json) -> bool:
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (default, value))
    if numbers:
        return default == value
    return json.dumps(default, sort_keys=True) == json.dumps(value, sort_keys=True)


def _at(data: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        data = data[int(name)] if isinstance(data, list) else data[name] if isinstance(data, dict) else None
    return data
