"""`SalesReport`: a block type of the demo alone, with a field of each kind that forms know."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from blocks_core.block import Block
from blocks_core.capabilities import Notifier, Storage
from blocks_core.document import Json
from blocks_core.upgrading import upgrades


class ToPartner(BaseModel):
    """Uploaded to a partner's server."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["partner"] = "partner"
    address: str = Field(description="Address to upload to.", examples=["https://files.example.com/in"])
    token: SecretStr | None = Field(default=None, description="What the partner's server asks for.")


class ToFolder(BaseModel):
    """Written to a folder of the storage."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["folder"] = "folder"
    folder: str = Field(default="reports", description="Where in the storage.")
    keep_days: int = Field(default=90, ge=1, le=3650, description="Older reports are removed.")


class Section(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, description="Its heading.")
    query: str = Field(description="What to ask the database.", json_schema_extra={"format": "multi-line"})
    chart: Literal["bars", "line", "table"] = Field(default="table", description="How it is drawn.")


class SalesReport(Block, slug="sales-report", version=2, title="Sales report"):
    """A report that is made of queries, kept in a storage and sent to people."""

    title: str = Field(min_length=1, max_length=80, description="What its readers see first.")
    recipients: list[str] = Field(default_factory=list[str], description="Addresses to send it to.")
    first_day: date | None = Field(default=None, description="Default: the first day of last month.")
    delivery: Annotated[ToFolder | ToPartner, Field(discriminator="kind")] = Field(
        default_factory=ToFolder, description="Where it goes."
    )
    sections: list[Section] = Field(default_factory=list[Section], description="Its parts, in their order.")
    currencies: dict[str, float] = Field(
        default_factory=dict[str, float], description="Rates to the report's currency."
    )
    storage: Storage | None = Field(default=None, description="Where reports are kept.")
    notify: Notifier | None = Field(default=None, description="Whom to tell when it cannot be made.")
    is_draft: bool = Field(default=False, description="Marked as such on each page.")

    @upgrades(from_version=1)
    @staticmethod
    def _one_recipient_became_a_list(data: dict[str, Any]) -> dict[str, Any]:
        data["recipients"] = [data.pop("recipient")]
        return data


EARLIER_SCHEMA: Final[dict[str, Json]] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "title": "Title"},
        "recipient": {"type": "string", "title": "Recipient"},
    },
    "required": ["title", "recipient"],
    "additionalProperties": False,
}
"""Of version 1, as it was before a report could be sent to several people."""
