"""Reading a container's log from an engine, also over its restarts. Imported at first use, as it needs the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import LOG_TAIL_LINES
from blocks_docker.connection import failures, timed_out
from blocks_docker.errors import EngineRefused, EngineUnreachable
from blocks_docker.host import DockerHost
from blocks_docker.log_lines import Frame, Lines, LogBroken, Place, frames_of

IDLE_SECONDS = 60.0
"""After so long without a line the engine is asked whether the container runs: a dead connection says nothing."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class Patience:
    """How long to go on without an engine that answers, such as while it is restarted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    def restore(self) -> None:
        """Note that the engine has answered."""
        self._since, self._pause = None, _FIRST_PAUSE_SECONDS

    def spend(self, error: EngineUnreachable, at_most_seconds: float | None = None) -> None:
        """Wait before the next attempt.

        Raises:  InfrastructureFailed: the engine was not there for too long.
        """
        now = monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= self._seconds:
            raise InfrastructureFailed(
                f"{error} It was tried for {self._seconds:g} seconds; the job may go on, or may have ended."
            ) from error
        sleep(
            min(
                self._pause,
                self._seconds,
                _LONGEST_PAUSE_SECONDS if at_most_seconds is None else at_most_seconds,
            )
        )
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


def follow(
    host: DockerHost, container_id: str, has_ended: Callable[[], bool], patience: Patience
) -> Iterator[str]:
    """Yield the lines of a container's log, from the first, until it has ended and all is read.

    Args:    has_ended: asks the engine; what it raises ends the reading, but EngineUnreachable.
    Raises:  InfrastructureFailed.
    """
    place, lines = Place(), Lines()
    while True:
        try:
            ended = has_ended()  # before it is read: what was printed until then is in the log by now
            for frame in read(host, container_id, since=place.resume(), follow=not ended):
                if place.is_new(frame):
                    patience.restore()
                    yield from lines.take(frame)
            if ended:
                yield from lines.rest()
                return
            patience.restore()
        except EngineUnreachable as error:
            patience.spend(error)


def tail(host: DockerHost, container_id: str, count: int = LOG_TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines of a log; none where the engine's logging driver cannot be read.

    Raises:  InfrastructureFailed.
    """
    lines, found = Lines(), list[str]()
    try:
        for frame in read(host, container_id, tail=count):
            found += lines.take(frame)
    except EngineRefused as error:
        if error.status == 404:
            raise
        return ()  # how a job ended is known all the same
    return (*found, *lines.rest())[-count:]


def read(
    host: DockerHost, container_id: str, *, since: str = "0", follow: bool = False, tail: int | None = None
) -> Iterator[Frame]:
    """Yield the frames of a log; when nothing comes for a while, it ends.

    Raises:  InfrastructureFailed.
    """
    options = {
        "stdout": 1,
        "stderr": 1,
        "timestamps": 1,
        "follow": int(follow),
        "since": since,
        "tail": "all" if tail is None else tail,
    }

    def open_log(client: Any) -> Any:
        # Not client.logs(): it mixes pieces of long lines, and takes a connection that broke for the end.
        url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/logs"
        response = client.get(url, params=options, stream=True, timeout=(client.timeout, IDLE_SECONDS))
        try:
            client._raise_for_status(response)
        except failures():
            response.close()
            raise
        return response

    response = host.ask(open_log)
    try:
        yield from frames_of(response.iter_content(None))
    except LogBroken as error:
        raise EngineUnreachable(f"The log of the container broke off: {error}.") from error
    except failures() as error:
        if follow and timed_out(error):
            return
        raise EngineUnreachable(
            f"The log of the container broke off at {host.address()} ({type(error).__name__}). Look at the engine."
        ) from error
    finally:
        response.close()
