"""Who may do what: tokens with a role and a list of addresses, and a registry that holds to both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks_registry.access.guarded import GuardedRegistry
    from blocks_registry.access.holders import Holder
    from blocks_registry.access.logins import NewSession
    from blocks_registry.access.opening import Access, open_access
    from blocks_registry.access.reach import Reach
    from blocks_registry.access.roles import Right, Role
    from blocks_registry.access.token_files import make_first_token
    from blocks_registry.access.token_rows import Token
    from blocks_registry.access.tokens import NewToken

__all__ = [
    "Access",
    "GuardedRegistry",
    "Holder",
    "NewSession",
    "NewToken",
    "Reach",
    "Right",
    "Role",
    "Token",
    "make_first_token",
    "open_access",
]

_MODULES = {
    "Access": "opening",
    "GuardedRegistry": "guarded",
    "Holder": "holders",
    "NewSession": "logins",
    "NewToken": "tokens",
    "Reach": "reach",
    "Right": "roles",
    "Role": "roles",
    "Token": "token_rows",
    "make_first_token": "token_files",
    "open_access": "opening",
}

__getattr__, __dir__ = lazy_exports(__name__, _MODULES)
