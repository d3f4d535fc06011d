"""Every method of a registry as a call, with the roles that may make it and what comes of it beyond a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from access_stage import Stage

from blocks_core.document import Draft
from blocks_core.errors import BlockNotFound
from blocks_core.names import join_address
from blocks_core.registry import Put
from blocks_core.schema import describe
from blocks_core.testing.suite_blocks import Account
from blocks_registry.access import GuardedRegistry, Role
from blocks_registry.errors import AccessDenied
from blocks_registry.searching import Wanted

ACCOUNT = "suite-account"
PLACE = "suite-place"


@dataclass(frozen=True)
class Call:
    """A method of a registry, called for the block of a name; what comes of it beyond a list."""

    of: Callable[[GuardedRegistry, Stage, str], Any]
    roles: str
    beyond: type[Exception] | None
    """None: it is done, and tells nothing of that block."""


EVERYBODY, EDITORS, RUNNERS, ADMINS = "viewer editor runner admin", "editor admin", "runner admin", "admin"

CALLS = {
    "register": Call(lambda r, s, n: r.register(describe(Account)), EDITORS, AccessDenied),
    "types": Call(lambda r, s, n: r.types(), EVERYBODY, None),
    "type": Call(lambda r, s, n: r.type(ACCOUNT), EVERYBODY, None),
    "load": Call(lambda r, s, n: r.load(ACCOUNT, n), RUNNERS, BlockNotFound),
    "begin_load": Call(lambda r, s, n: r.begin_load(ACCOUNT, n).finish(), RUNNERS, BlockNotFound),
    "read": Call(lambda r, s, n: r.read(ACCOUNT, n), EVERYBODY, BlockNotFound),
    "reveal": Call(lambda r, s, n: r.reveal(ACCOUNT, n), ADMINS, BlockNotFound),
    "find": Call(lambda r, s, n: r.find(ACCOUNT), EVERYBODY, None),
    "addresses": Call(lambda r, s, n: r.addresses(ids_of(s, n)), EVERYBODY, None),
    "save": Call(lambda r, s, n: r.save(s.account(n), overwrite=True), EDITORS, AccessDenied),
    "save_keeping": Call(
        lambda r, s, n: r.save_keeping(without_password(s, n), {"/password": "/password"}), EDITORS, AccessDenied
    ),
    "change": Call(lambda r, s, n: r.change([Put(s.account(n))]), EDITORS, AccessDenied),
    "rename": Call(lambda r, s, n: r.rename(ACCOUNT, n, "mine-too"), EDITORS, BlockNotFound),
    "restore": Call(lambda r, s, n: r.restore(ACCOUNT, n, 1), EDITORS, BlockNotFound),
    "delete": Call(lambda r, s, n: r.delete(ACCOUNT, n, force=True), EDITORS, BlockNotFound),
    "history": Call(lambda r, s, n: r.history(ACCOUNT, n), EVERYBODY, BlockNotFound),
    "diff": Call(lambda r, s, n: r.diff(ACCOUNT, n, 1, 1), EVERYBODY, BlockNotFound),
    "users": Call(lambda r, s, n: r.users(ACCOUNT, n), EVERYBODY, BlockNotFound),
    "search": Call(lambda r, s, n: r.search(Wanted(ACCOUNT)), EVERYBODY, None),
    "some_users": Call(lambda r, s, n: r.some_users(ACCOUNT, n, limit=9), EVERYBODY, BlockNotFound),
    "last_usages": Call(lambda r, s, n: r.last_usages(ACCOUNT, n, limit=9), EVERYBODY, BlockNotFound),
    "count_users": Call(lambda r, s, n: r.count_users(ids_of(s, n)), EVERYBODY, None),
    "usages": Call(lambda r, s, n: r.usages(ACCOUNT, n), EVERYBODY, BlockNotFound),
    "audit": Call(lambda r, s, n: r.audit(subject=join_address(ACCOUNT, n)), ADMINS, None),
    "verify_audit": Call(lambda r, s, n: r.verify_audit(), ADMINS, None),
    "note": Call(lambda r, s, n: r.note("block.revealed", join_address(ACCOUNT, n)), RUNNERS, AccessDenied),
    "close": Call(lambda r, s, n: r.close(), EVERYBODY, None),
}  # fmt: skip

GIVE_SECRETS = {
    *((method, role) for method in ("load", "begin_load") for role in (Role.RUNNER, Role.ADMIN)),
    ("reveal", Role.ADMIN),
}


def ids_of(stage: Stage, name: str) -> list[UUID]:
    return [line.id for line in stage.registry.find(ACCOUNT) if line.name == name]


def without_password(stage: Stage, name: str) -> Draft:
    """Return an account as a form without its secret would give it back."""
    draft = stage.account(name)
    return replace(draft, content=replace(draft.content, secrets={}))
