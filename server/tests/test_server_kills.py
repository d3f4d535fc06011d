"""Servers and their database are killed at random under load: what was acknowledged is there, once; clients go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import pytest
from killed_client import Leaf, Tree
from postgres_server import PostgresServer
from started_server import StartedServer

from blocks_core.library import Library
from blocks_core.registry import Registry
from blocks_registry import Settings, open_local_registry

KILLS = int(os.environ.get("BLOCKS_KILLS", "5"))
"""Of servers and databases together, for each kind of database; 100 and more by hand."""

CLIENTS = 3
LIVES_SECONDS = (0.02, 0.5)
CLIENT = Path(__file__).with_name("killed_client.py")


class Load:
    """Clients that write and load through servers without end, each in a process of its own."""

    def __init__(self, folder: Path, token: str, urls: list[str]) -> None:
        self._folder = folder
        self._processes = [self._start(number, token, urls[number % len(urls)]) for number in range(CLIENTS)]

    def _start(self, number: int, token: str, url: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"errors-{number}").open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, CLIENT, str(number), self._folder / f"told-{number}", url],
                stdin=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "BLOCKS_TOKEN": token},
            )

    def told(self, number: int) -> list[list[str]]:
        """Return what a client was told to be done: act and counter."""
        file = self._folder / f"told-{number}"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split() for line in lines]

    def see_alive(self) -> None:
        for number, process in enumerate(self._processes):
            assert process.poll() is None, (self._folder / f"errors-{number}").read_text()

    def await_more(self, seconds: float = 60) -> None:
        """Wait until each client got further, which shows that it recovered."""
        before = [len(self.told(number)) for number in range(CLIENTS)]
        end = monotonic() + seconds
        while any(len(self.told(number)) <= before[number] + 3 for number in range(CLIENTS)):
            self.see_alive()
            assert monotonic() < end, "a client does not recover"
            sleep(0.02)

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(60)

    def stop(self) -> None:
        """End each client after what it does now."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for number, process in enumerate(self._processes):
            assert process.wait(60) == 0, (self._folder / f"errors-{number}").read_text()


def see(registry: Registry, number: int, told: list[list[str]]) -> None:
    """See that what a client was told is there, and nothing twice."""
    library, done = Library(registry), Counter(act for act, _ in told)
    last = {act: int(counter) for act, counter in told}
    assert min(done[act] for act in ("create", "save", "rename", "change", "note")) > 0
    leaf = library.load(Leaf, f"saved-{number}")
    assert leaf.counter == last["save"]
    assert leaf.token.get_secret_value() == f"token-{leaf.counter}"
    assert len(registry.history("served-leaf", f"saved-{number}")) == done["save"]
    names = {line.name for line in registry.find("served-leaf")}
    made = {name for name in names if name.startswith(f"made-{number}-")}
    assert made == {f"made-{number}-{counter}" for act, counter in told if act == "create"}
    assert [name for name in names if name.startswith(f"name-{number}-")] == [
        f"name-{number}-{last['rename']}"
    ]
    tree = library.load(Tree, f"tree-{number}")
    assert tree.leaf is not None
    assert tree.counter == tree.leaf.counter == last["change"]
    assert len(registry.history("served-tree", f"tree-{number}")) == done["change"]
    assert f"gone-{number}" not in names


def see_notes(registry: Registry, told: list[list[list[str]]]) -> None:
    """See that each note is a row of the audit, once, as nothing but the audit shows whether it was repeated."""
    notes = Counter(row.subject for row in registry.audit(limit=1_000_000) if row.action == "test.noted")
    expected = Counter(
        f"served-leaf/note-{number}-{counter}"
        for number, lines in enumerate(told)
        for act, counter in lines
        if act == "note"
    )
    assert notes == expected


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[ExitStack]:
    """Ends what a test started, whatever becomes of it."""
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, tmp_path: Path, url: str, name: str) -> StartedServer:
    server = StartedServer(tmp_path / "home", url, tmp_path / f"log-{name}")
    server.start()
    stack.callback(server.end)
    return server


def hit(server: StartedServer) -> None:
    """End a server, by force or not, and start it again on its port."""
    if random.random() < 0.7:
        server.kill()
    else:
        server.await_status(200)  # before that nothing of it is there yet that could end well
        server.stop()
    sleep(random.choice((0.0, 0.3)))
    server.start(wait=random.random() < 0.5)


def finish(load: Load, places: list[Registry], settings: Settings) -> None:
    """End the load, and see that every server and the database itself say the same of it."""
    load.await_more()
    load.stop()
    told = [load.told(number) for number in range(CLIENTS)]
    local = open_local_registry(settings)
    for registry in [*places, local]:
        for number in range(CLIENTS):
            see(registry, number, told[number])
    see_notes(local, told)
    listings = [registry.find() for registry in places]
    assert all([line.id for line in listing] == [line.id for line in listings[0]] for listing in listings)
    assert not local.verify_audit().problems
    for registry in [*places, local]:
        registry.close()


def test_what_one_server_acknowledged_outlives_its_kills(tmp_path: Path, servers: ExitStack) -> None:
    random.seed(os.environ.get("BLOCKS_KILLS_SEED", "1"))
    url = f"sqlite:///{tmp_path / 'home' / 'blocks.db'}"
    server = start(servers, tmp_path, url, "one")
    load = Load(tmp_path, server.token, [server.url])
    servers.callback(load.kill)
    load.await_more()
    for _ in range(KILLS):
        sleep(random.uniform(*LIVES_SECONDS))
        hit(server)
        load.see_alive()
    server.await_status(200)
    finish(load, [server.registry()], Settings(tmp_path / "home", url))
    server.stop()
    assert server.token not in server.log.read_text()
    assert "token-" not in server.log.read_text()


def test_two_servers_and_their_database_are_killed_and_agree(
    tmp_path: Path, servers: ExitStack, postgres_server: PostgresServer
) -> None:
    random.seed(os.environ.get("BLOCKS_KILLS_SEED", "1"))
    url = servers.enter_context(postgres_server.database())
    both = [start(servers, tmp_path, url, name) for name in ("one", "two")]
    load = Load(tmp_path, both[0].token, [server.url for server in both])
    servers.callback(load.kill)
    load.await_more()
    for _ in range(KILLS):
        sleep(random.uniform(*LIVES_SECONDS))
        if random.random() < 0.3:
            for server in both:
                server.await_status(200)  # one that starts without a database says so and ends
            postgres_server.stop(random.choice(("immediate", "fast")))
            sleep(random.choice((0.0, 0.5)))
            postgres_server.start()
        else:
            hit(random.choice(both))
        load.see_alive()
    for server in both:
        server.await_status(200)
    finish(load, [server.registry() for server in both], Settings(tmp_path / "home", url))
    for server in both:
        server.stop()
        assert "planted" not in server.log.read_text()  # the database's password
