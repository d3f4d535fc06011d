"""The program of a worker process: `python -m blocks_flows.executors.worker FD`, with a channel to a flow's process.

It ends with that process, however that ends, and takes with it what its tasks have started.
"""

from __future__ import annotations

import faulthandler
import io
import os
import pickle
import select
import signal
import socket
import sys
from dataclasses import replace
from threading import Lock, Thread
from typing import Any, Final

from blocks_flows.calls import Outcome
from blocks_flows.context import RunFacts
from blocks_flows.errors import NotSendable
from blocks_flows.executors.away import Line, LineSender, perform_away, prepare_worker
from blocks_flows.executors.channel import NUMBER_BYTES, Channel, Kind
from blocks_flows.executors.parcels import Shared, pack_outcome, unpack_call, unpack_run, unpack_shared
from blocks_flows.failures import describe

_MAX_HELD: Final = 100_000
"""Characters of a printed line that has not ended."""
_LOOK_MILLISECONDS: Final = 2000


def main() -> None:
    """Take calls until there are no more."""
    faulthandler.enable(all_threads=False)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    Thread(
        target=_end_with_parent, args=(channel.fileno(), os.getppid()), name="blocks-watch", daemon=True
    ).start()
    prepare_worker()
    worker = _Worker(channel)
    while (message := channel.receive()) is not None and message[0] is not Kind.END:
        worker.take(*message)
    worker.prints.flush()


class _Worker:
    """Does what messages say, one after another, in the main thread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._process_id = os.getpid()
        self._facts: RunFacts | None = None
        self._shared: dict[bytes, Shared | Exception] = {}
        self.prints = _SentPrints(channel, sys.stdout)
        sys.stdout = self.prints

    def take(self, kind: Kind, content: bytes) -> None:
        number, parcel = content[:NUMBER_BYTES], content[NUMBER_BYTES:]
        if kind is Kind.PLACE:
            sys.path[:], sys.argv[:] = pickle.loads(content)  # noqa: S301 - from the process that started this one
        elif kind is Kind.RUN:
            self._facts = replace(unpack_run(content), sink=LineSender(self._send_line))
            self._channel.send(Kind.READY)
        elif kind is Kind.FORGET:
            self._shared.clear()
        elif kind is Kind.SHARED:
            try:
                self._shared[number] = unpack_shared(parcel)
            except Exception as error:  # noqa: BLE001 - unpickling runs the user's code; it is told with the call
                self._shared[number] = error
        elif kind is Kind.CALL:
            self._call(self._shared[number], parcel)

    def _call(self, shared: Shared | Exception, parcel: bytes) -> None:
        try:
            outcome, name = self._perform(shared, parcel)
        except KeyboardInterrupt:
            self._channel.send(Kind.INTERRUPTED)
            return
        packed = pack_outcome(outcome, name)
        self.prints.flush()
        self._channel.send(Kind.OUTCOME, packed)

    def _perform(self, shared: Shared | Exception, parcel: bytes) -> tuple[Outcome, str]:
        try:
            if isinstance(shared, Exception):
                raise shared
            call = unpack_call(parcel, shared)
        except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
            text = (
                f"A task and its arguments cannot be read in a worker process ({describe(error)}). Give plain "
                f"data, or run the task on threads (LocalDaskExecutor())."
            )
            return Outcome(error=NotSendable(text)), ""
        assert self._facts is not None
        return perform_away(call, self._facts, shared.actor), call.task.name

    def _send_line(self, line: Line) -> None:
        if os.getpid() == self._process_id:
            self._channel.send(Kind.LINE, pickle.dumps(line))
        else:  # a task's forked child: it must not write into this one's messages
            self.prints.write(f"{line[3]}\n")


class _SentPrints(io.TextIOBase):
    """Stands in for `sys.stdout`: sends what is printed, in whole lines where it can."""

    def __init__(self, channel: Channel, bare: Any) -> None:
        self._channel = channel
        self._bare = bare
        self._process_id = os.getpid()
        self._held = ""
        self._holding = Lock()

    encoding = "utf-8"

    @property
    def buffer(self) -> Any:
        return self._bare.buffer

    def fileno(self) -> int:
        return self._bare.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if os.getpid() != self._process_id:
            self._bare.write(text)
            return len(text)
        with self._holding:
            self._held += text
            is_due = "\n" in text or len(self._held) > _MAX_HELD
        if is_due:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if os.getpid() != self._process_id:
            self._bare.flush()
            return
        with self._holding:
            held, self._held = self._held, ""
        if held:
            self._channel.send(Kind.PRINTED, held.encode(errors="backslashreplace"))


def _end_with_parent(channel: int, parent: int) -> None:
    """End this process and its children at once when the flow's process is gone."""
    poll = select.poll()
    poll.register(channel, 0)  # a hang-up is told without being asked for
    while not poll.poll(_LOOK_MILLISECONDS) and os.getppid() == parent:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
