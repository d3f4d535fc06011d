"""Prefect's API: what it gives is imported, and what it gives wrongly is told without repeating it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from import_stage import VARIABLES, Stage
from prefect_stand_in import MARKER, Script, StandIn, recorded_blocks

from blocks_registry.errors import SourceRefused, SourceUnreadable
from blocks_registry.importing.prefect_server import PrefectServer, authorization, check_url

KEY = f"pnu_{MARKER}-key"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


@pytest.fixture
def serve() -> Iterator[Callable[..., StandIn]]:
    running: list[StandIn] = []

    def start(**script: Any) -> StandIn:
        running.append(StandIn(Script(**script)))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_blocks_are_imported_with_their_secrets_and_a_second_time_nothing_changes(
    stage: Stage, serve: Any
) -> None:
    server = serve()
    states = stage.states("prefect", "--url", server.url, "--yes")
    assert set(states.values()) == {"new", "unmapped"}
    bucket = stage.load("s3/raw-data")
    assert (bucket.bucket, bucket.prefix) == ("raw", "in")
    assert bucket.credentials.saved_as.address == "aws-credentials/prod"
    assert bucket.credentials.secret_access_key.get_secret_value() == "pl4nted-aws"
    assert stage.load("secret/api-key").get() == "pl4nted-secret"
    assert stage.load("secret/number-like").get() == "123"
    stage.assert_sealed()
    again = stage.run("prefect", "--url", server.url, "--yes")
    assert "Nothing was written." in again.stderr
    assert set(stage.states("prefect", "--url", server.url, "--yes").values()) == {"unchanged", "unmapped"}


def test_with_keep_unmapped_every_named_block_is_imported(stage: Stage, serve: Any) -> None:
    rows = stage.rows("prefect", "--url", serve().url, "--yes", "--keep-unmapped")
    assert {row["state"] for row in rows.values()} == {"new"}
    assert all(row["written"] for row in rows.values())
    named = {
        f"{one['block_type']['slug']}/{one['name']}" for one in recorded_blocks() if not one["is_anonymous"]
    }
    assert set(rows) == named
    assert len(stage.addresses()) == len(named)
    warehouse = json.loads(stage.load("secret/warehouse.dwh").get())
    assert warehouse["fields"] == {
        "host": "db",
        "password": "pl4nted-own",
        "files": {"block": "remote-file-system/partner"},
    }
    stage.assert_sealed()


def test_every_page_is_read(serve: Any) -> None:
    server = serve(page=4)
    assert len(PrefectServer(server.url).documents()) == len(recorded_blocks())
    offsets = [json.loads(raw).get("offset") for _, path, _, raw in server.seen if path.endswith("/filter")]
    assert offsets[:3] == [0, 4, 8]


def test_blocks_that_change_while_pages_are_read_are_noticed(serve: Any) -> None:
    blocks = recorded_blocks()
    server = serve(page=4, blocks=blocks)

    def forget_one(handler: Any, raw: bytes) -> None:
        asked = json.loads(raw)
        answer = len(blocks) + 1 if "offset" not in asked else blocks[asked["offset"] : asked["offset"] + 4]
        handler.reply(200, answer)

    server.script.respond = forget_one
    with pytest.raises(SourceUnreadable, match="changed while they were read"):
        PrefectServer(server.url).documents()


def test_a_server_that_gives_the_same_page_for_ever_ends_the_reading(serve: Any) -> None:
    def repeat(handler: Any, raw: bytes) -> None:
        handler.reply(200, recorded_blocks()[:3] if b"offset" in raw else 3)

    assert len(PrefectServer(serve(respond=repeat).url).documents()) == 3


@pytest.mark.parametrize(
    ("variable", "value", "header"),
    [
        ("PREFECT_API_KEY", KEY, f"Bearer {KEY}"),
        ("PREFECT_API_AUTH_STRING", "admin:pl4nted", "Basic YWRtaW46cGw0bnRlZA=="),
    ],
)
def test_the_key_comes_from_the_environment(
    stage: Stage, serve: Any, variable: str, value: str, header: str
) -> None:
    server = serve(authorization=header)
    stage.run("prefect", "--url", server.url, "--plan", **{variable: value})
    stage.run("prefect", "--plan", PREFECT_API_URL=server.url, **{variable: value})


def test_the_key_comes_from_standard_input(stage: Stage, serve: Any) -> None:
    server = serve(authorization=f"Bearer {KEY}")
    stage.run(
        "prefect", "--url", server.url, "--api-key", "--plan", stdin=f"{KEY}\n", PREFECT_API_KEY="other"
    )
    refused = stage.run("prefect", "--url", server.url, "--api-key", "--plan", stdin="", code=2)
    assert "no line for the API key" in refused.output


def test_a_server_that_wants_csrf_tokens_gets_them(stage: Stage, serve: Any) -> None:
    server = serve(csrf=True)
    stage.run("prefect", "--url", server.url, "--plan")
    assert [path for _, path, _, _ in server.seen].count(
        "/api/block_documents/filter"
    ) == 3  # refused, then two pages


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Other: 1", f"{KEY}ü", f" {KEY}"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(stage: Stage, key: str) -> None:
    result = stage.run("prefect", "--url", "http://127.0.0.1:1/api", "--plan", code=1, PREFECT_API_KEY=key)
    assert "characters that no key has" in result.stderr
    with pytest.raises(SourceRefused):
        authorization(api_key=key)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"http://joe:{MARKER}@127.0.0.1:1/api", "it has a user or a password"),
        (f"http://{MARKER}@127.0.0.1:1/api", "it has a user or a password"),
        (f"http://127.0.0.1:1/api?key={MARKER}", "after ? or #"),
        (f"http://127.0.0.1:1/api#{MARKER}", "after ? or #"),
        ("127.0.0.1:4200/api", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("http://", "name a host"),
        ("http://127.0.0.1:99999999/api", "copy it again"),
        ("http://[::1/api", "copy it again"),
        ("http://127.0.0.1:1/a pi", "characters that no address has"),
        ("", "must begin with http"),
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(
    stage: Stage, url: str, problem: str
) -> None:
    with pytest.raises(SourceUnreadable, match=re.escape(problem)) as caught:
        check_url(url)
    assert MARKER not in str(caught.value)
    if url:
        assert problem in stage.run("prefect", "--url", url, "--plan", code=1).stderr


def answering(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """Return what answers so, repeating what it was sent wherever it can."""

    def respond(handler: Any, raw: bytes) -> None:
        echo = f"{dict(handler.headers)} {raw!r}".encode()
        handler.reply(status, body.replace(b"ECHO", echo), **headers)

    return respond


def raw_answer(what: bytes) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def respond(handler: Any, raw: bytes) -> None:
        handler.wfile.write(what.replace(b"ECHO", str(dict(handler.headers)).encode()))
        handler.close_connection = True

    return respond


BLOCK = {
    "id": "1",
    "name": "a",
    "data": {"value": MARKER},
    "block_type": {"slug": "secret"},
    "block_document_references": {},
    "is_anonymous": False,
}


@pytest.mark.parametrize(
    ("respond", "problem"),
    [
        (answering(401, b"ECHO"), "HTTP 401: it does not accept the key"),
        (answering(403, b"ECHO"), "HTTP 403: it does not accept the key"),
        (answering(404, b"ECHO"), "HTTP 404. The address ends in /api"),
        (answering(422, b"ECHO"), "HTTP 422. Is it a server of Prefect 3?"),
        (answering(500, b"ECHO"), "HTTP 500. Its own log says why"),
        (
            answering(302, b"", Location=f"http://127.0.0.1:1/{MARKER}"),
            "HTTP 302, a redirect, which is not followed",
        ),
        (answering(307, b"", Location="/api/elsewhere"), "HTTP 307, a redirect"),
        (answering(200, b"<html><body>ECHO</body></html>"), "such as a web page"),
        (answering(200, b""), "no JSON"),
        (answering(200, b'[{"id": "pl4nted", "na'), "no JSON"),
        (answering(200, b"[" * 100_000), "no JSON"),
        (answering(200, b'{"detail": "ECHO"}'.replace(b"ECHO", MARKER.encode())), "no list of blocks"),
        (answering(200, b'["pl4nted"]'), "a block that lacks"),
        (answering(200, b'[{"id": "pl4nted"}]'), "a block that lacks"),
        (answering(200, json.dumps([BLOCK | {"data": [MARKER]}]).encode()), "a block that lacks"),
        (answering(200, json.dumps([BLOCK | {"name": {"x": MARKER}}]).encode()), "a block that lacks"),
        (
            answering(
                200, json.dumps([BLOCK | {"block_document_references": {"x": {"pl4nted": 1}}}]).encode()
            ),
            "a block that lacks",
        ),
        (answering(200, json.dumps([BLOCK | {"block_type": {}}]).encode()), "a block that lacks"),
        (answering(200, json.dumps([BLOCK]).encode()), "no number of blocks"),
        (raw_answer(b"\x16\x03ECHO\r\n\r\n"), "No answer came"),
        (raw_answer(b"HTTP/1.1 200 ECHO\r\nContent-Length: ECHO\r\n\r\nECHO"), "no JSON"),
        (raw_answer(b"HTTP/1.1 999999 ECHO\r\n\r\n"), "No answer came"),
        (raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"), "or was cut off"),
        (raw_answer(b""), "No answer came"),
        (raw_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\npl4nted\r\n"), "No answer came"),
    ],
)
def test_a_wrong_answer_is_told_without_repeating_it(
    stage: Stage, serve: Any, respond: Any, problem: str
) -> None:
    server = serve(respond=respond)
    result = stage.run("prefect", "--url", server.url, "--yes", code=1, PREFECT_API_KEY=KEY)
    assert problem in " ".join(result.stderr.split())
    assert "not foreseen" not in result.stderr
    assert stage.addresses() == []


def test_a_redirect_does_not_take_the_key_elsewhere(stage: Stage, serve: Any) -> None:
    elsewhere = serve()
    moved = serve(respond=answering(307, b"", Location=f"{elsewhere.url}/block_documents/filter"))
    stage.run("prefect", "--url", moved.url, "--plan", code=1, PREFECT_API_KEY=KEY)
    assert elsewhere.seen == []


def test_a_huge_answer_is_not_read(serve: Any) -> None:
    server = serve(respond=answering(200, b"[" + b" " * 2_000_000 + b"]"))
    with pytest.raises(SourceUnreadable, match="more than 1 MiB"):
        PrefectServer(server.url, max_bytes=2**20).documents()


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = PrefectServer(f"http://127.0.0.1:{silent.getsockname()[1]}/api", timeout_seconds=0.2)
        with pytest.raises(SourceUnreadable, match="it takes too long"):
            server.documents()


def test_a_server_that_is_not_there_is_told(stage: Stage) -> None:
    result = stage.run("prefect", "--url", "http://127.0.0.1:1/api", "--plan", code=1)
    assert "Connection refused" in result.stderr
    assert "Is the server running" in result.stderr


def test_masks_are_never_taken_for_secrets(stage: Stage, serve: Any) -> None:
    rows = stage.rows("prefect", "--url", serve(hides_secrets=True).url, "--yes", "--keep-unmapped")
    assert rows["secret/api-key"]["state"] == "unmapped"
    assert "shows in place of a secret" in rows["secret/api-key"]["notes"][0]
    assert rows["string/sender"]["state"] == "new"
    assert rows["s3-bucket/raw-data"]["state"] == "unmapped"  # its credentials are masked
    assert "secret/api-key" not in stage.addresses()


def test_blocks_that_hold_each_other_are_reported(stage: Stage, serve: Any) -> None:
    def holding(name: str, other: str) -> dict[str, Any]:
        held = {"block_document": {"id": other, "name": other, "block_document_references": {}}}
        return BLOCK | {
            "id": name,
            "name": name,
            "block_type": {"slug": "s3-bucket"},
            "block_document_references": {"credentials": held},
        }

    server = serve(blocks=[holding("a", "b"), holding("b", "a"), holding("c", "gone")])
    rows = stage.rows("prefect", "--url", server.url, "--yes", "--keep-unmapped")
    assert rows["s3-bucket/a"]["notes"] == ["it holds itself, through what it holds"]
    assert rows["s3-bucket/b"]["state"] == "unmapped"
    assert "holds a block that is not there" in rows["s3-bucket/c"]["notes"][0]


def test_no_secret_is_among_the_arguments_of_any_process(tmp_path: Path, serve: Any) -> None:
    arguments: list[bytes] = []

    def look_around(handler: Any, raw: bytes) -> None:
        arguments.extend(
            file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if _readable(file)
        )
        handler.reply(
            200,
            [BLOCK] if json.loads(raw).get("offset") == 0 else 1 if "offset" not in json.loads(raw) else [],
        )

    server = serve(respond=look_around)
    environment = dict.fromkeys(VARIABLES, "") | {"BLOCKS_HOME": str(tmp_path), "PREFECT_API_KEY": KEY}
    command = [
        str(Path(sys.executable).with_name("block")),
        "import",
        "prefect",
        "--url",
        server.url,
        "--yes",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any(server.url.encode() in found for found in arguments)
    assert MARKER not in done.stdout + done.stderr
    assert all(MARKER.encode() not in found for found in arguments)


def _readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


def test_two_imports_at_once_save_each_block_once(tmp_path: Path, serve: Any) -> None:
    server, done = serve(), list[subprocess.CompletedProcess[str]]()
    environment = dict.fromkeys(VARIABLES, "") | {"BLOCKS_HOME": str(tmp_path)}
    command = [
        str(Path(sys.executable).with_name("block")),
        "import",
        "prefect",
        "--url",
        server.url,
        "--yes",
    ]

    def run() -> None:
        done.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=False))

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(one.returncode for one in done)
    assert codes in ([0, 0], [0, 1]), done  # the later one is told, or finds it done
    with Stage(tmp_path).library() as library:
        assert {found.version for found in library.registry.find()} == {1}
