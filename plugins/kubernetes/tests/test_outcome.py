from datetime import UTC, datetime, timedelta

import pytest

from blocks_kubernetes.outcome import Seen, end_of_seen, status_of, trouble_of

MADE = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)


def job(*conditions, annotations=None, parallelism=1):
    return {
        "metadata": {"creationTimestamp": MADE.isoformat(), "annotations": annotations or {}},
        "spec": {"parallelism": parallelism},
        "status": {"conditions": [{"status": "True"} | condition for condition in conditions]},
    }


def pod(phase="Running", state=None, *, deleted=False, conditions=(), **status):
    return {
        "metadata": {"name": "p", "uid": "1"} | ({"deletionTimestamp": "now"} if deleted else {}),
        "spec": {"containers": [{"name": "sidecar"}, {"name": "job"}], "activeDeadlineSeconds": 7},
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": "sidecar", "state": {"running": {}}},
                {"name": "job", "state": state or {}},
            ],
            "conditions": list(conditions),
        }
        | status,
    }


def seen(found, *pods, lost=(), seconds=1):
    return Seen(found, pods, lost, MADE + timedelta(seconds=seconds))


def ended(code, **more):
    return {"terminated": {"exitCode": code} | more}


COMPLETE = {"type": "Complete"}
FAILED = {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "too many"}


@pytest.mark.parametrize(
    ("found", "status", "code", "reason"),
    [
        (seen(job(), pod("Succeeded", ended(0))), "completed", 0, ""),
        (seen(job(COMPLETE)), "completed", 0, ""),
        (seen(job(), pod("Failed", ended(3, reason="Error"))), "failed", 3, ""),
        (seen(job(FAILED), lost=[pod("Failed", ended(3))]), "failed", 3, ""),
        (seen(job(), pod("Failed", ended(137, reason="Error"))), "crashed", 137, "killed by SIGKILL"),
        (
            seen(job(), pod("Failed", ended(137, reason="OOMKilled"))),
            "crashed",
            137,
            "killed by SIGKILL (out of memory)",
        ),
        (seen(job(), pod("Failed", ended(1, reason="OOMKilled"))), "crashed", 1, "out of memory"),
        (
            seen(job(), pod("Failed", reason="Evicted", message="The node was low on resource: memory.")),
            "crashed",
            None,
            "Evicted: The node was low on resource: memory.",
        ),
        (
            seen(job(), pod("Failed", ended(143), reason="NodeLost", message="Node x is unresponsive")),
            "crashed",
            143,
            "NodeLost: Node x is unresponsive",
        ),
        (
            seen(
                job(),
                pod(
                    "Failed",
                    ended(137),
                    conditions=[
                        {
                            "type": "DisruptionTarget",
                            "status": "True",
                            "reason": "EvictionByEvictionAPI",
                            "message": "Eviction API: evicting",
                        }
                    ],
                ),
            ),
            "crashed",
            137,
            "EvictionByEvictionAPI: Eviction API: evicting",
        ),
        (
            seen(job(), pod("Failed", {"running": {}}, reason="DeadlineExceeded")),
            "crashed",
            None,
            "it ran longer than it may: 7 seconds",
        ),
        (
            seen(job(), pod("Failed", ended(127, reason="ContainerCannotRun", message="no such program"))),
            "crashed",
            None,
            "its command could not be started: ContainerCannotRun: no such program",
        ),
        (
            seen(job(), pod("Failed", initContainerStatuses=[{"name": "fetch", "state": ended(2)}])),
            "crashed",
            None,
            "its init container 'fetch' ended with code 2",
        ),
        (seen(job(FAILED)), "crashed", None, "BackoffLimitExceeded: too many"),
        (
            seen(job(FAILED, parallelism=0)),
            "crashed",
            None,
            "whoever submitted it ended before its secrets were there",
        ),
        (
            seen(job(annotations={"blocks/crashed": "its pod p was deleted"}), pod("Failed", ended(143))),
            "crashed",
            143,
            "its pod p was deleted",
        ),
        (
            seen(job(FAILED, annotations={"blocks/cancelled": "now"}), lost=[pod("Failed", ended(0))]),
            "cancelled",
            0,
            "",
        ),
        (seen(job(annotations={"blocks/cancelled": "now"}), pod("Failed", ended(7))), "cancelled", 7, ""),
        (seen(job(parallelism=0, annotations={"blocks/cancelled": "now"})), "cancelled", None, ""),
        (
            seen(
                job(annotations={"blocks/crashed": "no image"}), pod("Pending", {"waiting": {}}, deleted=True)
            ),
            "crashed",
            None,
            "no image",
        ),
    ],
)
def test_a_job_has_ended(found, status, code, reason):
    end = end_of_seen(found)
    assert (end.status, end.exit_code, end.reason) == (status, code, reason)
    assert status_of(found) == status
    assert trouble_of(found, 0) is None


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (seen(job()), "pending"),
        (seen(job(), pod("Pending")), "pending"),
        (seen(job(), pod("Pending", {"waiting": {"reason": "ContainerCreating"}})), "pending"),
        (seen(job(), pod("Running", {"running": {}})), "running"),
        (seen(job(annotations={"blocks/cancelled": "now"}), pod("Running", {"running": {}})), "running"),
        (seen(job(annotations={"blocks/cancelled": "now"})), "pending"),
    ],
)
def test_a_job_goes_on(found, status):
    assert end_of_seen(found) is None
    assert status_of(found) == status
    assert trouble_of(found, 60) is None


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available.",
}
MOUNT = {
    "type": "Warning",
    "reason": "FailedMount",
    "message": "no such volume",
    "lastTimestamp": "2",
    "metadata": {},
}
OLDER = MOUNT | {"reason": "Older", "lastTimestamp": "1"}


@pytest.mark.parametrize(
    ("found", "events", "reason"),
    [
        (seen(job(), pod("Running", {"running": {}}, deleted=True)), [], "its pod p was deleted"),
        (seen(job(), pod("Pending"), lost=[pod("Running", {"running": {}})]), [], "its pod p was deleted"),
        (
            seen(
                job(), pod("Pending", {"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}})
            ),
            [],
            "its container cannot start: ErrImageNeverPull: not present",
        ),
        (
            seen(job(), pod("Pending", conditions=[UNSCHEDULED]), seconds=60),
            [],
            "Unschedulable: 0/1 nodes are available.",
        ),
        (
            seen(
                job(),
                pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}),
                seconds=60,
            ),
            [],
            "ImagePullBackOff: Back-off",
        ),
        (
            seen(job(), pod("Pending", {"waiting": {"reason": "ContainerCreating"}}), seconds=60),
            [MOUNT, OLDER, {"type": "Normal", "reason": "Pulled"}],
            "FailedMount: no such volume",
        ),
        (seen(job(), seconds=60), [MOUNT], "FailedMount: no such volume"),
        (seen(job(), seconds=60), [], "its pod was not made"),
    ],
)
def test_what_cannot_start_or_was_deleted_is_told_with_the_words_of_the_cluster(found, events, reason):
    assert end_of_seen(found) is None
    assert trouble_of(found, 60, events).endswith(reason)
