"""Threads that read for the event loop, and hand back what they read many at a time.

A database that is locked, slow or away must not keep the loop from all other requests, so what may wait for one is
read here. The framework's own pool wakes forty threads for forty requests, which take the interpreter from each
other and spend as much on that as on reading. Here there are fewer, and whoever is done wakes the loop only if no
other has.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Job:
    """What is to be read, and who waits for it."""

    read: Callable[[], Any]
    waiting: Future[Any]
    loop: AbstractEventLoop


class Readers:
    """Reads for one event loop. The threads are started with the first read.

    Args:    count: of threads, so of reads that may wait for the database at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[_Job, Any, BaseException | None]] = deque()
        self._lock = Lock()
        self._threads: list[Thread] = []

    async def run(self, read: Callable[[], T]) -> T:
        """Return what is read, or raise what it raises."""
        if not self._threads:
            self._start()
        loop = get_running_loop()
        waiting: Future[T] = loop.create_future()
        self._jobs.put(_Job(read, waiting, loop))
        return await waiting

    def close(self) -> None:
        """End the threads, once what was asked for is read."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(timeout=1.0)

    def _start(self) -> None:
        self._threads = [
            Thread(target=self._work, name=f"blocks reader {number}", daemon=True)
            for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                outcome = job, job.read(), None
            except BaseException as error:  # noqa: BLE001 it is raised where the read is waited for
                outcome = job, None, error
            with self._lock:
                is_first = not self._done
                self._done.append(outcome)
            if is_first:
                job.loop.call_soon_threadsafe(self._hand_back)

    def _hand_back(self) -> None:
        with self._lock:
            done, self._done = self._done, deque()
        for job, value, error in done:
            if job.waiting.done():  # cancelled: who asked is away
                continue
            if error is None:
                job.waiting.set_result(value)
            else:
                job.waiting.set_exception(error)
