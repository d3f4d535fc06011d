"""Block types that the suites of registries save."""

from __future__ import annotations

from pydantic import Field, SecretStr

from blocks_core.block import Block


class Account(Block, slug="suite-account"):
    """An account somewhere."""

    user: str = Field(description="Who.")
    password: SecretStr = Field(description="What only they know.")


class Place(Block, slug="suite-place"):
    """Somewhere to put things."""

    url: str = Field(description="Where.")
    account: Account | None = Field(default=None, description="Whose.")
    spare: list[Account] = Field(default=[], description="Who else.")


class Link(Block, slug="suite-link"):
    """A block that holds another of its kind."""

    to: Block | None = Field(default=None, description="What it holds.")
