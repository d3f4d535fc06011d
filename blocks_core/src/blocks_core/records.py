"""What a registry tells of documents beside their content: lines of lists, versions, usages, the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from blocks_core.current import Actor
from blocks_core.document import Json


@dataclass(frozen=True)
class Summary:
    """A line about a document, nothing of its content."""

    id: UUID
    slug: str
    name: str
    version: int
    type_version: int
    capabilities: tuple[str, ...]
    saved_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class VersionSummary:
    """A line about one version of a document."""

    version: int
    type_version: int
    action: str
    """What made it: `saved`, `restored from 3`, …"""
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True)
class FieldChange:
    """How a field differs between two versions; of a secret, only that it does."""

    path: str
    """Dotted path of the field."""
    kind: Literal["added", "removed", "changed"]
    before: Json = None
    after: Json = None
    secret: bool = False
    """Whether the values are secrets; they are None here then."""


@dataclass(frozen=True)
class Usage:
    """Who resolved which version of a document, how often, and when for the last time."""

    version: int
    actor: Actor
    uses: int
    first_used_at: datetime
    last_used_at: datetime


@dataclass(frozen=True)
class AuditEntry:
    """One row of the audit."""

    number: int
    at: datetime
    actor: Actor
    action: str
    """`block.saved`, `block.deleted`, `type.registered`, `key.promoted`, …"""
    subject: str
    """Address, slug or key id."""
    detail: Mapping[str, Json]
    """What else there is to say; never a secret."""


@dataclass(frozen=True)
class AuditReport:
    """What a look at the whole chain of the audit found."""

    rows: int
    keyed: int
    """Rows whose link is proved by the audit key; those before it were written without one."""
    head: str
    """`number:link` of the last row: kept elsewhere, it shows later that nothing before it was rewritten."""
    problems: tuple[str, ...] = ()
