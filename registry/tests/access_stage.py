"""A registry with blocks in and beyond the reach of a token, and tokens of each role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from blocks_core.document import Draft
from blocks_core.library import Library
from blocks_core.testing.suite_blocks import Account, Link, Place
from blocks_registry import LocalRegistry
from blocks_registry.access import GuardedRegistry, Holder, Reach, Role

PLANTED = "pl4nted-s3cret/ü+"

LIST = ("*/mine", "*/mine-*", "suite-link/*")
"""The list of a token that does not reach every block: not `theirs`, nor what begins so."""


@dataclass(frozen=True)
class Stage:
    """A registry, and who looks at it."""

    library: Library

    @property
    def registry(self) -> LocalRegistry:
        assert isinstance(self.library.registry, LocalRegistry)
        return self.library.registry

    def guard(self, role: Role | str, *patterns: str) -> GuardedRegistry:
        """Return the registry as a token sees it that is named like its role."""
        reach = Reach.of(patterns or ("*",))
        return GuardedRegistry(self.registry, Holder(f"id-of-{role}", f"the-{role}", Role(role), reach))

    def account(self, name: str, secret: str = PLANTED) -> Draft:
        return self.library.draft(Account(user="ann", password=SecretStr(secret)), name)

    def place(self, name: str, *held: str, url: str = "x://") -> Draft:
        """Return a place that holds saved accounts."""
        accounts = [self.library.load(Account, each) for each in held]
        return self.library.draft(Place(url=url, spare=accounts), name)

    def actions(self) -> list[tuple[str, str, str]]:
        """Return action, subject and actor's name of each row of the audit, the oldest first."""
        rows = reversed(self.registry.audit(limit=1000))
        return [(row.action, row.subject, row.actor.name) for row in rows]


def fill(library: Library) -> Stage:
    """Save the blocks: of each kind one that `LIST` names and one that it does not."""
    stage = Stage(library)
    for block_type in (Account, Place, Link):
        library.register(block_type)
    for name in ("mine", "mine", "theirs"):
        stage.registry.save(stage.account(name), overwrite=True)
    stage.registry.save(stage.place("mine", "mine"))
    stage.registry.save(stage.place("theirs", "mine", "theirs"))
    stage.registry.save(stage.place("mine-and-theirs", "mine", "theirs"))
    return stage


def everything_in(value: Any) -> str:
    """Return all that a value holds as one text, documents with their secrets."""

    def texts(value: Any) -> Iterator[str]:
        content = getattr(value, "content", None)
        if content is not None:
            yield json.dumps(content.to_json(), ensure_ascii=False)
        if hasattr(value, "others"):
            yield from (text for each in (value.root, *value.others.values()) for text in texts(each))
        if isinstance(value, (list, tuple)):
            yield from (text for each in value for text in texts(each))
        yield repr(value)

    return "\n".join(texts(value))
