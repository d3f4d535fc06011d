"""Stacks of threads: whose worker a thread is, and how to go on where its stack is nearly full."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread, local
from typing import Any, Final


class _Here(local):
    """What the current thread is for."""

    pool: Any = None
    """Whose worker it is."""
    holds: int = 0
    """How many tasks run here, one inside of another, that other threads and processes may wait for."""


HERE: Final = _Here()


def is_stack_deep() -> bool:
    """Tell whether half of the calls that Python allows on one thread are in use."""
    try:
        sys._getframe(sys.getrecursionlimit() // 2)  # pyright: ignore[reportPrivateUsage] the only quick way
    except ValueError:
        return False
    return True


def run_on_new_stack(action: Callable[[], None], timeout_seconds: float | None = None) -> bool:
    """Call something on a thread of its own, in this thread's place, and wait for it; raise what it raises.

    Returns: whether it ended in time; where it did not, it goes on.
    """
    pool, holds, context = HERE.pool, HERE.holds, copy_context()
    raised: list[BaseException] = []

    def run() -> None:
        HERE.pool, HERE.holds = pool, holds
        try:
            context.run(action)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            raised.append(error)

    thread = Thread(target=run, name="blocks-stack", daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if raised:
        raise raised[0]
    return not thread.is_alive()
