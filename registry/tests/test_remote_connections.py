"""Connections to a server that are kept: used again while they are open, and errors that tell what had left."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

import pytest

from blocks_registry.remote_connections import (
    AnswerLate,
    Connections,
    CutOff,
    NeverSent,
    NotTrusted,
    Unanswered,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nBlocks-Protocol: 1\r\n\r\nok"

Talk = Callable[[socket.socket], None]


@dataclass
class Listener:
    """A server that does with each connection what it is told, and counts them."""

    url: str
    accepted: list[socket.socket] = field(default_factory=list[socket.socket])


@contextmanager
def listening(talk: Talk) -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Listener(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threads: list[Thread] = []

        def serve(accepted: socket.socket) -> None:
            with accepted, suppress(OSError):
                talk(accepted)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    found.accepted.append(accepted)
                    threads.append(Thread(target=serve, args=(accepted,)))
                    threads[-1].start()

        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for accepted in found.accepted:
                with suppress(OSError):
                    accepted.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def request_of(accepted: socket.socket) -> bytes:
    """Return the head of the next request; b"" at the end."""
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        if not (came := accepted.recv(1)):
            return b""
        found += came
    return found


def answering(answer: bytes = OK, *, times: int = 1_000) -> Talk:
    def talk(accepted: socket.socket) -> None:
        for _ in range(times):
            if not request_of(accepted):
                return
            accepted.sendall(answer)

    return talk


def ask(connections: Connections) -> bytes:
    return connections.request("GET", "/x", None, {"Accept": "*/*"}).data


@contextmanager
def connected(url: str, answer_seconds: float = 30) -> Iterator[Connections]:
    connections = Connections(url, answer_seconds=answer_seconds)
    yield connections
    connections.close()


def test_one_connection_serves_one_request_after_the_other() -> None:
    with listening(answering()) as listener, connected(listener.url) as connections:
        answer = connections.request("GET", "/x", None, {})
        assert (answer.status, answer.headers["blocks-protocol"], answer.data) == (200, "1", b"ok")
        assert {ask(connections) for _ in range(20)} == {b"ok"}
        assert len(listener.accepted) == 1


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    with listening(answering(times=1)) as listener, connected(listener.url) as connections:
        for number in range(1, 4):
            assert ask(connections) == b"ok"
            assert len(listener.accepted) == number
            while listener.accepted[-1].fileno() != -1:  # until the other side has closed it
                pass


def test_a_connection_that_says_it_is_the_last_is_not_kept() -> None:
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with listening(answering(last)) as listener, connected(listener.url) as connections:
        assert [ask(connections), ask(connections)] == [b"ok", b"ok"]
        assert len(listener.accepted) == 2


def test_threads_that_ask_at_once_have_connections_of_their_own() -> None:
    def talk(accepted: socket.socket) -> None:
        while head := request_of(accepted):
            path = head.split()[1]
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    with listening(talk) as listener, connected(listener.url) as connections, ThreadPoolExecutor(8) as pool:
        paths = [f"/{number}" for number in range(300)]
        found = pool.map(lambda path: connections.request("GET", path, None, {}).data.decode(), paths)
        assert list(found) == paths
        assert len(listener.accepted) <= 8


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK[:-1],
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
    ],
)
def test_an_answer_that_is_none_is_cut_off(answer: bytes) -> None:
    with listening(answering(answer, times=1)) as listener, connected(listener.url) as connections:
        with pytest.raises(CutOff) as caught:
            ask(connections)
        assert not isinstance(caught.value, NeverSent)


def test_an_answer_that_stays_away_is_late() -> None:
    with (
        listening(lambda accepted: request_of(accepted) and accepted.recv(1)) as listener,  # type: ignore[arg-type, return-value]
        connected(listener.url, answer_seconds=0.2) as connections,
        pytest.raises(AnswerLate),
    ):
        ask(connections)


def test_nothing_is_sent_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid:1", f"http://{'a' * 70}.invalid"):
        with connected(url) as connections, pytest.raises(NeverSent):
            ask(connections)


def test_a_server_that_speaks_no_tls_is_not_trusted_and_is_sent_nothing() -> None:
    heard: list[bytes] = []

    def talk(accepted: socket.socket) -> None:
        heard.append(accepted.recv(10_000))
        accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(talk) as listener:
        with (
            connected(listener.url.replace("http:", "https:")) as connections,
            pytest.raises(NotTrusted) as caught,
        ):
            ask(connections)
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert b"GET" not in b"".join(heard)


def test_after_the_end_nothing_is_kept() -> None:
    with listening(answering()) as listener:
        connections = Connections(listener.url)
        ask(connections)
        connections.close()
        assert ask(connections) == b"ok"
        assert ask(connections) == b"ok"
        assert len(listener.accepted) == 3


def test_every_error_is_of_one_kind() -> None:
    assert all(issubclass(each, Unanswered) for each in (NeverSent, NotTrusted, AnswerLate, CutOff))
