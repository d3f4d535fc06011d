"""The stored form of a block, as it crosses the seam between library and registry.

A value is kept as natural JSON, with what JSON cannot say *beside* it, at JSON pointers, so that no
value of a user can be taken for a marker:

    Encoded(data={"bucket": "raw", "token": null}, marks={"/token": "secret:str"}, secrets={"/token": …})

Source: RFC 6901 (JSON pointers).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from blocks_core.names import join_address

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_REFERENCE = "block:"


@dataclass(frozen=True, repr=False)
class Encoded:
    """A value as JSON, the kinds that JSON lacks, and its secrets apart. Its repr shows no value."""

    data: Json
    marks: Mapping[str, str] = field(default_factory=dict[str, str])
    """JSON pointer -> kind: `secret:str`, `block:<uuid>`, `inline:<slug>@<version>`, `bytes`, `tuple`, …"""
    secrets: Mapping[str, Encoded] = field(default_factory=dict[str, "Encoded"])
    """JSON pointer -> a secret's value; `data` is null there."""

    def __repr__(self) -> str:
        return f"Encoded({len(self.marks)} marks, {len(self.secrets)} secrets)"

    def references(self) -> Iterator[tuple[str, UUID]]:
        """Yield pointer and document id of each reference to a saved block."""
        for pointer, kind in self.marks.items():
            if kind.startswith(_REFERENCE):
                yield pointer, UUID(kind.removeprefix(_REFERENCE))

    def data_text(self) -> str:
        """Return the data as JSON text, members in their order."""
        return _dump(self.data)

    def marks_text(self) -> str:
        """Return the marks as JSON text."""
        return _dump(dict(self.marks))

    def secrets_bytes(self) -> bytes:
        """Return the secrets as JSON text in UTF-8: what the vault seals."""
        return _dump({pointer: value.to_json() for pointer, value in self.secrets.items()}).encode()

    def to_json(self) -> Json:
        """Return all of it, secrets included, as one JSON value."""
        secrets: Json = {pointer: value.to_json() for pointer, value in self.secrets.items()}
        return {"data": self.data, "marks": dict(self.marks), "secrets": secrets}

    @classmethod
    def from_json(cls, value: Json) -> Encoded:
        """Return what `to_json` gave."""
        assert isinstance(value, dict)
        marks, secrets = value["marks"], value["secrets"]
        assert isinstance(marks, dict)
        assert isinstance(secrets, dict)
        return cls(
            data=value["data"],
            marks={pointer: str(kind) for pointer, kind in marks.items()},
            secrets={pointer: cls.from_json(secret) for pointer, secret in secrets.items()},
        )

    @classmethod
    def from_parts(cls, data_text: str, marks_text: str, secrets: bytes | None) -> Encoded:
        """Return what `data_text`, `marks_text` and `secrets_bytes` gave; None leaves the secrets out.

        Raises:  AttributeError, RecursionError, TypeError, ValueError: these are not what was given.
        """
        values: dict[str, Json] = json.loads(secrets) if secrets else {}
        marks = cast("dict[str, str]", json.loads(marks_text))
        content = cls(
            data=json.loads(data_text),
            marks=marks,
            secrets={pointer: cls.from_json(value) for pointer, value in values.items()},
        )
        for _ in content.references():  # looks at each mark
            pass
        return content


@dataclass(frozen=True)
class Draft:
    """A block on its way into the registry."""

    slug: str
    name: str
    type_version: int
    structure_hash: str
    """Of the type's schema, as the process that saves knows it."""
    content: Encoded
    labels: Mapping[str, str] | None = None
    """Words to find it by; None leaves those that the document has."""
    document_id: UUID | None = None
    """For a document that is new, so that others can refer to it before it is kept; None chooses one."""
    action: str = "saved"
    """What made this version, for its history."""


@dataclass(frozen=True)
class Document:
    """A block as the registry keeps it."""

    id: UUID
    slug: str
    name: str
    version: int
    """Counts the saves of this document, from 1."""
    type_version: int
    """The version of the block type that its content was written by."""
    content: Encoded
    saved_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    saved_by: str = ""
    """`user@host`, or the name of a token."""
    action: str = "saved"
    """What made this version: `saved`, `restored from 3`, …"""

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


@dataclass(frozen=True)
class DocumentTree:
    """A document and every document it refers to, directly or not."""

    root: Document
    others: Mapping[UUID, Document] = field(default_factory=dict[UUID, Document])


def pointer_to(pointer: str, step: str | int) -> str:
    """Return the JSON pointer of a member or an item below another pointer.

    >>> pointer_to("/a", "b/c")
    '/a/b~1c'
    """
    return f"{pointer}/{str(step).replace('~', '~0').replace('/', '~1')}"


def dotted(pointer: str) -> str:
    """Return a pointer as people write the path of a field.

    >>> dotted("/hosts/0/token")
    'hosts.0.token'
    """
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def reference_mark(document_id: UUID) -> str:
    """Return the mark of a reference to a saved block."""
    return f"{_REFERENCE}{document_id}"


def _dump(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
