"""What a cluster's answers mean and what to do about them; without a vendor's package."""

from __future__ import annotations

import re

_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
_REMEDIES = {
    401: "It does not know the bearer: renew the token or certificate of the kubeconfig.",
    403: "Give the account a Role that allows it; 'kubectl auth can-i --list' tells what it may do.",
    404: "It is not there, or was removed.",
    422: "Check the block's fields and its customizations.",
    429: "It is busy: try again later.",
    503: "It is busy: try again later.",
}
_FORBIDDEN = {
    "exceeded quota": "Ask for less, wait until others have ended, or have the namespace's quota raised.",
    "is being terminated": "The namespace is being deleted: give another one.",
}
_NAMESPACE_MISSING = re.compile(r'namespaces? "[^"]*" not found')


def why_refused(server: str, method: str, path: str, status: int, said: str, reason: str) -> str:
    """Return what a cluster did not do, why, and what to do."""
    word = " ".join(part for part in (f"HTTP {status}", reason) if part)
    answered = f"The cluster {server} did not {_what(method, path)} ({word}{f': {said}' if said else ''})"
    return f"{answered}. {_remedy(status, said)}"


def why_unreachable(server: str, kind: str, said: str) -> str:
    """Return why no answer came, and what to do.

    Args:    kind: name of the error's class. said: its text, without secrets.
    """
    if "CERTIFICATE_VERIFY_FAILED" in said:
        why = "its certificate is not trusted. Check the kubeconfig's certificate-authority-data and tls-server-name."
    elif "Timeout" in kind or "timed out" in said:
        why = "there was no answer in time. Check the network, and try again."
    elif "Proxy" in kind or "Proxy" in said:
        why = "the proxy does not lead there. Check proxy-url of the kubeconfig, and HTTPS_PROXY."
    else:
        why = "it cannot be reached. Check the address, the network and the proxy."
    return f"The cluster {server} was not asked ({kind}): {why}"


def _remedy(status: int, said: str) -> str:
    if status == 403:
        for words, remedy in _FORBIDDEN.items():
            if words in said:
                return remedy
    if status == 404 and _NAMESPACE_MISSING.search(said):
        return "Create the namespace, or give another one."
    if status in _REMEDIES:
        return _REMEDIES[status]
    if status >= 500:
        return "That is an error of the cluster's own: see its logs, and try again later."
    if status <= 399:
        return "It leads elsewhere: check the address and the proxy."
    return "Check the block's fields."


def _what(method: str, path: str) -> str:
    """Return what was asked, such as `create jobs in namespace 'etl'`."""
    found = re.fullmatch(r"/apis?/.*?namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/([^/]+))?", path)
    if not found:
        return f"answer {method} {path}"
    namespace, resource, name, part = found.groups()
    verb = "list" if method == "GET" and not name else _VERBS[method]
    what = f"{resource}/{part}" if part else resource
    return f"{verb} {what}{f' {name}' if name else ''} in namespace '{namespace}'"
