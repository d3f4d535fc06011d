"""`KubernetesJobHandle`: a Job that was submitted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from blocks_core.errors import InfrastructureFailed, JobNotFound
from blocks_core.jobs import LOG_TAIL_LINES, JobEnd, JobStatus, tail_of
from blocks_core.masking import SECRETS_IN_USE
from blocks_kubernetes.api_paths import path_of
from blocks_kubernetes.errors import ClusterRefused, ClusterUnreachable
from blocks_kubernetes.job_watch import JobWatch
from blocks_kubernetes.log_lines import LogLines
from blocks_kubernetes.manifest import CANCELLED, CRASHED, SECRETS, container_of
from blocks_kubernetes.outcome import (
    Object,
    Seen,
    end_of_seen,
    has_log,
    is_ending,
    is_running,
    status_of,
    trouble_of,
)
from blocks_kubernetes.patience import Patience

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection, Query

_SLACK_SECONDS = 30.0
"""How much longer than the grace period a node may take to stop a pod."""
_SILENCE_SECONDS = 60.0
"""After which a log that says nothing is asked for again: a connection may be cut without a word."""
_TAIL_BYTES = 4_000_000
_TAIL_PATIENCE_SECONDS = 5.0
_STOP: Mapping[str, Any] = {"parallelism": 0, "activeDeadlineSeconds": 1}
"""Merged into a Job's spec, it ends the Job and deletes its pods, and starts no other."""


@dataclass(frozen=True)
class Limits:
    """How long a handle waits for what."""

    start_timeout_seconds: float
    reconnect_seconds: float


class KubernetesJobHandle:
    """A job that was submitted; found again from another process by its id."""

    def __init__(
        self, connect: Callable[[], Connection], namespace: str, name: str, uid: str, limits: Limits
    ) -> None:
        self._connect = connect
        self._namespace, self._name, self._uid = namespace, name, uid
        self._limits = limits
        self._end: JobEnd | None = None

    @property
    def id(self) -> str:
        """Return `NAMESPACE/NAME/UID` of the Job, which `attach` takes; also without the last."""
        return f"{self._namespace}/{self._name}/{self._uid}"

    def __repr__(self) -> str:
        return f"KubernetesJobHandle({self.id!r})"

    def status(self) -> JobStatus:
        """Return where the job stands; one that cannot start any more is stopped.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        watch = self._watch()
        seen = watch.look()
        if self._end:
            return self._end.status
        if trouble := self._trouble(watch, seen):
            self._stop(CRASHED, trouble, _STOP)
            seen = watch.look()
        return status_of(seen)

    def wait(self, timeout_seconds: float | None = None) -> JobEnd:
        """Wait for the end; where the cluster does not answer for a while, it goes on waiting.

        Raises:  TimeoutError, JobNotFound, InfrastructureFailed.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        watch = self._watch()
        seen = self._await(watch, lambda seen: bool(self._end or end_of_seen(seen)), until)
        if seen is None:
            raise TimeoutError(
                f"The job '{self.id}' has not ended after {timeout_seconds:g} seconds; it goes on."
            )
        if self._end is None:
            end = end_of_seen(seen)
            assert end is not None
            self._end = replace(end, reason=SECRETS_IN_USE.hide(end.reason), log_tail=self._tail(seen))
        return self._end

    def logs(self) -> Iterator[str]:
        """Yield the lines that the job prints, from the first, until it ends; those of a pod that is gone are gone.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        watch, lines = self._watch(), LogLines()
        patience = Patience(self._limits.reconnect_seconds)
        while True:
            seen = self._await(watch, lambda seen: has_log(seen.pod) or end_of_seen(seen) is not None)
            assert seen is not None
            pod = seen.pod
            if pod is None or not has_log(pod) or pod in seen.lost:
                return
            had_ended = end_of_seen(seen) is not None
            try:
                with self._stream_log(pod, self._log_query(pod, lines.since())) as pieces:
                    patience.worked()
                    for piece in pieces:
                        yield from lines.feed(piece)
            except ClusterUnreachable as error:
                patience.after(error)
                continue
            except ClusterRefused as error:
                if error.status == 403:
                    raise
                # There is none yet, or not any more.
                had_ended = had_ended and not is_running(pod)
            if had_ended:
                yield from lines.finish()
                return
            watch.await_change(1.0)

    def cancel(self) -> None:
        """Stop the job and return when it has ended; what it printed is kept if it ran.

        Raises:  JobNotFound, InfrastructureFailed.
        """
        watch = self._watch()
        seen = watch.look()
        if self._end or end_of_seen(seen):
            return
        asked = datetime.now(UTC).isoformat(timespec="seconds")
        pod = seen.pod
        patience_seconds = _grace_seconds(seen.job) + _SLACK_SECONDS
        if is_running(pod) and pod is not None and not pod["metadata"].get("deletionTimestamp"):
            self._stop(CANCELLED, asked, {})
            if self._end_pod(pod) and self._await_end(watch, patience_seconds):
                return
        self._stop(CANCELLED, asked, _STOP)
        if not self._await_end(watch, patience_seconds):
            raise InfrastructureFailed(
                f"The job '{self.id}' was asked to end and did not: its node may not answer. Look at the pod with "
                f"'kubectl describe pod -n {self._namespace} -l job-name={self._name}'."
            )

    def remove(self) -> None:
        """Remove the job with its pods and secrets; one that runs is killed, and again is no error.

        Raises:  InfrastructureFailed.
        """
        watch = self._watch()
        try:
            job: Object = watch.job().body
        except JobNotFound:
            return
        body = {"propagationPolicy": "Background", "preconditions": {"uid": self._uid}}
        self._delete("jobs", self._name, body)
        annotations: Mapping[str, str] = job["metadata"].get("annotations") or {}
        for secret in annotations.get(SECRETS, "").split():
            with suppress(
                ClusterRefused
            ):  # who may not delete it leaves it to the cluster, as the Job owned it
                self._delete("secrets", secret, {})
        for pod in watch.pods():
            with suppress(ClusterRefused):  # likewise; then it has its grace period
                self._delete("pods", pod["metadata"]["name"], {"gracePeriodSeconds": 1})
        until = time.monotonic() + _grace_seconds(job) + _SLACK_SECONDS
        while any(is_ending(pod) for pod in watch.pods()):
            if time.monotonic() >= until:
                raise InfrastructureFailed(
                    f"The job '{self.id}' was removed, and its pod is still there: its node may not answer."
                )
            watch.await_change(0.5)

    def _watch(self) -> JobWatch:
        return JobWatch(self._connect(), self._namespace, self._name, self._uid)

    def _await(
        self, watch: JobWatch, is_there: Callable[[Seen], bool], until: float | None = None
    ) -> Seen | None:
        """Return what is seen once it is as asked, or None after a moment of `time.monotonic`."""
        patience = Patience(self._limits.reconnect_seconds)
        while True:
            try:
                seen = watch.look()
                patience.worked()
                if is_there(seen):
                    return seen
                if trouble := self._trouble(watch, seen):
                    self._stop(CRASHED, trouble, _STOP)
                    continue
            except ClusterUnreachable as error:
                if until is not None and time.monotonic() >= until:
                    return None
                patience.after(error, until=until)
                continue
            remaining = self._pause_seconds(seen)
            if until is not None:
                remaining = min(remaining, until - time.monotonic())
                if remaining <= 0:
                    return None
            watch.await_change(remaining)

    def _await_end(self, watch: JobWatch, seconds: float) -> bool:
        until = time.monotonic() + seconds
        return self._await(watch, lambda seen: end_of_seen(seen) is not None, until) is not None

    def _pause_seconds(self, seen: Seen) -> float:
        """Return how long a watch of the pods may take before the Job must be looked at."""
        if seen.cancelled or seen.crashed:
            return 0.3
        if seen.pod is None:
            return 1.0
        if is_running(seen.pod):
            return 20.0
        return max(0.5, self._limits.start_timeout_seconds - seen.age_seconds + 0.5)

    def _trouble(self, watch: JobWatch, seen: Seen) -> str | None:
        limit = self._limits.start_timeout_seconds
        if trouble_of(seen, limit) is None:
            return None
        return trouble_of(seen, limit, watch.events(seen.pods))

    def _stop(self, why: str, text: str, spec: Mapping[str, Any]) -> None:
        """Note on the Job why it ends, for all processes, and end it."""
        body = {"metadata": {"uid": self._uid, "annotations": {why: text}}, "spec": dict(spec)}
        try:
            self._connect().ask("PATCH", path_of("jobs", self._namespace, self._name), body=body)
        except ClusterRefused as error:
            if error.status not in (404, 409):  # 409: another Job of its name
                raise
            raise JobNotFound(f"There is no job '{self.id}': it was removed.") from error

    def _end_pod(self, pod: Object) -> bool:
        """Let a pod end as one that ran too long: it is asked, then killed, and its log stays."""
        path = path_of("pods", self._namespace, pod["metadata"]["name"])
        try:
            self._connect().ask("PATCH", path, body={"spec": {"activeDeadlineSeconds": 1}})
        except ClusterRefused:  # no right to, or it is gone
            return False
        return True

    def _delete(self, resource: str, name: str, body: Mapping[str, Any]) -> None:
        try:
            self._connect().ask("DELETE", path_of(resource, self._namespace, name), body=body)
        except ClusterRefused as error:
            if error.status not in (404, 409):
                raise

    def _stream_log(self, pod: Object, query: Query) -> AbstractContextManager[Iterator[bytes]]:
        path = path_of("pods", self._namespace, pod["metadata"]["name"], "log")
        return self._connect().stream(path, query, _SILENCE_SECONDS)

    def _log_query(self, pod: Object, since: str | None = None) -> list[tuple[str, str]]:
        # It follows also what has ended: some nodes say that a pod has ended while it still does.
        query = [("container", container_of(pod)["name"]), ("follow", "true"), ("timestamps", "true")]
        return [*query, ("sinceTime", since)] if since else query

    def _tail(self, seen: Seen) -> tuple[str, ...]:
        """Return the last lines that the job printed; nothing where they are not to be had."""
        pod = seen.pod
        if pod is None or not has_log(pod) or pod in seen.lost:
            return ()
        query = [
            *self._log_query(pod),
            ("tailLines", str(LOG_TAIL_LINES)),
            ("limitBytes", str(_TAIL_BYTES)),
        ]
        patience, lines = Patience(_TAIL_PATIENCE_SECONDS), LogLines()
        while True:
            try:
                with self._stream_log(pod, query) as pieces:
                    content = b"".join(pieces)
                return tail_of((*lines.feed(content), *lines.finish()))
            except ClusterRefused:
                return ()
            except ClusterUnreachable as error:
                try:
                    patience.after(error)
                except ClusterUnreachable:
                    return ()


def _grace_seconds(job: Object) -> float:
    return float(job["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") or 0)
