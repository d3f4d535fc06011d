"""How a server starts, ends and waits for its database: exit codes, messages, health."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
from killed_client import Leaf, leaf_of
from postgres_server import PostgresServer
from server_process import BLOCK
from started_server import StartedServer

from blocks_core.library import Library
from blocks_core.testing.receiver import free_port
from blocks_registry import Settings
from blocks_registry.access import make_first_token, open_access
from blocks_registry.errors import DatabaseUnavailable, ServerUnavailable


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StartedServer]:
    found = StartedServer(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'blocks.db'}", tmp_path / "log")
    yield found
    found.end()


def refused(server: StartedServer, *options: str) -> str:
    """Start a server that cannot start; return what it says."""
    server.start(*options, wait=False)
    assert server.wait() == 1, server.said()
    said = server.said()
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("Error: ")
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_answers_what_it_took_and_ends_well(
    server: StartedServer, number: signal.Signals
) -> None:
    server.start()
    registry = server.registry(wait_seconds=0)
    library = Library(registry)
    library.register(Leaf)
    made: list[str] = []

    def write(worker: int) -> None:
        with suppress(ServerUnavailable):
            for counter in range(1_000_000):
                made.append(registry.save(library.draft(leaf_of(counter), f"w-{worker}-{counter}")).name)

    workers = [Thread(target=write, args=(worker,)) for worker in range(8)]
    for worker in workers:
        worker.start()
    while len(made) < 50:
        sleep(0.005)
    server.signal(number)
    for worker in workers:
        worker.join(60)
    assert server.wait() == 0, server.said()
    registry.close()
    with closing(sqlite3.connect(server.home / "blocks.db")) as database:
        names = {row[0] for row in database.execute("SELECT name FROM documents")}
    assert set(made) <= names
    assert len(names - set(made)) <= len(workers)  # a request that it had begun, whose client was gone
    assert "Traceback" not in server.said()


def test_a_second_signal_ends_it_at_once(server: StartedServer) -> None:
    server.start()
    with closing(sqlite3.connect(server.home / "blocks.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that the next write waits for 20 seconds
        with closing(socket.create_connection(("127.0.0.1", server.port))) as client:
            body = json.dumps({"action": "test.noted", "subject": "a/b", "detail": {}})
            client.sendall(
                f"POST /api/v1/audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            sleep(0.5)
            server.signal(signal.SIGTERM)
            sleep(0.5)
            assert server.process is not None
            assert server.process.poll() is None
            server.signal(signal.SIGTERM)
            assert server.wait(15) == 128 + signal.SIGTERM
            assert client.recv(100) == b""
    assert "Told to stop again" in server.said()


def test_a_port_in_use_is_said_and_leaves_no_trace(server: StartedServer) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        said = refused(server)
    assert f"cannot listen at 127.0.0.1:{server.port}: another program listens there" in said
    assert "--port" in said
    assert not server.home.exists()


@pytest.mark.parametrize(
    ("host", "problem"),
    [("192.0.2.1", "no address of this machine"), ("no-such-host.invalid", "no such host")],
)
def test_a_host_of_another_machine_is_said(server: StartedServer, host: str, problem: str) -> None:
    assert problem in refused(server, "--host", host)


def test_a_file_that_is_no_certificate_is_said(server: StartedServer, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    said = refused(
        server, "--certificate", str(tmp_path / "none.pem"), "--private-key", str(tmp_path / "none.pem")
    )
    assert "See that certificate and key are files in PEM" in said


def test_a_home_that_cannot_be_written_is_said(server: StartedServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server.home = tmp_path / "file" / "home"
    server.database_url = f"sqlite:///{server.home / 'blocks.db'}"
    assert "cannot be made" in refused(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount a file system")
def test_a_full_disk_is_said_and_nothing_that_was_answered_is_lost(server: StartedServer) -> None:
    server.home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(server.home)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        server.start()
        registry = server.registry(wait_seconds=0)
        library, made = Library(registry), list[str]()
        library.register(Leaf)
        with pytest.raises(DatabaseUnavailable, match="cannot use its database"):  # noqa: PT012 one of many
            for counter in range(10_000):
                made.append(registry.save(library.draft(leaf_of(counter), f"full-{counter}")).name)
        assert made
        assert registry.read("served-leaf", made[-1]).version == 1
        assert server.get("/healthz").status == 200
        assert "disk is full" in server.said()
        subprocess.run(["mount", "-o", "remount,size=8m", str(server.home)], check=True)
        assert {line.name for line in registry.find("served-leaf")} == set(made)
        assert library.load(Leaf, made[-1]).counter == len(made) - 1
        assert registry.save(library.draft(leaf_of(0), "room")).version == 1
        assert not registry.verify_audit().problems
        registry.close()
        server.stop()
    finally:
        server.end()
        subprocess.run(["umount", str(server.home)], check=True)


def prepare(server: StartedServer) -> None:
    """Make what a first start makes."""
    access = open_access(Settings(server.home, server.database_url))
    make_first_token(access.tokens, server.home)
    access.close()


def test_a_database_of_a_newer_version_is_said(server: StartedServer) -> None:
    prepare(server)
    with closing(sqlite3.connect(server.home / "blocks.db")) as database:
        row = database.execute("SELECT * FROM migrations LIMIT 1").description
        names = [column[0] for column in row]
        database.execute(
            f"INSERT INTO migrations SELECT {', '.join('9999' if name == 'number' else name for name in names)} "
            "FROM migrations WHERE component = 'registry' LIMIT 1"
        )
        database.commit()
    assert "newer version" in refused(server)


def test_keys_of_another_database_are_said_before_anything_is_served(server: StartedServer) -> None:
    prepare(server)
    (server.home / "keys.json").rename(server.home / "away.json")
    assert "key" in refused(server)
    assert not (server.home / "keys.json").exists()


def test_a_locked_database_is_waited_for(server: StartedServer) -> None:
    prepare(server)
    with closing(sqlite3.connect(server.home / "blocks.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        server.start(wait=False)
        sleep(2)
        other.execute("ROLLBACK")
        server.await_status(200)


def test_a_server_is_not_ready_while_its_database_is_away_and_goes_on_when_it_is_back(
    server: StartedServer, postgres_server: PostgresServer
) -> None:
    with postgres_server.database() as server.database_url:
        server.start()
        registry = server.registry(wait_seconds=30)
        library = Library(registry)
        library.register(Leaf)
        registry.save(library.draft(leaf_of(1), "kept"))
        postgres_server.stop("immediate")
        try:
            told = server.await_status(503)
            assert told["code"] == "DatabaseUnavailable"
            assert "cannot use its database" in str(told["detail"])
            assert json.loads(server.get("/healthz").data) == {"status": "alive"}
            back = Thread(target=lambda: (sleep(1), postgres_server.start()))
            back.start()
            assert library.load(Leaf, "kept").counter == 1  # it waited
        finally:
            back.join(60)
        server.await_status(200)
        registry.close()
        assert "cannot be reached" in server.log.read_text()
        assert "planted" not in server.log.read_text()
        postgres_server.stop("fast")
        try:
            other = StartedServer(server.home, server.database_url, server.home / "other-log")
            assert "cannot be reached" in refused(other)
        finally:
            postgres_server.start()
        server.stop()


def test_a_port_of_a_server_that_ended_is_free_at_once(server: StartedServer) -> None:
    server.start()
    registry = server.registry()
    registry.types()
    server.stop()
    server.start()
    registry.types()
    registry.close()


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [BLOCK, "server", "start", "--port", str(free_port())],
        env={**os.environ, "BLOCKS_HOME": str(tmp_path), "BLOCKS_URL": "https://blocks.example"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "names a server" in done.stderr
