"""What nobody should send: too much, too deep, too slow, no JSON, no text, names that lead elsewhere, hostile types."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_stage import ACCOUNT, PLANTED, described, fields, fill, save, shows_secret
from served import Served, serving

from blocks_core.structure import structure_hash
from blocks_registry.remote_wire import API
from blocks_server import Limits


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = Limits(max_body_bytes=2_000_000, body_seconds=0.5)
    with serving(tmp_path_factory.mktemp("home"), limits=limits) as served:
        fill(served)
        yield served


def blocks(served: Served) -> list[str]:
    return [line.name for line in served.service.registry.find(ACCOUNT)]


def test_a_body_that_is_too_large_is_refused_however_it_comes(served: Served) -> None:
    before = blocks(served)
    large = b'{"slug": "' + b"x" * 2_000_000 + b'"}'
    told = served.ask("POST", f"{API}/blocks", raw=large)
    assert (told.status, told.json()["code"]) == (413, "RequestTooLarge")
    chunks = b"".join(b"%x\r\n%s\r\n" % (50_000, b" " * 50_000) for _ in range(50)) + b"0\r\n\r\n"
    assert b" 413 " in exchange(served, "POST", f"{API}/blocks", "Transfer-Encoding: chunked", chunks)
    assert blocks(served) == before


def test_a_body_that_does_not_arrive_is_not_waited_for(served: Served) -> None:
    answer = exchange(served, "POST", f"{API}/blocks", "Content-Length: 1000", b'{"slug": ')
    assert b" 408 " in answer
    assert b'"RequestTooSlow"' in answer
    assert served.ask("GET", f"{API}/server").status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        '{"slug": "\ud800"}'.encode("utf-8", "surrogatepass"),
        rb'{"slug": "\ud800", "name": "x", "content": {"data": {}}}',
        b'{"slug": "a", "slug": "b"}',
        b'{"slug": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"slug": "suite-account", "name": "deep", "content": {"data": ' + b"[" * 150 + b"]" * 150 + b"}}",
        b'{"slug": 1e400, "name": 1}',
        b"1" * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_body_is_refused_and_not_repeated(served: Served, body: bytes) -> None:
    before = blocks(served)
    for method, path in (("POST", "/blocks"), ("POST", "/changes"), ("PUT", f"/blocks/{ACCOUNT}/deep")):
        told = served.ask(method, f"{API}{path}", raw=body)
        assert told.status in (404, 413, 422), told.data
        assert told.json()["detail"]
        assert len(told.data) < 5000
    assert blocks(served) == before


def test_a_value_in_clear_where_a_secret_stands_is_refused_and_not_repeated(served: Served) -> None:
    for body in (
        {"content": {"data": {"user": "ann", "password": PLANTED}}},
        {
            "content": {
                "data": {"user": "ann", "password": PLANTED},
                "secrets": {"/password": {"set": PLANTED}},
            }
        },
        {"content": {"data": {"user": "ann"}, "secrets": {"/password": {"set": {"deep": [PLANTED]}}}}},
        {"content": {"data": {"user": "ann"}, "secrets": {"/password": {"sat": PLANTED}}}},
        {"content": {"data": {"user": "ann"}, "secrets": {"/pass/word": {"set": PLANTED}}}},
        {"content": {"data": {"user": "ann"}, "secrets": {"/password": PLANTED}}},
        {"content": {"data": PLANTED}, PLANTED[:4]: PLANTED},
        {"content": {"data": {"user": "ann"}, "marks": {"/password": PLANTED}}},
    ):
        told = served.ask("PUT", f"{API}/blocks/{ACCOUNT}/in-clear", body)
        assert told.status == 422, told.data
        assert not shows_secret(told.data.decode())
    assert "in-clear" not in blocks(served)


HOSTILE = [
    "..",
    "%2e%2e",
    "..%2F..%2Ftokens",
    "a%00b",
    "%0d%0aX-Evil:1",
    "A",
    "ä",
    "%F0%9F%92%A9",
    "%ff",
    "x" * 300,
    "'; DROP TABLE documents; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%25s",
    "-",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_no_block_has_lead_nowhere(served: Served, name: str) -> None:
    before = blocks(served)
    written = name if "%" in name else name.replace(" ", "%20")
    for method, path, body in (
        ("GET", f"/blocks/{ACCOUNT}/{written}", None),
        ("GET", f"/blocks/{written}/x", None),
        ("GET", f"/blocks/{ACCOUNT}/{written}/load", None),
        ("PUT", f"/blocks/{ACCOUNT}/{written}", fields()),
        ("PUT", f"/blocks/{written}/x", fields()),
        ("DELETE", f"/blocks/{ACCOUNT}/{written}", None),
        ("GET", f"/types/{written}", None),
        ("DELETE", f"/tokens/{written}", None),
    ):
        raw = exchange(served, method, f"{API}{path}", body=json.dumps(body).encode() if body else b"")
        head, _, rest = raw.partition(b"\r\n\r\n")
        assert int(head.split(b" ")[1]) in (400, 404, 405, 422), raw
        assert b"x-evil" not in head.lower().partition(b"x-request-id")[0]
        assert len(rest) < 5000
    assert blocks(served) == before


def test_a_name_for_a_rename_or_a_token_is_looked_at_too(served: Served) -> None:
    name = save(served)
    for hostile in ("", "..", "A B", "x" * 101, "\0", "ä", "../up"):
        told = served.ask("POST", f"{API}/blocks/{ACCOUNT}/{name}/rename", {"new_name": hostile})
        assert told.status == 422, told.data
        told = served.ask("POST", f"{API}/tokens", {"name": f"{hostile}/", "role": "viewer"})
        assert told.status == 422, told.data


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=9999999999999999999999",
        "q=" + "x" * 201,
        "after=" + "x" * 301,
    ],
)
def test_a_query_that_does_not_fit_is_refused(served: Served, query: str) -> None:
    told = served.ask("GET", f"{API}/blocks?{query}")
    assert (told.status, told.json()["code"]) == (422, "RequestInvalid")
    assert told.json()["problems"][0]["path"].startswith("query.")


@pytest.mark.parametrize(
    "path",
    [
        f"/blocks/{ACCOUNT}/theirs?version=0",
        f"/blocks/{ACCOUNT}/theirs?version=-1",
        f"/blocks/{ACCOUNT}/theirs?version=99999999999999999999999999",
        f"/blocks/{ACCOUNT}/theirs/load?version=99999999999999999999",
        f"/blocks/{ACCOUNT}/theirs/diff?old=0&new=99999999999999999999",
        "/audit?before=99999999999999999999999",
        "/audit?before=-99999999999999999999999",
        "/audit?subject=%00",
        "/audit/report?head=%00",
        "/audit/report?head=9999999999999999999999999:x",
        "/blocks?slug=%00",
        "/blocks?after=%00%ff",
        "/blocks?label=%00=%00",
        "/blocks?capability=%00&q=%00",
    ],
)
def test_numbers_and_words_that_nothing_has_are_no_failure(served: Served, path: str) -> None:
    assert served.ask("GET", f"{API}{path}").status in (200, 404, 422)


def test_headers_that_are_no_actor_are_refused(served: Served) -> None:
    for actor in ("{", "[]", "[" * 1000, '{"kind": 1, "name": "", "id": "", "user": ""}', "x" * 3000):
        told = served.ask("GET", f"{API}/server", headers={"Blocks-Actor": actor})
        assert (told.status, told.json()["code"]) == (422, "RequestInvalid")


def test_an_id_of_a_request_that_is_no_word_is_replaced(served: Served) -> None:
    raw = exchange(served, "GET", "/healthz", "X-Request-Id: a b<script>")
    assert b"<script>" not in raw
    assert (
        served.ask("GET", "/healthz", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    )


def schema(**parts: Any) -> dict[str, Any]:
    """Return the description of a type whose schema has these parts."""
    return {"type": "object", "properties": {}, **parts}


def _laughs(levels: int) -> dict[str, Any]:
    """Return definitions each of which names the next one twice."""
    return {
        f"d{level}": {
            "type": "object",
            "properties": {key: {"$ref": f"#/$defs/d{level + 1}"} for key in ("a", "b")},
        }
        for level in range(levels)
    } | {f"d{levels}": {"type": "string"}}


def _deep(levels: int) -> Any:
    found: Any = {"type": "string"}
    for _ in range(levels):
        found = {"type": "array", "items": found}
    return found


HOSTILE_SCHEMAS: dict[str, Any] = {
    "names itself": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "a circle": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "a billion laughs": schema(properties={"x": {"$ref": "#/$defs/d0"}}, **{"$defs": _laughs(40)}),
    "too deep": schema(properties={"x": _deep(60)}),
    "too many": schema(properties={f"f{number}": {"type": "string"} for number in range(15_000)}),
    "from elsewhere": schema(properties={"x": {"$ref": "http://127.0.0.1:1/secret"}}),
    "from a file": schema(properties={"x": {"$ref": "file:///etc/passwd"}}),
    "leads nowhere": schema(properties={"x": {"$ref": "#/$defs/none"}}),
    "no object": {"type": "string"},
    "nothing": {},
    "properties are a list": {"type": "object", "properties": []},
    "a property is a number": schema(properties={"x": 1}),
    "definitions are a list": schema(**{"$defs": []}),
    "a definition is null": schema(properties={"x": {"$ref": "#/$defs/a"}}, **{"$defs": {"a": None}}),
    "choices are a number": schema(properties={"x": {"anyOf": 1}}),
    "enum is a number": schema(properties={"x": {"enum": 1}}),
    "required is a number": schema(required=1),
    "half a pair": schema(properties={"x": {"const": "\ud800"}}),
}


@pytest.mark.parametrize("hostile", HOSTILE_SCHEMAS.values(), ids=HOSTILE_SCHEMAS)
def test_a_hostile_schema_is_refused_at_once(served: Served, hostile: dict[str, Any]) -> None:
    body = {**described(), "slug": "hostile", "schema": hostile, "structure_hash": "0" * 32}
    told = served.ask("POST", f"{API}/types", raw=json.dumps(body).encode(), role="editor")
    assert told.status == 422, told.data
    assert len(told.data) < 2000
    assert "hostile" not in [each.slug for each in served.service.registry.types()]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "../x"),
        ("slug", "x" * 200),
        ("version", 0),
        ("version", 2**40),
        ("title", "x" * 1000),
        ("title", "a\nb"),
        ("description", "x" * 200_000),
        ("logo", "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><script>alert(1)</script></svg>"),
        ("logo", "no picture"),
        ("capabilities", ["x" * 1000]),
        ("capabilities", ["x"] * 1000),
        ("target", "x" * 1000),
        ("upgrades", [1] * 1000),
        ("structure_hash", "other"),
    ],
)
def test_a_hostile_description_of_a_type_is_refused(served: Served, field: str, value: Any) -> None:
    told = served.ask("POST", f"{API}/types", {**described(), "version": 2, field: value}, role="editor")
    assert told.status == 422, told.data
    assert served.service.registry.type(ACCOUNT).version == 1


def test_a_schema_of_reasonable_size_is_taken(served: Served) -> None:
    large = schema(properties={f"f{number}": {"type": "string", "pattern": "^a+$"} for number in range(500)})
    body = {**described(), "slug": "large", "schema": large, "structure_hash": structure_hash(large)}
    assert served.ask("POST", f"{API}/types", body, role="editor").json() == {"outcome": "new"}


def exchange(served: Served, method: str, target: str, header: str = "", body: bytes = b"") -> bytes:
    """Send a request as it is, which clients would mend, and return all that comes back."""
    place = urlsplit(served.url)
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {served.token('admin')}",
        "Connection: close",
    ]
    if header:
        lines.append(header)
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    found = b""
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        try:
            while part := connection.recv(65536):
                found += part
        except ConnectionResetError:  # of what was sent and not read any more
            pass
    return found
