"""How the key of a secret is written for a secret source: `NAME`, or `NAME#MEMBER`.

A name alone is the whole secret. Many keep several values in one secret, as an object of JSON: after `#` stands
the member that is wanted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self, cast

from pydantic import SecretBytes

from blocks_core.errors import SecretUnresolved
from blocks_core.masking import SECRETS_IN_USE, secret_texts


@dataclass(frozen=True)
class SourceKey:
    """A secret's name in its source, and the member of it that is wanted."""

    name: str
    member: str | None = None

    @classmethod
    def parse(cls, key: str) -> Self:
        """Return the parts of a key.

        >>> SourceKey.parse("prod/database#password")
        SourceKey(name='prod/database', member='password')

        Raises:  SecretUnresolved: a part is empty, or has characters that do not print.
        """
        name, marked, member = key.partition("#")
        if not name.strip() or (marked and not member) or not key.isprintable():
            raise SecretUnresolved(
                f"{key!r} is no key of a secret. Write its name, or NAME#MEMBER for one member of a secret that is a "
                f"JSON object."
            )
        return cls(name, member if marked else None)

    def pick(self, value: bytes, place: str) -> SecretBytes:
        """Return what the key asks for of a secret's whole value; it counts as in use from now on.

        A member that is a text is that text; any other is its JSON.

        Args:    place: what to call the secret in a message, such as `Secret 'x' of AWS Secrets Manager`.
        Raises:  SecretUnresolved: the secret is no JSON object, or has no such member, or nothing in it.
        """
        found = SecretBytes(value if self.member is None else self._member_of(value, place))
        SECRETS_IN_USE.add(secret_texts(found))
        return found

    def _member_of(self, value: bytes, place: str) -> bytes:
        try:
            content: Any = json.loads(value)
        except (ValueError, RecursionError):
            content = None  # and not from the error, which would show a piece of it
        if not isinstance(content, dict):
            raise SecretUnresolved(
                f"{place} is no JSON object, so it has no member '{self.member}'. Ask for '{self.name}' alone, or "
                f"store an object."
            )
        member = cast("dict[str, Any]", content).get(cast("str", self.member))
        if member is None:
            raise SecretUnresolved(
                f"{place} has no member '{self.member}', or null in it. Check the part after '#', and what is stored."
            )
        return (member if isinstance(member, str) else json.dumps(member, ensure_ascii=False)).encode()
