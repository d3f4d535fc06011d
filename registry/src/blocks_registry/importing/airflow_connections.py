"""Airflow's connections: its exports in JSON, YAML and lines of NAME=URI, and its environment variables.

Source:  apache-airflow 3.3.2, `cli/commands/connection_command.py` and `secrets/local_filesystem.py` (files),
         `models/connection.py` (URIs, JSON).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from blocks_registry.errors import SourceUnreadable
from blocks_registry.importing.found import MAX_FILE_BYTES, Found

VARIABLE: Final = "AIRFLOW_CONN_"
"""How the names of Airflow's environment variables begin; the rest is the connection's name in capitals."""

_NAME = re.compile(r"[\w.-]{1,250}")
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_EXTRA_IN_URI = "__extra__"
_FIELDS = ("login", "password", "host", "port", "schema", "description")


def read_export(file: Path) -> list[Found]:
    """Return the connections of a file that `airflow connections export` wrote; its suffix says in which format.

    Raises:  SourceUnreadable.
    """
    formats: dict[str, Callable[[str, str], list[Found]]] = {
        ".json": read_json,
        ".yaml": read_yaml,
        ".yml": read_yaml,
        ".env": read_lines,
    }
    reader = formats.get(file.suffix.lower())
    if reader is None:
        raise SourceUnreadable(
            f"{file} has none of the suffixes .json, .yaml, .yml and .env, which say in what format it is. Export it "
            f'with "airflow connections export connections.json".'
        )
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SourceUnreadable(f"{file} cannot be read: {error.strerror}.") from error
    return reader(decoded(raw, str(file)), str(file))


def decoded(raw: bytes, what: str) -> str:
    """Return what was read as a text.

    Raises:  SourceUnreadable: it is none, or too much; the message does not repeat it.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise SourceUnreadable(f"{what} has more than {MAX_FILE_BYTES // 2**20} MiB, which is not read.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass  # and not from it: the error holds what was read
    raise SourceUnreadable(f"{what} is not UTF-8.")


def read_json(text: str, what: str) -> list[Found]:
    """Return the connections of a JSON object of name -> connection.

    Raises:  SourceUnreadable.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, _NamedTwice) else "it is no JSON, or was cut off"
    else:
        return _connections(found, what)
    raise SourceUnreadable(f"{what} cannot be read: {problem}.")  # not from the cause, which holds the text


def read_yaml(text: str, what: str) -> list[Found]:
    """Return the connections of a YAML mapping of name -> connection.

    Raises:  SourceUnreadable.
    """
    from blocks_registry.importing.yaml_text import load_yaml  # late: needs a parser that JSON does not

    return _connections(load_yaml(text, what), what)


def read_lines(text: str, what: str) -> list[Found]:
    """Return the connections of lines NAME=URI or NAME=JSON; NAME may be that of an environment variable.

    Raises:  SourceUnreadable.
    """
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):  # which may be a URI, and is not repeated
            raise SourceUnreadable(
                f"Line {number} of {what} is not NAME=URI, such as warehouse=postgres://user:password@host/name."
            )
        pairs.append((_name_of(name.strip()), value.strip()))
    return _from_texts(pairs, what)


def read_environment(environment: Mapping[str, str]) -> list[Found]:
    """Return the connections of the variables AIRFLOW_CONN_NAME, as URIs or JSON.

    Raises:  SourceUnreadable.
    """
    pairs = [
        (_name_of(name), value) for name, value in sorted(environment.items()) if name.startswith(VARIABLE)
    ]
    return _from_texts(pairs, "the environment")


def parse_uri(name: str, uri: str) -> Found:
    """Return the connection that a URI of Airflow's says.

    Airflow's URIs are its own: the part before :// is the connection's type, the host may have a protocol of its
    own (`http://https://host`), and every part is quoted.

    Raises:  SourceUnreadable: it is none; the message does not repeat it.
    """
    try:
        scheme, rest = _split_type(uri)
        with_protocol = "://" in rest
        parts = urlsplit(rest if with_protocol else f"//{rest}")
        host, port = _host(parts), parts.port
        extra = _extra_of(parts.query)
        user, secret = parts.username, parts.password
    except (ValueError, RecursionError):
        raise _no_uri(name) from None  # the cause may hold a piece of it
    return Found(
        _type_of(scheme),
        name,
        {
            "login": unquote(user) if user else user,
            "password": unquote(secret) if secret else secret,
            "host": f"{parts.scheme}://{host}" if with_protocol and host else host,
            "port": port,
            "schema": unquote(parts.path[1:]),
            "extra": _unprefixed(extra, _type_of(scheme)),
        },
    )


class _NamedTwice(ValueError):
    """Two members of an object have one name."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NamedTwice("an object in it has two members of the same name, so one of them would be lost")
    return found


def _connections(found: Any, what: str) -> list[Found]:
    if not isinstance(found, dict):
        raise SourceUnreadable(
            f'{what} is no object of name -> connection, which is what "airflow connections export" writes.'
        )
    members = cast("dict[Any, Any]", found)
    return [_connection(str(name), value, what) for name, value in members.items()]


def _from_texts(pairs: Iterable[tuple[str, str]], what: str) -> list[Found]:
    found: dict[str, Found] = {}
    for name, value in pairs:
        if name in found:
            raise SourceUnreadable(f"{what} has the connection '{name}' twice. Remove one of them.")
        found[name] = _connection(name, value, what)
    return list(found.values())


def _connection(name: str, value: Any, what: str) -> Found:
    """Return a connection that is given as a URI, as JSON, or as an object of its fields."""
    if isinstance(value, str):
        if not value.lstrip().startswith("{"):
            return parse_uri(name, value)
        try:
            value = json.loads(value, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise SourceUnreadable(
            f"The connection '{name}' in {what} is neither an object of its fields nor a URI. Export it again."
        )
    members = cast("dict[str, Any]", value)
    kind = members.get("conn_type")
    if not isinstance(kind, str) or not kind:
        raise SourceUnreadable(f"The connection '{name}' in {what} has no conn_type. Export it again.")
    others = {
        key: found for key, found in members.items() if key not in ("conn_type", "conn_id", "extra_dejson")
    }
    extra = members.get("extra") or members.get("extra_dejson")
    fields = {key: members.get(key) for key in _FIELDS} | others
    return Found(_type_of(kind), name, fields | {"extra": _unprefixed(_opened(extra), kind)})


def _opened(extra: Any) -> Any:
    """Return the object that a connection's extra is, which Airflow keeps as a text."""
    if not isinstance(extra, str):
        return extra
    try:
        found = json.loads(extra)
    except (ValueError, RecursionError):
        return extra
    return cast("Any", found) if isinstance(found, dict) else extra


def _unprefixed(extra: Any, kind: str) -> Any:
    """Return an extra whose fields have their short names: forms of Airflow 2 wrote `extra__TYPE__field`."""
    if not isinstance(extra, dict):
        return extra
    members, prefix = cast("dict[str, Any]", extra), f"extra__{kind}__"
    return {key.removeprefix(prefix): value for key, value in members.items()}


def _split_type(uri: str) -> tuple[str, str]:
    """Return the connection's type and the rest, which may begin with the protocol of the host."""
    scheme, separator, rest = uri.partition("://")
    protocol, more, _ = rest.partition("://")
    if not separator or not scheme or uri.count("://") > 2 or (more and not _PROTOCOL.fullmatch(protocol)):
        raise ValueError("no URI of Airflow's")
    return scheme, rest


def _host(parts: SplitResult) -> str:
    """Return the host as it was written: what splits addresses makes it lower-case."""
    netloc = parts.netloc.rpartition("@")[2]
    host = netloc[1:].partition("]")[0] if netloc.startswith("[") else netloc.partition(":")[0]
    return unquote(host)


def _extra_of(query: str) -> Any:
    if not query:
        return {}
    members = dict(parse_qsl(query, keep_blank_values=True))
    if _EXTRA_IN_URI in members:
        return _opened(members[_EXTRA_IN_URI])
    return {name: _value(value) for name, value in members.items()}


def _value(text: str) -> Any:
    """Return a value of a URI's query, which is JSON where it can be."""
    try:
        return json.loads(text) if text else text
    except (ValueError, RecursionError):
        return text


def _type_of(scheme: str) -> str:
    return "postgres" if scheme == "postgresql" else scheme.replace("-", "_")


def _name_of(variable: str) -> str:
    return variable.removeprefix(VARIABLE).lower() if variable.startswith(VARIABLE) else variable


def _no_uri(name: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"What was given for the connection '{name}' is no URI of Airflow's, such as "
        f"postgres://user:password@host:5432/name: quote characters such as / and @ in its parts."
    )
