"""Connections that are cut in the middle of a request or of its answer, and servers that are away: what clients make of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
from cutting_proxy import CuttingProxy
from pydantic import Field, SecretStr
from served import Served, serving

from blocks_core import Block
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_core.testing.receiver import free_port
from blocks_registry import RemoteRegistry
from blocks_registry.errors import ServerUnavailable, WriteUnanswered
from blocks_registry.remote_transport import Transport
from blocks_registry.remote_waits import Waits
from blocks_registry.remote_wire import WRITE_HEADER

SECRET = "planted-secret-of-a-lost-answer"


class Leaf(Block, slug="lost-leaf"):
    """What is written."""

    counter: int = Field(0, description="Which write it was.")
    token: SecretStr = Field(SecretStr(SECRET), description="A secret.")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as found:
        registry = found.registry()
        Library(registry).register(Leaf)
        registry.close()
        yield found


@pytest.fixture
def proxy(served: Served, cutting: Callable[[str], CuttingProxy]) -> CuttingProxy:
    return cutting(served.url)


@pytest.fixture
def behind(served: Served, proxy: CuttingProxy) -> Iterator[RemoteRegistry]:
    """The registry as a client sees it through the proxy."""
    text = served.token("admin")
    registry = RemoteRegistry(Transport(proxy.url, lambda: text, pause=lambda _: None))
    yield registry
    registry.close()


def draft(registry: RemoteRegistry, name: str, counter: int = 0) -> Any:
    return Library(registry).draft(Leaf(counter=counter), name)


@pytest.mark.parametrize("after_bytes", [0, 10, 200, 400])
def test_a_write_whose_answer_is_lost_is_done_once_and_answered(
    behind: RemoteRegistry, proxy: CuttingProxy, after_bytes: int
) -> None:
    name = f"cut-{after_bytes}"
    proxy.cut(3, after_bytes)
    made = behind.save(draft(behind, name))
    assert (made.name, made.version, proxy.done) == (name, 1, 3)
    proxy.cut(2, after_bytes)
    done = behind.change([Put(draft(behind, name, 1)), Put(draft(behind, f"{name}-too"))])
    assert [each and each.version for each in done] == [2, 1]
    proxy.cut(2, after_bytes)
    assert behind.restore("lost-leaf", name, 1).version == 3
    proxy.cut(2, after_bytes)
    assert behind.rename("lost-leaf", name, f"{name}-new").name == f"{name}-new"
    proxy.cut(2, 0)
    behind.delete("lost-leaf", f"{name}-new")
    assert proxy.done == 2
    proxy.cut(2, 0)
    behind.note("test.noted", f"lost-leaf/{name}")
    actions = [row.action for row in behind.audit(subject=f"lost-leaf/{name}")]
    assert actions.count("test.noted") == 1


def test_a_removal_by_force_with_a_list_is_done_once_too(served: Served, proxy: CuttingProxy) -> None:
    text = served.token("editor", "lost-leaf/*")
    registry = RemoteRegistry(Transport(proxy.url, lambda: text, pause=lambda _: None))
    registry.save(draft(registry, "forced"))
    proxy.cut(2, 0)
    registry.delete("lost-leaf", "forced", force=True)
    assert proxy.done == 2
    registry.close()


def test_a_load_whose_answer_is_cut_is_asked_for_again(behind: RemoteRegistry, proxy: CuttingProxy) -> None:
    behind.save(draft(behind, "loaded", 7), overwrite=True)
    for after_bytes in (0, 100, 400):
        proxy.cut(3, after_bytes)
        assert behind.load("lost-leaf", "loaded").root.content.data["counter"] == 7
        assert proxy.done == 3


def test_a_request_of_which_a_part_arrived_does_nothing(served: Served) -> None:
    body = json.dumps({"edits": []}).encode()
    head = (
        f"POST /api/v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token('admin')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) + 10}\r\n\r\n"
    ).encode()
    port = int(served.url.rpartition(":")[2])
    for sent in (head[:40], head, head + body):
        with closing(socket.create_connection(("127.0.0.1", port))) as connection:
            connection.sendall(sent)
    assert served.ask("GET", "/healthz").status == 200


def test_a_change_that_nobody_answers_is_an_error_that_says_it_may_be_made(
    behind: RemoteRegistry, proxy: CuttingProxy
) -> None:
    proxy.cut(10_000, 0)
    with pytest.raises(WriteUnanswered, match=r"not known.*block history.*BLOCKS_WAIT_SECONDS") as found:
        behind.save(draft(behind, "unanswered"))
    assert SECRET not in str(found.value)
    proxy.cut(0, 0)
    assert behind.read("lost-leaf", "unanswered").version == 1


def test_a_server_that_is_away_is_waited_for_and_then_nothing_was_changed(served: Served) -> None:
    text, paused = served.token("admin"), list[float]()
    url = f"http://127.0.0.1:{free_port()}"
    registry = RemoteRegistry(Transport(url, lambda: text, wait_seconds=7, pause=paused.append))
    for act in (lambda: registry.types(), lambda: registry.delete("lost-leaf", "any")):
        paused.clear()
        with pytest.raises(
            ServerUnavailable, match=r"cannot be reached.*7 seconds.*Nothing was changed"
        ) as found:
            act()
        assert not isinstance(found.value, WriteUnanswered)
        assert 3 < sum(paused) <= 7
        assert text not in str(found.value)
    registry.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_says_that_it_is_away_for_a_moment_is_asked_again(status: int) -> None:
    with _answering([_answer(status, b"", "Retry-After: 3"), _answer(200, b'{"items": []}')]) as url:
        paused: list[float] = []
        registry = RemoteRegistry(Transport(url, lambda: "blk_x", pause=paused.append))
        assert registry.types() == []
        assert paused == [3.0]
        registry.close()


@pytest.mark.parametrize("last", [401, 403, 429, 500, 503])
def test_a_refusal_after_a_lost_answer_does_not_hide_that_it_may_be_made(last: int) -> None:
    code = {401: "TokenInvalid", 403: "AccessDenied", 429: "TooManyAttempts", 500: "Unforeseen"}.get(
        last, "DatabaseUnavailable"
    )
    problem = {"code": code, "status": last, "detail": "no", "values": {"wait_seconds": 9}, "problems": []}
    refusal = _answer(last, json.dumps(problem).encode(), "Content-Type: application/problem+json")
    with _answering([b"", *[refusal] * 50]) as url:
        registry = RemoteRegistry(Transport(url, lambda: "blk_x", pause=lambda _: None))
        with pytest.raises(WriteUnanswered, match="not known"):
            registry.delete("lost-leaf", "any")
        registry.close()


@pytest.mark.parametrize("key", ["short", "x" * 201, "with a space in it here", "ä" * 20])
def test_a_key_that_is_none_is_refused(served: Served, key: str) -> None:
    answer = served.ask("POST", "/api/v1/audit", {}, headers={WRITE_HEADER: key.encode().decode("latin-1")})
    assert answer.status == 422
    assert json.loads(answer.data)["code"] == "RequestInvalid"


def test_pauses_grow_differ_and_end() -> None:
    now = [0.0]
    waits, found = Waits(20, clock=lambda: now[0]), list[float]()
    while (pause := waits.next()) is not None:
        found.append(pause)
        now[0] += pause
    assert found[0] == 0
    assert max(found) <= 2
    assert 17 < sum(found) <= 20
    assert found != sorted(found)
    late = Waits(20, clock=lambda: now[0])
    now[0] += 60  # one try took that long
    assert late.next() is None


def _answer(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", "Blocks-Protocol: 1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


class _answering:
    """A server that gives these answers, one for each connection; an empty one is a cut."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._serve)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
