"""What a Job and its pods say of where the job stands. Pure, without a cluster.

Source:  https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from blocks_core.jobs import JobEnd, JobStatus, end_of
from blocks_kubernetes.manifest import CANCELLED, CRASHED, container_of

Object = Mapping[str, Any]

_PERISHED = frozenset({"Evicted", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting"})
"""Reasons of a pod for which the command was ended by the cluster."""
_NEVER_RAN = frozenset({"ContainerCannotRun", "StartError", "CreateContainerError", "RunContainerError"})
_HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons of a container that waits, for which waiting does not help."""


@dataclass(frozen=True)
class Seen:
    """A Job and its pods at one moment."""

    job: Object
    pods: Sequence[Object]
    """Those that there are now, the oldest first."""
    lost: Sequence[Object]
    """Those that there were before, as they were seen last."""
    now: datetime
    """By the clock of the cluster."""

    @property
    def cancelled(self) -> bool:
        """Tell whether somebody asked for the end."""
        return CANCELLED in self._annotations

    @property
    def crashed(self) -> str:
        """Return why the job was stopped by this plugin, or nothing."""
        return str(self._annotations.get(CRASHED, ""))

    @property
    def pod(self) -> Object | None:
        """Return the pod that ran the command, or is about to: the first that there was."""
        return next(iter([*self.lost, *self.pods]), None)

    @property
    def finished(self) -> bool:
        """Tell whether Kubernetes starts no pod for the Job any more."""
        return any(_condition(self.job, kind) for kind in ("Complete", "Failed"))

    @property
    def is_held(self) -> bool:
        """Tell whether the Job may have no pod."""
        return not self.job["spec"].get("parallelism")

    @property
    def age_seconds(self) -> float:
        """Return how long ago the Job was made."""
        return (self.now - _moment(self.job["metadata"]["creationTimestamp"])).total_seconds()

    @property
    def _annotations(self) -> Mapping[str, Any]:
        return self.job["metadata"].get("annotations") or {}


def status_of(seen: Seen) -> JobStatus:
    """Return where a job stands."""
    if end := end_of_seen(seen):
        return end.status
    return "running" if is_running(seen.pod) else "pending"


def end_of_seen(seen: Seen) -> JobEnd | None:
    """Return how a job ended, without what it printed, or None if it goes on."""
    pod = seen.pod
    is_over = all(_has_ended(found) for found in seen.pods)
    if seen.cancelled or seen.crashed:
        # Before version 1.21 a Job that never had a pod is never marked as finished.
        if not is_over or not (seen.finished or seen.pods or seen.is_held):
            return None
        code = _exit_code(pod)
        return JobEnd("cancelled", code) if seen.cancelled else JobEnd("crashed", code, seen.crashed)
    if pod is not None and _phase(pod) in ("Succeeded", "Failed"):
        return _end_of_pod(pod)
    if _condition(seen.job, "Complete"):
        return JobEnd("completed", 0)
    if (failed := _condition(seen.job, "Failed")) and is_over:
        if pod is None and seen.is_held:
            return JobEnd("crashed", None, "whoever submitted it ended before its secrets were there")
        return JobEnd("crashed", _exit_code(pod), _sentence(failed) or "Kubernetes says that it failed")
    return None


def trouble_of(seen: Seen, start_timeout_seconds: float, events: Iterable[Object] = ()) -> str | None:
    """Return why a job must be stopped that has neither ended nor is being stopped, or None.

    Args:    events: of the Job and its pods, for the reason why nothing started.
    """
    if seen.cancelled or seen.crashed or seen.finished or end_of_seen(seen):
        return None
    pod = seen.pod
    if pod is not None and (seen.lost or pod["metadata"].get("deletionTimestamp")):
        return _why_deleted(pod)
    if is_running(pod):
        return None
    waiting = _waiting(pod)
    if waiting.get("reason") in _HOPELESS:
        return f"its container cannot start: {_sentence(waiting)}"
    if seen.age_seconds >= start_timeout_seconds:
        return f"it did not start in {start_timeout_seconds:g} seconds: {_why_not_started(pod, events)}"
    return None


def is_running(pod: Object | None) -> bool:
    """Tell whether the command of a pod has begun and not ended."""
    return pod is not None and "running" in _state(pod) and _phase(pod) not in ("Succeeded", "Failed")


def is_ending(pod: Object) -> bool:
    """Tell whether a pod of a Job that was removed has yet to end, or to be removed itself."""
    return not _has_ended(pod) or not pod["metadata"].get("deletionTimestamp")


def has_log(pod: Object | None) -> bool:
    """Tell whether the command of a pod has begun, so that what it printed can be asked for."""
    return pod is not None and bool({"running", "terminated"} & _state(pod).keys())


def _has_ended(pod: Object) -> bool:
    """Tell whether the command of a pod has ended, or will not begin any more."""
    # Before version 1.22, nodes take a minute to remove a pod whose image they could not pull.
    never_began = bool(pod["metadata"].get("deletionTimestamp")) and not has_log(pod)
    return never_began or _phase(pod) in ("Succeeded", "Failed")


def _end_of_pod(pod: Object) -> JobEnd:
    status = pod["status"]
    terminated = _state(pod).get("terminated")
    reason, said = str(status.get("reason") or ""), _sentence(status)
    code = _exit_code(pod)
    if reason == "DeadlineExceeded":
        deadline = pod["spec"].get("activeDeadlineSeconds")
        return JobEnd("crashed", code, f"it ran longer than it may: {deadline} seconds")
    disrupted = _condition(pod, "DisruptionTarget")
    if disrupted or reason in _PERISHED or (terminated is None and _phase(pod) == "Failed"):
        why = _sentence(disrupted) if disrupted else said
        return JobEnd("crashed", code, why or _why_container_missing(pod))
    if terminated is None:
        return JobEnd("completed", 0)
    word = str(terminated.get("reason") or "")
    if word in _NEVER_RAN:
        return JobEnd("crashed", None, f"its command could not be started: {_sentence(terminated)}")
    if word == "ContainerStatusUnknown":
        return JobEnd("crashed", code, _sentence(terminated))
    code = int(terminated.get("exitCode", 0))
    return end_of(code, reason="out of memory" if word == "OOMKilled" and code else "")


def _why_container_missing(pod: Object) -> str:
    for found in _list(pod["status"], "initContainerStatuses"):
        ended: Object = found.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f"its init container '{found['name']}' ended with code {ended['exitCode']}"
    return "its pod failed before the command began"


def _why_deleted(pod: Object) -> str:
    disrupted = _condition(pod, "DisruptionTarget")
    said = _sentence(disrupted) if disrupted else _sentence(pod["status"])
    return f"its pod {pod['metadata']['name']} was deleted{f' ({said})' if said else ''}"


def _why_not_started(pod: Object | None, events: Iterable[Object]) -> str:
    scheduled = _condition(pod, "PodScheduled", "False") if pod else None
    found = [_sentence(scheduled)] if scheduled else []
    waiting = _waiting(pod)
    if waiting.get("message") or waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        found.append(_sentence(waiting))
    warnings = [event for event in events if event.get("type") == "Warning"]
    warnings.sort(key=_when)
    if warnings and (not found or waiting):
        found.append(_sentence(warnings[-1]))
    said = dict.fromkeys(text for text in found if text)
    return "; ".join(said) or ("its pod was not made" if pod is None else "its node does not say why")


def _sentence(part: Object) -> str:
    """Return reason and message, which conditions, states, events and statuses all have, in one line."""
    reason, message = str(part.get("reason") or ""), " ".join(str(part.get("message") or "").split())
    return (f"{reason}: {message}" if reason and message else reason or message)[:1000]


def _state(pod: Object) -> Object:
    name = container_of(pod)["name"]
    for found in _list(pod.get("status", {}), "containerStatuses"):
        if found["name"] == name:
            return found.get("state") or {}
    return {}


def _waiting(pod: Object | None) -> Object:
    return (_state(pod).get("waiting") or {}) if pod else {}


def _exit_code(pod: Object | None) -> int | None:
    ended = _state(pod).get("terminated") if pod else None
    return int(ended["exitCode"]) if ended and "exitCode" in ended else None


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase") or "Pending")


def _condition(whole: Object, kind: str, status: Literal["True", "False"] = "True") -> Object | None:
    for found in _list(whole.get("status", {}), "conditions"):
        if found.get("type") == kind and found.get("status") == status:
            return found
    return None


def _list(part: Object, name: str) -> list[Object]:
    return cast("list[Object]", part.get(name) or [])


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
