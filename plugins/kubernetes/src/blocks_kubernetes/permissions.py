"""What a bearer may do in a namespace, asked of the cluster one by one.

Source:  https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from blocks_core.checks import Checker
from blocks_core.errors import InfrastructureFailed
from blocks_kubernetes.errors import ClusterRefused, LoginRefused

if TYPE_CHECKING:
    from blocks_kubernetes.connection import Connection

NEEDED: tuple[tuple[str, str], ...] = (
    ("create", "jobs"),
    ("get", "jobs"),
    ("list", "jobs"),
    ("patch", "jobs"),
    ("delete", "jobs"),
    ("list", "pods"),
    ("watch", "pods"),
    ("get", "pods/log"),
    ("patch", "pods"),
    ("delete", "pods"),
    ("create", "secrets"),
    ("delete", "secrets"),
    ("list", "events"),
)
"""Verbs and resources that running jobs asks for."""

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_NOBODY = "system:anonymous"
_IDENTITIES = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def check_cluster(
    checker: Checker, connect: Callable[[], Connection], identity: Callable[[], str], namespace: str
) -> bool:
    """Note whether the cluster answers, who it takes the bearer for, and each permission that jobs need."""

    def version() -> str:
        answer = connect().ask("GET", "/version").body
        return f"The cluster answers; it is of version {answer.get('gitVersion', 'unknown')}."

    if not (checker.step("reach", version) and checker.step("identity", identity)):
        return False
    found = [
        checker.step(f"{verb} {resource}", partial(_allowed, connect(), verb, resource, namespace))
        for verb, resource in NEEDED
    ]
    return all(found)


def ask_identity(connection: Connection, known_as: str) -> str:
    """Return who the cluster takes the bearer for.

    Before version 1.28 a cluster is not asked so; its refusal names the bearer, but not to one who may do everything.

    Args:    known_as: what the bearer is called here.
    Raises:  LoginRefused, ClusterRefused, ClusterUnreachable.
    Source:  https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
    """
    try:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        return str(connection.ask("POST", _IDENTITIES, body=body).body["status"]["userInfo"]["username"])
    except ClusterRefused as error:
        if found := re.search(r'User "([^"]+)" cannot', error.said):
            if found[1] == _NOBODY:
                raise LoginRefused(
                    "The cluster takes the bearer for nobody: there is no token or certificate. Give the "
                    "kubeconfig a user that has one."
                ) from error
            return found[1]
        if error.status != 404:
            raise
    _review(connection, "get", "jobs", "default")
    return known_as


def _allowed(connection: Connection, verb: str, resource: str, namespace: str) -> str:
    if not _review(connection, verb, resource, namespace):
        raise InfrastructureFailed(
            f"The bearer may not {verb} {resource} in namespace '{namespace}'. Give it a Role that allows that."
        )
    return f"The bearer may {verb} {resource} in namespace '{namespace}'."


def _review(connection: Connection, verb: str, resource: str, namespace: str) -> bool:
    name, _, part = resource.partition("/")
    attributes = {"namespace": namespace, "verb": verb, "resource": name, "subresource": part}
    if name == "jobs":
        attributes["group"] = "batch"
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(connection.ask("POST", _REVIEWS, body=body).body["status"].get("allowed"))
