"""The paths of Kubernetes' API that this plugin asks.

Source:  https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from urllib.parse import quote

_GROUPS = {"jobs": "/apis/batch/v1", "pods": "/api/v1", "secrets": "/api/v1", "events": "/api/v1"}


def path_of(resource: str, namespace: str, name: str = "", part: str = "") -> str:
    """Return the path of the objects of a kind in a namespace, of one of them, or of a part of it.

    >>> path_of("pods", "etl", "a", "log")
    '/api/v1/namespaces/etl/pods/a/log'
    """
    parts = (
        "namespaces",
        quote(namespace, safe=""),
        resource,
        *(quote(text, safe="") for text in (name, part) if text),
    )
    return f"{_GROUPS[resource]}/{'/'.join(parts)}"
