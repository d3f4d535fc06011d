"""A worker process, as the thread of the flow's process that owns it sees it."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from time import monotonic
from typing import Final

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import RunFacts
from blocks_flows.errors import NotSendable, TaskTimedOut, WorkerLost
from blocks_flows.executors.away import take_line
from blocks_flows.executors.channel import Channel, Kind
from blocks_flows.executors.parcels import pack_call, unpack_outcome
from blocks_flows.executors.shared_parcels import MAX_SHARED, SharedParcels
from blocks_flows.run_logs import show_text

GRACE_SECONDS: Final = 2.0
"""Between asking a process to end and ending it."""
_END_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0
_MAX_TAIL: Final = 2000
"""Characters of what a worker wrote last that are told when it died."""

_Message = tuple[Kind, bytes]


class WorkerProcess:
    """Performs one call after another in a process, which is started when it is needed, and again when it died.

    All is done by one thread but `abort`.
    """

    def __init__(self, parcels: SharedParcels) -> None:
        self._parcels = parcels
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._errors = -1
        self._poll = select.poll()
        self._sent: set[bytes] = set()
        self._tail = b""
        self._facts: RunFacts | None = None
        self._aborting = Lock()
        self._aborted = False

    def perform(self, call: TaskCall) -> Outcome:
        """Run a task there.

        Raises:  KeyboardInterrupt: the task met one.
        """
        name, timeout = call.task.name, call.timeout_seconds
        try:
            number, shared = self._parcels.of_task(call)
            own = pack_call(replace(call, timeout_seconds=None))  # this process watches the time
        except NotSendable as error:
            return Outcome(error=error)
        try:
            channel = self._started(call.frame.run)
            deadline = None if timeout is None else monotonic() + timeout
            answer = None
            with suppress(ConnectionError):  # it died: that is said below
                self._share(channel, number, shared)
                channel.send(Kind.CALL, number + own, timeout)
                answer = self._answer(channel, deadline)
        except TimeoutError:
            self.stop()
            return Outcome(
                error=TaskTimedOut(
                    f"Task '{name}' took longer than its {timeout:g} seconds. Its process was stopped."
                )
            )
        except (OSError, NotSendable) as error:
            self.stop()
            return Outcome(error=WorkerLost(f"No worker process can be started for task '{name}': {error}"))
        if answer is None:
            return Outcome(
                error=WorkerLost(f"The worker process of task '{name}' died: {self._how_it_died()}")
            )
        if answer[0] is Kind.INTERRUPTED:
            raise KeyboardInterrupt
        return unpack_outcome(answer[1], name)

    def abort(self) -> None:
        """Ask the process to end, whatever it does; on any thread. There will be no other one."""
        with self._aborting:
            self._aborted = True
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once; on any thread."""
        with self._aborting:
            self._aborted = True
            self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Let the process end by itself, or stop it where it does not."""
        channel = self._channel
        if channel is not None:
            with suppress(OSError):  # a time-out is one, too
                if not self._aborted:
                    channel.send(Kind.END, timeout_seconds=GRACE_SECONDS)
                    self._answer(channel, monotonic() + _END_SECONDS)
            self.stop()

    def stop(self) -> None:
        """End the process and what it started, after a short grace, and forget it."""
        process = self._process
        if process is not None:
            if process.poll() is None:
                self._signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS)
            self._signal(signal.SIGKILL)
            process.wait()
            self._read_errors()
        if self._channel is not None:
            self._poll.unregister(self._channel.fileno())
            self._channel.close()
        self._close_errors()
        self._process = self._channel = None
        self._sent.clear()

    def _started(self, facts: RunFacts | None) -> Channel:
        """Return the channel to a process that can take a call.

        Raises:  OSError: there can be none.
        """
        assert facts is not None
        if self._process is not None and self._process.poll() is not None:
            self.stop()  # it died while it had nothing to do
        if self._channel is not None:
            return self._channel
        self._facts, self._tail = facts, b""
        channel = self._start()
        channel.send(Kind.PLACE, pickle.dumps((sys.path, sys.argv)))
        channel.send(Kind.RUN, self._parcels.of_run(facts))
        if self._answer(channel, None) is None:
            raise OSError(self._how_it_died())
        return channel

    def _start(self) -> Channel:
        ours, theirs = socket.socketpair()
        errors, written = os.pipe()
        self._channel, self._errors = Channel(ours), errors
        os.set_blocking(errors, False)
        try:
            with self._aborting:
                if self._aborted:
                    raise OSError("the run was stopped")
                # -P: the folder where the program was started is no place for modules, unless it was one here.
                # In a session of its own: Ctrl-C is for the flow's process, which ends this one.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "blocks_flows.executors.worker", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stderr=written,
                    start_new_session=True,
                )
        finally:
            theirs.close()
            os.close(written)
            self._poll.register(ours.fileno(), select.POLLIN)
            self._poll.register(errors, select.POLLIN)
        return self._channel

    def _share(self, channel: Channel, number: bytes, shared: bytes) -> None:
        if number in self._sent:
            return
        if len(self._sent) >= MAX_SHARED:
            self._sent.clear()
            channel.send(Kind.FORGET)
        channel.send(Kind.SHARED, number + shared)
        self._sent.add(number)

    def _answer(self, channel: Channel, deadline: float | None) -> _Message | None:
        """Wait for an answer, and take what is logged and printed meanwhile; None: the process died.

        Raises:  TimeoutError.
        """
        while True:
            seconds = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - monotonic())
            if seconds <= 0:
                raise TimeoutError
            ready = [descriptor for descriptor, _event in self._poll.poll(seconds * 1000)]
            if self._errors in ready:
                self._read_errors()
            if channel.fileno() in ready:
                messages = channel.take()
                if messages is None:
                    return None
                answer = self._taken(messages)
                if answer is not None:
                    return answer
            elif not ready and self._process is not None and self._process.poll() is not None:
                return None  # and a child of it holds the other end of the channel

    def _taken(self, messages: list[_Message]) -> _Message | None:
        assert self._facts is not None
        answer = None
        for kind, content in messages:
            if kind is Kind.LINE:
                take_line(pickle.loads(content), self._facts.sink)  # noqa: S301 - from a process that we started
            elif kind is Kind.PRINTED:
                show_text(content.decode())
            else:
                answer = kind, content
        return answer

    def _read_errors(self) -> None:
        """Pass on what the process wrote to its standard error."""
        while self._errors >= 0:
            try:
                data = os.read(self._errors, 65536)
            except BlockingIOError:
                return
            if not data:
                self._close_errors()
                return
            self._tail = (self._tail + data)[-4 * _MAX_TAIL :]
            if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] a process may have none
                with suppress(OSError, ValueError):  # closed
                    sys.stderr.write(data.decode(errors="replace"))
                    sys.stderr.flush()

    def _close_errors(self) -> None:
        if self._errors >= 0:
            self._poll.unregister(self._errors)
            os.close(self._errors)
            self._errors = -1

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # all of them have ended
                os.killpg(self._process.pid, number)

    def _how_it_died(self) -> str:
        process = self._process
        if process is None:
            return "it was not started."
        with suppress(subprocess.TimeoutExpired):  # it closed its channel, and lives
            process.wait(GRACE_SECONDS)
        self.stop()
        code = process.returncode
        if code < 0:
            how = f"it was killed by {_signal_name(-code)}"
            if -code == signal.SIGKILL:
                how += ", as the system does where memory runs out"
        else:
            how = f"it ended with exit code {code}"
        tail = SECRETS_IN_USE.hide(self._tail.decode(errors="replace"))[-_MAX_TAIL:].strip()
        return f"{how}. The last it said:\n{tail}" if tail else f"{how}."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
