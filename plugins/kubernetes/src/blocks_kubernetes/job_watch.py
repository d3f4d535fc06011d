"""`JobWatch`: one Job and its pods, looked at and waited for.

What is decided is decided by looking at the whole; a watch only tells when to look again. So nothing is lost where a
watch ends, breaks off, or is too old to go on (410 Gone).

Source:  https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from blocks_core.errors import JobNotFound
from blocks_kubernetes.api_paths import path_of
from blocks_kubernetes.errors import ClusterRefused, ClusterUnreachable
from blocks_kubernetes.manifest import LABEL
from blocks_kubernetes.outcome import Object, Seen

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection

_LONGEST_SECONDS = 20.0
"""After which a watch ends, to look whether the Job is still there: its pods do not tell."""
_GONE = 410


class JobWatch:
    """Looks at one Job through one connection; one thread at a time."""

    def __init__(self, connection: Connection, namespace: str, name: str, uid: str | None) -> None:
        self._connection = connection
        self.namespace, self.name, self.uid = namespace, name, uid
        self._known: dict[str, Object] = {}
        """Pods by their uid, as they were seen last."""
        self._version = ""

    def look(self) -> Seen:
        """Return what there is now.

        Raises:  JobNotFound, ClusterUnreachable, ClusterRefused.
        """
        answer = self.job()
        job = answer.body
        pods = self._pods(str(job["metadata"]["uid"]))
        present = {str(pod["metadata"]["uid"]) for pod in pods}
        lost = [pod for uid, pod in self._known.items() if uid not in present]
        return Seen(job, pods, sorted(lost, key=_age), answer.date)

    def job(self) -> Any:
        """Return the cluster's answer to a request for the Job.

        Raises:  JobNotFound, ClusterUnreachable, ClusterRefused.
        """
        missing = JobNotFound(
            f"There is no job '{self.namespace}/{self.name}': it was removed, or kept no longer than keep_seconds "
            f"of its block said."
        )
        try:
            answer = self._connection.ask("GET", path_of("jobs", self.namespace, self.name))
        except ClusterRefused as error:
            if error.status == 404:
                raise missing from error
            raise
        meta = answer.body["metadata"]
        self.uid = self.uid or str(meta["uid"])
        if (
            meta["uid"] != self.uid
            or meta.get("deletionTimestamp")
            or LABEL not in (meta.get("labels") or {})
        ):
            raise missing
        return answer

    def await_change(self, seconds: float) -> None:
        """Wait until something happens to the Job's pods since they were looked at, or not longer than that."""
        if seconds <= 0:
            return
        seconds = min(seconds, _LONGEST_SECONDS)
        query = [
            ("labelSelector", f"{LABEL}={self.name}"),
            ("watch", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(math.ceil(seconds) + 1)),
        ]
        until = time.monotonic() + seconds
        try:
            with self._connection.stream(path_of("pods", self.namespace), query, seconds) as pieces:
                self._note(pieces)
        except ClusterUnreachable:
            time.sleep(max(0.0, min(0.2, until - time.monotonic())))  # cut at once, or all the time is over
        except ClusterRefused as error:
            if error.status != _GONE:  # such as no right to watch
                time.sleep(max(0.0, min(1.0, until - time.monotonic())))

    def pods(self) -> list[Object]:
        """Return the pods that there are now, also of a Job that is not there any more."""
        return self._pods(self.uid)

    def events(self, pods: Iterable[Object]) -> list[Object]:
        """Return what the cluster says happened to the Job and to pods; nothing where it may not be asked."""
        found: list[Object] = []
        for uid in (self.uid, *(pod["metadata"]["uid"] for pod in pods)):
            query = [("fieldSelector", f"involvedObject.uid={uid}")]
            with suppress(ClusterRefused, ClusterUnreachable):
                found += self._connection.ask("GET", path_of("events", self.namespace), query).body["items"]
        return found

    def _pods(self, job_uid: str | None) -> list[Object]:
        query = [("labelSelector", f"{LABEL}={self.name}")]
        body = self._connection.ask("GET", path_of("pods", self.namespace), query).body
        self._version = str(body["metadata"].get("resourceVersion", ""))
        pods = [pod for pod in cast("list[Object]", body["items"]) if job_uid in _owners(pod)]
        self._known |= {str(pod["metadata"]["uid"]): pod for pod in pods}
        return sorted(pods, key=_age)

    def _note(self, pieces: Iterator[bytes]) -> None:
        """Read the first event and remember the pod: of one that is deleted, nothing else tells how it ended."""
        content = b""
        for piece in pieces:
            content += piece
            if b"\n" in content:
                break
        with suppress(ValueError, LookupError, TypeError):
            for line in content.splitlines():
                event = cast("Mapping[str, Any]", json.loads(line))
                pod = event["object"]
                if event["type"] in ("MODIFIED", "DELETED") and pod["metadata"]["uid"] in self._known:
                    self._known[str(pod["metadata"]["uid"])] = pod


def _owners(pod: Object) -> list[Any]:
    owners = cast("list[Object]", pod["metadata"].get("ownerReferences") or [])
    return [owner.get("uid") for owner in owners]


def _age(pod: Object) -> tuple[str, str]:
    return str(pod["metadata"]["creationTimestamp"]), str(pod["metadata"]["name"])
