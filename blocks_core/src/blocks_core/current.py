"""What holds for the code that runs now: the library that `Block.load` talks to, and who is acting.

A library is one given for a while, else the default one.

The default is built at first use by the function that the entry point `default` of the group
`blocks.libraries` names, so that the core needs no registry of its own and imports none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from blocks_core.discovery import read_offers
from blocks_core.errors import LibraryMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    WhoActs = Callable[[], "Actor"]
    """Asked when somebody wants to know, as that is seldom and may change inside of one `with` statement."""


@dataclass(frozen=True)
class Actor:
    """Who resolves and changes blocks: what usages and the audit name."""

    kind: str
    """`process`, `flow run`, `task`, `token`."""
    name: str
    """What people know it by: a program, a flow, a token's name."""
    id: str = ""
    """Of the flow run; empty for a process."""
    user: str = ""
    """`user@host` of the process."""


@dataclass(frozen=True)
class _Current:
    library: Any = None
    actor: Actor | WhoActs | None = None
    asked: tuple[str, ...] = ()
    """Addresses of the blocks whose secrets are being read, the first that was asked before the others."""


_current: ContextVar[_Current] = ContextVar("blocks_core.current", default=_Current())  # noqa: B039 it is frozen
_lock = Lock()
_default: Any = None


def current_library() -> Any:
    """Return the library of this context, a `blocks_core.library.Library`.

    Raises:  LibraryMissing: none was given and no registry is installed.
    """
    given = _current.get().library
    return _default_library() if given is None else given


@contextmanager
def use_library(library: Any) -> Generator[Any]:
    """Make a library the current one inside a `with` statement."""
    token = _current.set(replace(_current.get(), library=library))
    try:
        yield library
    finally:
        _current.reset(token)


def current_actor() -> Actor:
    """Return who acts in this context: the one given by `acting_as`, else this process."""
    found = _current.get().actor
    return found() if callable(found) else found or process_actor()


@contextmanager
def acting_as(actor: Actor | WhoActs) -> Generator[Actor | WhoActs]:
    """Let an actor, or the one that a function tells, answer for what happens inside a `with` statement."""
    token = _current.set(replace(_current.get(), actor=actor))
    try:
        yield actor
    finally:
        _current.reset(token)


def sources_asked() -> tuple[str, ...]:
    """Return the addresses of the blocks whose secrets this context is reading, each for the one before it."""
    return _current.get().asked


@contextmanager
def asking_source(address: str) -> Generator[None]:
    """Note that a secret of a block is being read inside a `with` statement."""
    now = _current.get()
    token = _current.set(replace(now, asked=(*now.asked, address)))
    try:
        yield
    finally:
        _current.reset(token)


@lru_cache(maxsize=1)
def process_actor() -> Actor:
    """Return the actor that stands for this process: its program, never its arguments, which may hold a secret."""
    import getpass  # late: start-up time, and only where something is resolved or changed

    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user that the system does not know, as in some containers
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else "python"
    return Actor("process", program[:100], user=f"{user}@{_host()}"[:200])


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # late: takes a while to import, and most systems do without

    return platform.node()


def forget_default_library() -> None:
    """Close the default library, so that the next use builds it from the settings of then."""
    global _default
    with _lock:
        closing, _default = _default, None
    if closing is not None:
        closing.close()


def _default_library() -> Any:
    global _default
    with _lock:
        if _default is None:
            _default = _open_default()
        return _default


def _open_default() -> Any:
    offers = [offer for offer in read_offers("blocks.libraries") if offer.name == "default"]
    if not offers:
        raise LibraryMissing(
            "No registry is installed, so there is nothing to load from or save to: pip install "
            "blocks-registry, or give a library with blocks_core.use_library()."
        )
    return cast("Callable[[], Any]", offers[0].load())()
