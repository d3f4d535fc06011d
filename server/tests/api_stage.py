"""Blocks behind a server, in and beyond the reach of a token, each with a planted secret."""

from __future__ import annotations

from itertools import count
from typing import Any

from pydantic import SecretStr
from served import Served

from blocks_core.document import Draft
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_core.schema import describe
from blocks_core.testing.suite_blocks import Account, Link, Place

ACCOUNT = "suite-account"
PLANTED = "pl4nted-s3cret/ü+of-a-block"
FORMS = (PLANTED, "pl4nted-s3cret", "cGw0bnRlZC1zM2NyZXQ", "pl4nted-s3cret%2F", r"pl4nted-s3cret/\u00fc")
"""How the secret may be written: plain, as base64, in an address, as JSON."""

_NUMBERS = count(1)


def fill(served: Served) -> None:
    """Register the types, and save a block that a list of `mine-*` does not name."""
    library = Library(served.service.registry)
    for block_type in (Account, Place, Link):
        library.register(block_type)
    for _ in range(2):
        save(served, "theirs")


def save(served: Served, name: str = "", secret: str = PLANTED) -> str:
    """Save an account, under a name of its own if none is given; return the name."""
    name = name or f"mine-{next(_NUMBERS)}"
    served.service.registry.change([Put(draft(served, name, secret))])
    return name


def draft(served: Served, name: str, secret: str = PLANTED) -> Draft:
    return Library(served.service.registry).draft(Account(user="ann", password=SecretStr(secret)), name)


def fields(secret: Any = None, user: str = "ann") -> dict[str, Any]:
    """Return the body of an account, as a program that knows nothing of Blocks would write it."""
    return {
        "content": {
            "data": {"user": user, "password": None},
            "secrets": {"/password": secret or {"set": PLANTED}},
        }
    }


def described(block_type: type[Account] = Account) -> dict[str, Any]:
    return {"upgrades": [], **describe(block_type).to_json()}


def shows_secret(text: str) -> bool:
    return any(form in text for form in FORMS)
