"""Blocks that hold one value: `Secret`, `JSON`, `String`, `DateTime`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

from pydantic import Field, JsonValue, SecretStr, field_validator

from blocks_core.block import Block


class Secret(Block, slug="secret"):
    """A secret text, such as a password or a token.

    It is stored encrypted and shown nowhere; `get()` returns it. The text comes back as it was given:
    `"123"` stays a text. Where another block has a field for a secret, such as a webhook's address, give it
    to that block.

    ```python
    from blocks_standard import Secret

    Secret(value="hunter2").save("mail-password")
    password = Secret.load("mail-password").get()
    ```
    """

    value: SecretStr = Field(description="The secret text.")

    def get(self) -> str:
        """Return the secret in clear.

        >>> Secret(value="123").get()
        '123'
        """
        return self.value.get_secret_value()


class JSON(Block, slug="json"):
    """A value of JSON: an object, a list, a text, a number, true, false or null.

    Use it for settings that a flow reads and that change more often than its code. It is shown to everyone
    who may see blocks: a secret belongs into a `secret`.

    ```python
    from blocks_standard import JSON

    JSON(value={"batch_size": 500, "regions": ["eu", "us"]}).save("import-settings")
    settings = JSON.load("import-settings").value
    print(settings["batch_size"])
    ```
    """

    value: JsonValue = Field(description="The value: whatever JSON can say.")

    @field_validator("value")
    @classmethod
    def _is_json(cls, value: JsonValue) -> JsonValue:
        if not _is_finite(value):
            raise ValueError("JSON has no NaN and no infinity: write null or a text instead.")
        return value


class String(Block, slug="string"):
    """A text that is no secret, such as a name, a path or a query.

    It is shown to everyone who may see blocks; use `secret` for what must not be.

    ```python
    from blocks_standard import String

    String(value="reports@example.com").save("report-sender")
    sender = String.load("report-sender").value
    ```
    """

    value: str = Field(description="The text.")


class DateTime(Block, slug="date-time"):
    """A moment: a date and a time with its time zone.

    Use it for what flows must agree on, such as how far the last import came, or when a migration starts.

    ```python
    from blocks_standard import DateTime

    DateTime(value="2026-01-31T09:00:00+09:00").save("last-import")
    moment = DateTime.load("last-import").value
    ```
    """

    value: datetime = Field(description="The moment in ISO 8601, with its offset from UTC.")

    @field_validator("value", mode="before")
    @classmethod
    def _is_written_out(cls, value: object) -> object:
        """Take no numbers: pydantic would guess whether they count seconds or milliseconds."""
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(f"it is not in ISO 8601. {_WRITE}") from None
        if not isinstance(value, datetime):
            raise ValueError(f"it is neither a text nor a datetime. {_WRITE}")  # noqa: TRY004 pydantic's way
        return value

    @field_validator("value")
    @classmethod
    def _is_one_moment(cls, value: datetime) -> datetime:
        if value.utcoffset() is None:
            raise ValueError(f"it has no time zone, so it is a different moment in each place. {_WRITE}")
        return value


_WRITE = "Write it such as 2026-01-31T09:00:00+09:00, or 2026-01-31T00:00:00Z for UTC."


def _is_finite(value: JsonValue) -> bool:
    """Tell whether all numbers in a value are ones that JSON knows."""
    waiting: list[object] = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, float) and not math.isfinite(found):
            return False
        if isinstance(found, Mapping):
            waiting.extend(cast("Mapping[str, object]", found).values())
        elif isinstance(found, list):
            waiting.extend(cast("Iterable[object]", found))
    return True
