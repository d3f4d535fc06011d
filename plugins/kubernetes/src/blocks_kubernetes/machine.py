"""What a machine itself knows of a cluster: a pod's service account, or the user's kubeconfig."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

from blocks_kubernetes.access import Access
from blocks_kubernetes.errors import LoginRefused
from blocks_kubernetes.kubeconfig import (
    Kubeconfig,
    KubeconfigInvalid,
    access_of,
    merge,
    read_kubeconfig,
    with_files,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts what a pod needs to ask its cluster."""


def access_of_machine(context: str | None, service_account: Path = SERVICE_ACCOUNT) -> Access:
    """Return the access of the pod that this process runs in, or else of the user's kubeconfig.

    Args:    context: of the kubeconfig; where it is given, the pod's own access is not asked for.
    Raises:  LoginRefused: there is neither, or what there is cannot be used.
    """
    if context is None and (found := access_of_pod(service_account)):
        return found
    try:
        return access_of(kubeconfig_of_user(), context)
    except KubeconfigInvalid as error:
        raise LoginRefused(f"The kubeconfig of this machine cannot be used. {error}") from error


def access_of_pod(service_account: Path = SERVICE_ACCOUNT) -> Access | None:
    """Return the access of the pod that this process runs in, or None where it runs in none.

    Source:  https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    token = service_account / "token"
    if not host or not port or not token.is_file():
        return None
    authority, namespace = (_text_of(service_account / name) for name in ("ca.crt", "namespace"))
    return Access(
        server=f"https://{_bracketed(host)}:{port}",
        namespace=(namespace or "").strip() or "default",
        user="the pod's service account",
        authority=authority,
        token_file=str(token),
    )


def kubeconfig_of_user(path: str | os.PathLike[str] | None = None) -> Kubeconfig:
    """Return a kubeconfig with what is in the files that it names.

    Args:    path: None reads what `kubectl` would: the files of KUBECONFIG, else ~/.kube/config.
    Raises:  KubeconfigInvalid: there is none, or it cannot be read.
    """
    if path is None:
        named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
        found = [Path(part) for part in named] or [Path("~/.kube/config")]
    else:
        found = [Path(path)]
    files = [file for file in (part.expanduser() for part in found) if path is not None or file.exists()]
    if not files:
        raise KubeconfigInvalid(
            f"There is no kubeconfig at {', '.join(map(str, found))}. Set KUBECONFIG, or save a "
            f"kubernetes-cluster-config and give it as cluster."
        )
    return merge(_read(file) for file in files)


def _read(file: Path) -> Kubeconfig:
    try:
        return with_files(read_kubeconfig(file.read_text("utf-8")), file.absolute().parent)
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigInvalid(f"The kubeconfig {file} cannot be read ({type(error).__name__}).") from error


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except OSError:
        return None


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host
