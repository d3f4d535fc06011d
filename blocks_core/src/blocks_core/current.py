"""The library that `Block.load` and its kin talk to: one given for a while, else the default one.

The default is built at first use by the function that the entry point `default` of the group
`blocks.libraries` names, so that the core needs no registry of its own and imports none.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from blocks_core.discovery import read_offers
from blocks_core.errors import LibraryMissing

if TYPE_CHECKING:
    from collections.abc import Callable

_given: ContextVar[Any] = ContextVar("blocks_core.library")
_lock = Lock()
_default: Any = None


def current_library() -> Any:
    """Return the library of this context, a `blocks_core.library.Library`.

    Raises:  LibraryMissing: none was given and no registry is installed.
    """
    given = _given.get(None)
    return _default_library() if given is None else given


@contextmanager
def use_library(library: Any) -> Generator[Any]:
    """Make a library the current one inside a `with` statement."""
    token = _given.set(library)
    try:
        yield library
    finally:
        _given.reset(token)


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
