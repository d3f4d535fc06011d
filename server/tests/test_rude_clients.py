"""Clients that say nothing, read nothing or guess: others are served meanwhile, and memory does not grow."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from killed_client import Leaf, leaf_of
from started_server import StartedServer

from blocks_core.library import Library
from blocks_server.connections import HEAD_SECONDS, MAX_HEAD_BYTES


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedServer]:
    folder = tmp_path_factory.mktemp("server")
    server = StartedServer(folder, f"sqlite:///{folder / 'blocks.db'}", folder / "log")
    server.start()
    registry = server.registry()
    library = Library(registry)
    library.register(Leaf)
    registry.save(library.draft(leaf_of(1), "kept"))
    registry.close()
    yield server
    server.stop()


def connect(server: StartedServer, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30, source_address=(source, 0))


def load(server: StartedServer) -> None:
    registry = server.registry(wait_seconds=0)
    assert Library(registry).load(Leaf, "kept").counter == 1
    registry.close()


def memory_kib(server: StartedServer) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def ended(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends it."""
    found = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


def test_connections_that_say_nothing_are_ended_and_others_are_served(server: StartedServer) -> None:
    starts = [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ", b"\r\n"]
    with ExitStack() as opened:
        silent = [opened.enter_context(closing(connect(server))) for _ in range(200)]
        kept = opened.enter_context(closing(connect(server)))
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for number, each in enumerate(silent):
            each.sendall(starts[number % len(starts)])
        load(server)
        begun = monotonic()
        for each in silent:
            assert ended(each) == b""
        assert monotonic() - begun < HEAD_SECONDS + 15
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # one that spoke may be silent for longer
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
    load(server)


@pytest.mark.parametrize(
    "piece", [b"X-Long: " + b"x" * 65000 + b"\r\n", b"x" * 65000], ids=["headers", "one"]
)
def test_headers_without_end_are_refused_and_not_kept(server: StartedServer, piece: bytes) -> None:
    before = memory_kib(server)
    with closing(connect(server)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        with suppress(ConnectionError):
            for _ in range(2000):
                connection.sendall(piece)
        ended(connection)
    assert memory_kib(server) - before < 20 * 1024
    load(server)


def test_an_address_of_reasonable_length_is_taken(server: StartedServer) -> None:
    with closing(connect(server)) as connection:
        padding = "x" * (MAX_HEAD_BYTES - 8192)
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {padding}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_who_reads_no_answer_stops_nobody(server: StartedServer) -> None:
    registry = server.registry()
    library = Library(registry)
    with ExitStack() as opened:
        for _ in range(30):
            slow = opened.enter_context(closing(connect(server)))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asked = f"GET /api/v1/types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
            slow.sendall(asked.encode() * 200)
        for counter in range(20):
            registry.save(library.draft(leaf_of(counter), "beside"), overwrite=True)
            load(server)
    registry.close()


def test_a_flood_of_wrong_tokens_stops_nobody_else(server: StartedServer) -> None:
    known = server.registry(wait_seconds=0)
    Library(known).load(Leaf, "kept")
    before = memory_kib(server)
    with closing(connect(server, "127.0.0.2")) as guesser:
        for number in range(3000):
            wrong = f"blk_{number:043d}"
            guesser.sendall(
                f"GET /api/v1/types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wrong}\r\n\r\n".encode()
            )
            status = guesser.recv(65536).split(b" ", 2)[1]
            assert status == b"401" if number < 5 else status in (b"401", b"429")
            if number % 300 == 0:
                Library(known).load(Leaf, "kept")
                load(server)
    assert memory_kib(server) - before < 10 * 1024
    known.close()
    assert "blk_000" not in server.log.read_text()


def test_clients_that_go_away_leave_nothing_behind(server: StartedServer) -> None:
    load(server)
    before = sockets(server)
    for _ in range(100):
        with closing(connect(server)) as connection:
            connection.sendall(
                f"GET /api/v1/blocks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode()
            )
    end = monotonic() + 20
    while sockets(server) > before and monotonic() < end:
        sleep(0.05)
    assert sockets(server) <= before
    assert "Traceback" not in server.log.read_text()


def sockets(server: StartedServer) -> int:
    """Return how many sockets a server has open: what its threads have of the database are files."""
    assert server.process is not None
    found = 0
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found += os.readlink(descriptor).startswith("socket:")
    return found
