"""Threads that read for the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from threading import Event, current_thread
from threading import enumerate as threads

import pytest

from blocks_server.readers import Readers


@pytest.fixture
def readers() -> Iterator[Readers]:
    found = Readers(2)
    yield found
    found.close()


def test_what_is_read_comes_back_to_who_asked(readers: Readers) -> None:
    async def ask() -> list[int]:
        return await asyncio.gather(*(readers.run(lambda number=number: number * 2) for number in range(500)))

    assert asyncio.run(ask()) == [number * 2 for number in range(500)]


def test_an_error_is_raised_where_the_read_is_waited_for_and_the_thread_goes_on(readers: Readers) -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    async def ask() -> str:
        for _ in range(5):
            with pytest.raises(LookupError, match="nothing there"):
                await readers.run(fail)
        return await readers.run(lambda: "read")

    assert asyncio.run(ask()) == "read"


def test_the_loop_goes_on_while_a_read_waits_and_so_does_another_read(readers: Readers) -> None:
    released = Event()

    async def ask() -> tuple[str, bool]:
        slow = asyncio.create_task(readers.run(lambda: released.wait(30)))
        quick = await readers.run(lambda: "quick")
        assert not slow.done()
        released.set()
        return quick, await slow

    assert asyncio.run(ask()) == ("quick", True)


def test_who_went_away_is_not_answered_and_others_are(readers: Readers) -> None:
    released = Event()

    async def ask() -> str:
        waiting = [asyncio.create_task(readers.run(lambda: released.wait(30))) for _ in range(6)]
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()
        released.set()
        return await readers.run(lambda: "read")

    assert asyncio.run(ask()) == "read"


def test_threads_begin_with_the_first_read_and_end_with_the_readers() -> None:
    def ours() -> set[str]:
        return {thread.name for thread in threads() if thread.name.startswith("blocks reader")}

    before, readers = ours(), Readers(2)
    assert ours() == before
    assert asyncio.run(readers.run(current_thread)).name in ours()
    readers.close()
    assert ours() == before
