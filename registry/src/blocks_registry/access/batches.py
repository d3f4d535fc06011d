"""A thread that writes what was noted, some time after it was, so that whoever notes never waits.

A forked child starts one of its own; what a process noted is written when it ends, too.
"""

from __future__ import annotations

import os
from atexit import register as at_exit
from collections.abc import Callable
from threading import Condition, Thread
from weakref import WeakMethod


class Batches:
    """Calls a method from a thread of its own, at most once in so many seconds, while there is something to write.

    Args:    write: a bound method; this holds it weakly. It must not raise.
    """

    def __init__(self, write: Callable[[], None], *, pause_seconds: float, name: str) -> None:
        self._write = WeakMethod(write)
        self._pause_seconds = pause_seconds
        self._name = name
        self._begin()

    def ask(self) -> None:
        """See that it is called within the pause."""
        if self._is_closed or (self._is_due and self._process == os.getpid()):
            return
        if self._process != os.getpid():
            self._begin()
        with self._changed:
            self._is_due = True
            if self._thread is None:
                self._start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread, and call once more."""
        if self._process != os.getpid():
            return
        with self._changed:
            self._is_closed = True
            thread, self._thread = self._thread, None
            self._changed.notify()
        self._call()
        if thread is not None:
            thread.join(timeout=1.0)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = Condition()
        self._is_due = self._is_closed = False
        self._thread: Thread | None = None

    def _start(self) -> None:
        self._thread = Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        write = self._write
        at_exit(lambda: (found := write()) is not None and found())

    def _run(self) -> None:
        mine, condition = self._thread, self._changed
        while True:
            with condition:
                condition.wait_for(lambda: self._is_due or self._thread is not mine)
                condition.wait_for(lambda: self._thread is not mine, timeout=self._pause_seconds)
                if self._thread is not mine:
                    return
                self._is_due = False
            self._call()

    def _call(self) -> None:
        write = self._write()
        if write is not None:
            write()
