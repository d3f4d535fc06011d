"""A transport that writes once where it is given several pieces in a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from blocks_server.gathering import Gathering


class Wire(asyncio.Transport):
    """What is written, in the order in which it leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


def after(act: Callable[[Gathering], None]) -> Wire:
    """Return what left, once the loop had its turn."""
    wire = Wire()

    async def turn() -> None:
        act(Gathering(wire, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(turn())
    return wire


def test_the_head_and_the_body_of_an_answer_leave_together() -> None:
    def act(gathering: Gathering) -> None:
        gathering.write(b"head ")
        gathering.write(bytearray(b"body"))
        assert gathering.get_write_buffer_size() == 9

    assert after(act).written == [b"head body"]


def test_what_is_written_before_the_end_leaves_before_it() -> None:
    def act(gathering: Gathering) -> None:
        gathering.write(b"last words")
        gathering.close()

    wire = after(act)
    assert wire.written == [b"last words"]
    assert wire.closed


def test_what_was_cut_off_is_not_written() -> None:
    def act(gathering: Gathering) -> None:
        gathering.write(b"never mind")
        gathering.abort()

    assert after(act).written == []


def test_a_large_answer_does_not_pile_up() -> None:
    pieces = [bytes([number]) * 40_000 for number in range(5)]

    def act(gathering: Gathering) -> None:
        for piece in pieces:
            gathering.write(piece)
            assert gathering.get_write_buffer_size() <= 65_536

    assert b"".join(after(act).written) == b"".join(pieces)


def test_turns_follow_each_other() -> None:
    wire = Wire()

    async def turns() -> None:
        gathering = Gathering(wire, asyncio.get_running_loop())
        for piece in (b"one", b"two"):
            gathering.write(piece)
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert wire.written == [b"one", b"two"]
