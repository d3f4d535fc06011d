"""What the API answers, described for people and programs that read its documentation.

Answers are written by `blocks_registry.remote_wire`; a test holds them to these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from blocks_registry.access import Role


class Answer(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(extra="forbid")


class ProblemOfField(Answer):
    """What is wrong with one field."""

    path: str = Field(description="Dotted path, empty for the whole.")
    problem: str


class Problem(Answer):
    """What went wrong: problem details (RFC 9457)."""

    type: str = Field(description="Where the kind of problem is described.")
    title: str
    status: int
    detail: str = Field(description="What happened, why, and what to do; never a secret.")
    code: str = Field(description="The class of the error.")
    values: dict[str, Any] = Field(description="What the error names, such as an address.")
    problems: list[ProblemOfField]


class Actor(Answer):
    """Who did something."""

    kind: str
    name: str
    id: str
    user: str


class Stored(Answer):
    """A value in its stored form."""

    data: Any = Field(description="JSON, null where a secret or another block stands.")
    marks: dict[str, str] = Field(description="JSON pointer -> kind.")
    secrets: dict[str, Stored] = Field(
        description="JSON pointer -> value of the secret; empty where there is no right to see it."
    )


class Document(Answer):
    """A block as it is stored."""

    id: UUID
    slug: str
    name: str
    version: int
    type_version: int
    content: Stored
    labels: dict[str, str]
    saved_at: datetime
    saved_by: str
    action: str


class Tree(Answer):
    """A block and every block that it refers to, directly or not."""

    root: Document
    others: list[Document]


class Documents(Answer):
    """What each edit left; null of a removed block."""

    documents: list[Document | None]


class Summary(Answer):
    """A line about a block."""

    id: UUID
    slug: str
    name: str
    version: int
    type_version: int
    capabilities: list[str]
    labels: dict[str, str]
    saved_at: datetime
    last_used_at: datetime | None


class Summaries(Answer):
    """A page of blocks."""

    items: list[Summary]
    next: str | None = Field(description="To be given as `after` for the next page; null at the end.")


class Version(Answer):
    """A line about one version of a block."""

    version: int
    type_version: int
    action: str
    saved_by: str
    saved_at: datetime


class Versions(Answer):
    """The versions of a block, the newest first."""

    items: list[Version]


class Change(Answer):
    """How a field differs between two versions."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any
    secret: bool = Field(description="Whether the values are secrets, which are not shown.")


class Changes(Answer):
    """How two versions differ."""

    items: list[Change]


class Users(Answer):
    """The addresses of the blocks that refer to one."""

    items: list[str]


class Usage(Answer):
    """Who resolved a block."""

    version: int
    actor: Actor
    uses: int
    first_used_at: datetime
    last_used_at: datetime


class Usages(Answer):
    """Who resolved a block, the last one first."""

    items: list[Usage]


class Addresses(Answer):
    """The addresses of blocks by their ids; other ids are left out."""

    addresses: dict[str, str]


class BlockType(Answer):
    """A block type."""

    slug: str
    version: int
    title: str
    description: str
    capabilities: list[str]
    json_schema: dict[str, Any] = Field(alias="schema")
    structure_hash: str
    target: str
    distribution: str
    distribution_version: str
    example: str
    logo: str
    upgrades: list[int] = []


class BlockTypes(Answer):
    """The registered types in their newest versions."""

    items: list[BlockType]


class Registration(Answer):
    """What became of a type that was to be registered."""

    outcome: Literal["new", "unchanged", "updated", "new version"]


class CheckResult(Answer):
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str
    seconds: float


class CheckReport(Answer):
    """All that a check tried, in order."""

    ok: bool
    items: list[CheckResult]


class AuditEntry(Answer):
    """A row of the audit."""

    number: int
    at: datetime
    actor: Actor
    action: str
    subject: str
    detail: dict[str, Any]


class AuditEntries(Answer):
    """Rows of the audit, the newest first."""

    items: list[AuditEntry]
    next: int | None = Field(description="To be given as `before` for the next page; null at the end.")


class AuditReport(Answer):
    """What a look at the whole chain of the audit found."""

    rows: int
    keyed: int
    head: str
    problems: list[str]


class Plugin(Answer):
    """A type that a distribution offers that is installed where the server runs."""

    slug: str
    title: str | None
    capabilities: list[str]
    distribution: str
    distribution_version: str
    target: str
    problem: str = Field(description="What is wrong with it and what to do; empty where nothing is known.")


class Plugins(Answer):
    """The offered types."""

    items: list[Plugin]


class Token(Answer):
    """What is known of a token, but never the token."""

    id: str
    name: str
    role: Role
    allow: list[str]
    state: Literal["active", "expired", "revoked", "altered"]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Tokens(Answer):
    """The tokens, the oldest first."""

    items: list[Token]


class NewToken(Answer):
    """A token that was made, shown this once."""

    token: str
    record: Token


class Revoked(Answer):
    """Whether the token was taken back now; false where it was before."""

    revoked: bool


class Holder(Answer):
    """Who sent the request."""

    token: str
    role: Role
    allow: list[str]


class Server(Answer):
    """What answers, and whom it takes the client for."""

    version: str
    protocol: int
    holder: Holder


class Health(Answer):
    """How the server is."""

    status: str
