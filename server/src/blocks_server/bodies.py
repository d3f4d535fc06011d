"""What clients send: one model for each body. No repr and no error of theirs holds a secret's value."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from blocks_registry.access import Role

MAX_EDITS = 10_000


class Body(BaseModel):
    """The body of a request: no other fields, no values of other types."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class StoredValue(Body):
    """A value as it is stored: JSON, the kinds that JSON lacks, and its own secrets apart."""

    data: Any = Field(repr=False, description="The value as JSON.")
    marks: dict[str, str] = Field(default={}, description="JSON pointer -> kind.")
    secrets: dict[str, StoredValue] = Field(default={}, repr=False, description="JSON pointer -> value.")


class Keep(Body):
    """The secret that is saved now stays, unseen."""

    keep: str = Field(description="JSON pointer of where it stands in the version that is saved now.")


class SetTo(Body):
    """The secret gets a value."""

    set: Any = Field(repr=False, description="A text, or what else the field's secret is.")


class Clear(Body):
    """There is no secret any more."""

    clear: Literal[True]


class Content(Body):
    """The fields of a block in their stored form."""

    data: Any = Field(description="The fields as JSON, null where a secret or another block stands.")
    marks: dict[str, str] = Field(
        default={}, description="JSON pointer -> kind: 'block:ID', 'inline:SLUG@VERSION', 'bytes', 'tuple', …"
    )
    secrets: dict[str, Keep | SetTo | Clear | StoredValue] = Field(
        default={}, repr=False, description="JSON pointer -> what becomes of the secret there."
    )


class FieldsBody(Body):
    """A block without its address."""

    content: Content
    type_version: int | None = Field(
        default=None, description="That the fields are written for; the newest that is registered."
    )
    structure_hash: str | None = Field(
        default=None, description="Of the type as the client knows it; as it is registered."
    )
    labels: dict[str, str] | None = Field(default=None, description="Null leaves those that the block has.")
    action: str = Field(default="saved", description="What made this version, for the history.")


class DraftBody(FieldsBody):
    """A block on its way into the registry."""

    slug: str
    name: str
    document_id: UUID | None = Field(default=None, description="Of a block that is new; one is chosen.")


class SaveBody(DraftBody):
    """A block to be saved."""

    overwrite: bool = Field(default=False, description="Also where the name is taken.")
    expected_version: int | None = Field(
        default=None, description="That the block has now; 0 asks for a new one."
    )


class PutEdit(Body):
    """Save a block, as a new one or as the next version."""

    edit: Literal["put"]
    draft: DraftBody
    expected_version: int | None = None
    expected_id: UUID | None = None


class RenameEdit(Body):
    """Give a block another name."""

    edit: Literal["rename"]
    slug: str
    name: str
    new_name: str
    expected_version: int | None = None
    expected_id: UUID | None = None


class RemoveEdit(Body):
    """Remove a block with all its versions."""

    edit: Literal["remove"]
    slug: str
    name: str
    force: bool = False
    expected_version: int | None = None
    expected_id: UUID | None = None


class ChangesBody(Body):
    """Several edits: all are done, or none."""

    edits: list[Annotated[PutEdit | RenameEdit | RemoveEdit, Field(discriminator="edit")]] = Field(
        max_length=MAX_EDITS
    )


class RenameBody(Body):
    """Another name for a block."""

    new_name: str


class RestoreBody(Body):
    """An older version that is to be the newest again."""

    version: int


class RevealBody(Body):
    """Which version is to be shown with its secrets."""

    version: int | None = None


class AddressesBody(Body):
    """Ids of blocks."""

    ids: list[UUID] = Field(max_length=1000)


class TypeBody(Body):
    """A block type, as a plugin's manifest describes it."""

    slug: str
    version: int
    title: str
    description: str
    capabilities: list[str]
    json_schema: dict[str, Any] = Field(alias="schema", description="Its JSON Schema.")
    structure_hash: str
    target: str
    distribution: str = ""
    distribution_version: str = ""
    example: str = ""
    logo: str = ""
    upgrades: list[int] = []


class NoteBody(Body):
    """What was done with secrets outside of the registry."""

    action: str
    subject: str
    detail: dict[str, Any] = {}


class TokenBody(Body):
    """A token to be made."""

    name: str
    role: Annotated[Role, Field(strict=False)]
    allow: list[str] = Field(default=["*"], description="Patterns of addresses, such as 's3/*'.")
    expires_days: float | None = Field(default=90, gt=0, le=36_500, description="From now; null for never.")
