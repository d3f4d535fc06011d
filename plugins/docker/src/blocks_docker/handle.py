"""`ContainerHandle`: a job that runs in a container."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, TypeVar

from blocks_core.errors import JobNotFound
from blocks_core.jobs import JobEnd, JobStatus
from blocks_docker.endings import CANCELLED, ContainerState
from blocks_docker.errors import EngineRefused, EngineUnreachable
from blocks_docker.host import DockerHost

JOB_LABEL = "blocks.job"
"""On each container of ours: the name of the job."""

_POLL_SECONDS = 30.0
"""So long one request waits for the end; then the engine is asked anew."""
_PENDING_SECONDS = 0.2
_FLAG_SECONDS = 0.3
"""An engine can tell of the end before it notes that memory was short."""
_KILLED = 137
_ID = re.compile(r"[0-9a-f]{12,64}")

T = TypeVar("T")


@dataclass(frozen=True)
class ContainerHandle:
    """A job that runs in a container, found again by the container's id."""

    id: str
    host: DockerHost
    grace_seconds: int
    reconnect_seconds: float

    def status(self) -> JobStatus:
        """Return where the job stands.

        Raises:  JobNotFound: the container was removed; InfrastructureFailed.
        """
        return self._state().job_status()

    def wait(self, timeout_seconds: float | None = None) -> JobEnd:
        """Wait for the end, also while the engine is restarted.

        Raises:  TimeoutError: it has not ended yet, and goes on; JobNotFound, InfrastructureFailed.
        """
        from blocks_docker.following import Patience  # late, as all of this class: it imports Docker's SDK

        deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
        patience = Patience(self.reconnect_seconds)
        while True:
            try:
                state = self._state()
                if state.has_ended:
                    return self._end(state)
                patience.restore()
                self._wait_a_while(state, _left(self.id, deadline))
            except EngineUnreachable as error:
                patience.spend(error, _left(self.id, deadline))

    def logs(self) -> Iterator[str]:
        """Yield the lines that the job prints, of both streams, from the first, until it ends.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        from blocks_docker.following import Patience, follow

        try:
            yield from follow(
                self.host, self.id, lambda: self._state().has_ended, Patience(self.reconnect_seconds)
            )
        except EngineRefused as error:
            raise self._missing_or(error) from error

    def cancel(self) -> None:
        """Stop the container: its program is asked with SIGTERM, and killed after the grace period.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        state = self._state()
        if state.has_ended:
            return
        if not state.is_cancelled:
            self._rename(f"{state.name}{CANCELLED}")
            if self._state().has_stopped:  # by itself, meanwhile
                self._rename(state.name)
                return
        self._ask(lambda client: client.stop(self.id, timeout=self.grace_seconds))

    def remove(self) -> None:
        """Kill the container if it runs, and remove it with its unnamed volumes.

        Raises:  InfrastructureFailed.
        """
        with suppress(JobNotFound):
            self._state()  # one of ours, and no other
            self._ask(lambda client: client.remove_container(self.id, v=True, force=True))

    def find(self) -> ContainerHandle:
        """Return this handle when its container is there and is one of ours.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        self._state()
        return self

    def _state(self) -> ContainerState:
        if not _ID.fullmatch(self.id):
            raise self._not_found()
        inspected: dict[str, Any] = self._ask(lambda client: client.inspect_container(self.id))
        if JOB_LABEL not in (inspected["Config"].get("Labels") or {}):
            raise self._not_found()
        return ContainerState.of(inspected)

    def _end(self, state: ContainerState) -> JobEnd:
        from blocks_docker.following import tail

        if state.exit_code == _KILLED and state.has_memory_limit and not state.out_of_memory:
            sleep(_FLAG_SECONDS)
            state = self._state()
        try:
            return state.end(tail(self.host, self.id))
        except EngineRefused as error:
            raise self._missing_or(error) from error

    def _wait_a_while(self, state: ContainerState, left_seconds: float | None) -> None:
        from blocks_docker.connection import failures, timed_out

        longest = _POLL_SECONDS if left_seconds is None else min(_POLL_SECONDS, left_seconds)
        if state.is_pending:  # an engine would say at once that it does not run
            sleep(min(_PENDING_SECONDS, longest))
            return

        def wait(client: Any) -> None:
            try:
                client.wait(self.id, timeout=longest)
            except failures() as error:
                if not timed_out(error):
                    raise

        self._ask(wait)

    def _rename(self, name: str) -> None:
        with suppress(
            EngineRefused
        ):  # somebody else has cancelled it at the same moment, or it is being removed
            self._ask(lambda client: client.rename(self.id, name))

    def _ask(self, call: Callable[[Any], T]) -> T:
        try:
            return self.host.ask(call)
        except EngineRefused as error:
            raise self._missing_or(error) from error

    def _missing_or(self, error: EngineRefused) -> JobNotFound | EngineRefused:
        is_being_removed = error.status == 409 and "removal" in error.said
        return self._not_found() if error.status == 404 or is_being_removed else error

    def _not_found(self) -> JobNotFound:
        return JobNotFound(
            f"There is no container of ours with the id {self.id[:64]!r} on the engine at {self.host.address()}: it "
            f"was removed, or is on another engine. 'docker ps --all --filter label={JOB_LABEL}' lists what there is."
        )


def _left(container_id: str, deadline: float | None) -> float | None:
    """Return the seconds until a deadline, or None where there is none.

    Raises:  TimeoutError: it is over.
    """
    if deadline is None:
        return None
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError(
            f"The container {container_id[:12]} has not ended yet, and goes on. Wait longer, or cancel it."
        )
    return left
