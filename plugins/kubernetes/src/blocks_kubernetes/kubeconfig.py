"""Kubeconfigs: read, made independent of the files that they name, and one context of them as an `Access`.

Source:  https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from blocks_core.errors import did_you_mean
from blocks_core.names import suggest
from blocks_kubernetes.access import Access, LoginCommand

Kubeconfig = Mapping[str, Any]

_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES_OF_CLUSTER = {"certificate-authority": "certificate-authority-data"}
_FILES_OF_USER = {
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}
_SERVER = re.compile(r"https?://[^\s@?#]+")


class KubeconfigInvalid(ValueError):
    """A text is no kubeconfig, or one that cannot be used; the message repeats nothing that may be a secret."""


@lru_cache(maxsize=32)
def read_kubeconfig(text: str) -> Kubeconfig:
    """Return what a kubeconfig in YAML or JSON says; nobody may change it, as it is kept for the next one who asks.

    Raises:  KubeconfigInvalid.
    """
    import yaml  # late: start-up time

    try:
        found: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise KubeconfigInvalid(f"It is not YAML{where}. Copy the kubeconfig whole.") from None
    if not isinstance(found, dict):
        raise KubeconfigInvalid(
            "It is no kubeconfig, which has clusters, users and contexts. 'kubectl config view --raw' prints one."
        )
    config = cast("dict[str, Any]", found)
    for name, inner in _LISTS.items():
        if not _is_list_of(config.get(name) or [], inner):
            raise KubeconfigInvalid(f"Its '{name}' are no list of entries with a name and a {inner}.")
    return config


def write_kubeconfig(config: Kubeconfig) -> str:
    """Return a kubeconfig as YAML."""
    import yaml  # late: start-up time

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def merge(configs: Iterable[Kubeconfig]) -> Kubeconfig:
    """Return several kubeconfigs as one, as kubectl does: of two entries of one name the first counts."""
    merged: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for config in configs:
        for name in _LISTS:
            known = {entry["name"] for entry in merged[name]}
            merged[name] += [entry for entry in _entries(config, name) if entry["name"] not in known]
        merged["current-context"] = merged.get("current-context") or config.get("current-context")
    return merged


def with_files(config: Kubeconfig, folder: Path) -> Kubeconfig:
    """Return a kubeconfig that holds what was in the files that it named.

    Args:    folder: from which relative paths lead: that of the kubeconfig.
    Raises:  KubeconfigInvalid: a file cannot be read.
    """
    clusters = [
        entry | {"cluster": _filled(entry["cluster"], _FILES_OF_CLUSTER, folder)}
        for entry in _entries(config, "clusters")
    ]
    users = [
        entry | {"user": _filled(entry["user"], _FILES_OF_USER, folder)}
        for entry in _entries(config, "users")
    ]
    return dict(config) | {"clusters": clusters, "users": users}


def only(config: Kubeconfig, context: str | None) -> Kubeconfig:
    """Return what of a kubeconfig one context needs, so that no token of another cluster is kept with it.

    Raises:  KubeconfigInvalid: there is no such context.
    """
    name, found = _context(config, context)
    kept = {"clusters": found.get("cluster"), "users": found.get("user"), "contexts": name}
    lists = {key: [entry for entry in _entries(config, key) if entry["name"] == kept[key]] for key in _LISTS}
    return {"apiVersion": "v1", "kind": "Config", "current-context": name, **lists}


def access_of(config: Kubeconfig, context: str | None) -> Access:
    """Return who asks which cluster in a context, by default in the current one.

    Raises:  KubeconfigInvalid: it is not there, is not whole, or names a file or a way to log in that is not known.
    """
    name, found = _context(config, context)
    cluster = _entry(config, "clusters", "cluster", found.get("cluster"), name)
    user: Kubeconfig = _entry(config, "users", "user", found["user"], name) if found.get("user") else {}
    for fields, part in ((_FILES_OF_CLUSTER, cluster), (_FILES_OF_USER, user)):
        for file, data in fields.items():
            if part.get(file) and not part.get(data):
                raise KubeconfigInvalid(
                    f"Its '{file}' names a file, which other machines do not have. Read the kubeconfig with "
                    f"KubernetesClusterConfig.from_file, or print it with 'kubectl config view --raw --flatten'."
                )
    if user.get("auth-provider") and not user.get("token"):
        raise KubeconfigInvalid(
            "Its user logs in by an 'auth-provider', which Kubernetes gave up in version 1.26. Use a login command "
            "(exec) or a token."
        )
    server = cluster.get("server")
    if not isinstance(server, str) or not _SERVER.fullmatch(server):
        raise KubeconfigInvalid(
            "Its cluster has no 'server' such as https://cluster.example.com:6443, without user or password."
        )
    return Access(
        server=server.rstrip("/"),
        namespace=_text(found, "namespace") or "default",
        user=_text(found, "user") or "",
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=_text(cluster, "tls-server-name"),
        authority=_decoded(cluster, "certificate-authority-data"),
        proxy_url=_text(cluster, "proxy-url"),
        certificate=_decoded(user, "client-certificate-data"),
        key=_decoded(user, "client-key-data"),
        token=_text(user, "token"),
        username=_text(user, "username"),
        password=_text(user, "password"),
        login=_login(user.get("exec"), cluster) if user.get("exec") else None,
    )


def _entries(config: Kubeconfig, name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", config.get(name) or [])


def _is_list_of(entries: object, inner: str) -> bool:
    if not isinstance(entries, list):
        return False
    return all(
        isinstance(entry, dict)
        and isinstance(cast("Any", entry).get("name"), str)
        and isinstance(cast("Any", entry).get(inner), dict)
        for entry in cast("list[object]", entries)
    )


def _context(config: Kubeconfig, context: str | None) -> tuple[str, Mapping[str, Any]]:
    contexts = {entry["name"]: entry["context"] for entry in _entries(config, "contexts")}
    name = context or config.get("current-context")
    if not name:
        raise KubeconfigInvalid("It has no current context. Give the name of one as context.")
    if name not in contexts:
        raise KubeconfigInvalid(
            f"It has no context '{name}'{did_you_mean(suggest(str(name), contexts))}. 'kubectl config get-contexts' "
            f"lists them."
        )
    return str(name), contexts[name]


def _entry(config: Kubeconfig, key: str, inner: str, name: object, context: str) -> Mapping[str, Any]:
    for entry in _entries(config, key):
        if entry["name"] == name:
            return entry[inner]
    raise KubeconfigInvalid(
        f"The {inner} of its context '{context}' is not in it. Copy the kubeconfig whole."
    )


def _text(part: Mapping[str, Any], name: str) -> str | None:
    found = part.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise KubeconfigInvalid(f"Its '{name}' is no text. Put it in quotes.")
    return found


def _decoded(part: Mapping[str, Any], name: str) -> str | None:
    found = _text(part, name)
    if found is None:
        return None
    try:
        return b64decode(found, validate=True).decode("ascii")
    except ValueError:
        raise KubeconfigInvalid(f"Its '{name}' is no PEM in base64. Copy it whole.") from None


def _filled(part: Mapping[str, Any], fields: Mapping[str, str], folder: Path) -> dict[str, Any]:
    filled = dict(part)
    for name, data in fields.items():
        if not (file := _text(filled, name)):
            continue
        del filled[name]
        if filled.get(data):
            continue  # what is given goes before what a file has
        try:
            content = (folder / Path(file).expanduser()).read_bytes()
        except OSError as error:
            raise KubeconfigInvalid(
                f"Its '{name}' names {file}, which cannot be read ({type(error).__name__}). Read it where it is."
            ) from error
        is_token = data == "token"
        filled[data] = content.decode(errors="replace").strip() if is_token else b64encode(content).decode()
    return filled


def _login(found: object, cluster: Mapping[str, Any]) -> LoginCommand:
    entry = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    command, version = entry.get("command"), entry.get("apiVersion")
    arguments: object = entry.get("args") or []
    variables: object = entry.get("env") or []
    try:
        given = tuple((str(pair["name"]), str(pair["value"])) for pair in cast("list[Any]", variables))
        words = (str(command), *(str(word) for word in cast("list[Any]", arguments)))
    except (TypeError, LookupError):
        command = given = words = None
    if not command or not isinstance(version, str) or given is None or words is None:
        raise KubeconfigInvalid(
            "The login command (exec) of its user lacks command, apiVersion, or has odd args."
        )
    told = None
    if entry.get("provideClusterInfo"):
        kept = (
            "server",
            "tls-server-name",
            "insecure-skip-tls-verify",
            "certificate-authority-data",
            "proxy-url",
        )
        told = json.dumps({name: cluster[name] for name in kept if name in cluster})
    return LoginCommand(words, given, version, str(entry.get("installHint") or "").strip(), told)
