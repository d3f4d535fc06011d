"""Leases, on the embedded database and on PostgreSQL: one has it, and it is over when its holder is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from blocks_flows.leases import Leases, Sighting
from blocks_registry.opening import open_database
from blocks_registry.settings import Settings

HOLDER = """
import sys, time
from blocks_flows.leases import Leases
from blocks_registry.opening import open_database
lease = Leases(open_database(purpose="leases"), lease_seconds=float(sys.argv[2])).take(sys.argv[1])
with lease:
    print("has it" if lease else "has it not", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def open_leases(request, home, monkeypatch):
    """Return a function that opens the leases anew, as another process would."""
    if request.param == "postgresql":
        monkeypatch.setenv("BLOCKS_URL", request.getfixturevalue("postgres_url"))
    opened = []

    def open_them(lease_seconds=30.0):
        database = open_database(Settings.from_environment(), purpose="leases", durable=False)
        opened.append(Leases(database, lease_seconds=lease_seconds))
        return opened[-1]

    yield open_them
    for each in opened:
        each.close()


@pytest.fixture
def holding():
    """Start processes that hold a lease until they are killed."""
    started = []

    def start(key, lease_seconds=30.0):
        command = [sys.executable, "-c", HOLDER, key, str(lease_seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        started.append(process)
        assert process.stdout.readline() == "has it\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_one_has_a_lease_and_the_next_one_when_it_is_free(open_leases) -> None:
    first, second = open_leases(), open_leases()
    with first.take("key"):
        assert second.take("key") is None
        assert f"process {os.getpid()} on " in second.look("key").holder()
        with second.take("another"):
            pass
    assert second.look("key") is None
    with second.take("key"):
        assert first.take("key") is None


def test_of_many_that_want_a_lease_at_once_one_gets_it(open_leases) -> None:
    leases, taken = open_leases(), []

    def take():
        lease = leases.take("key")
        if lease is not None:
            taken.append(lease)

    threads = [Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [lease] = taken
    with lease:
        pass


def test_a_lease_is_renewed_while_it_is_held(open_leases) -> None:
    holder, other = open_leases(lease_seconds=3.0), open_leases(lease_seconds=3.0)
    with holder.take("key"):
        first = other.look("key")
        until = time.monotonic() + 60
        while other.look("key").expires_at == first.expires_at:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert other.look("key").owner == first.owner


def test_the_lease_of_a_killed_process_runs_out(open_leases, holding) -> None:
    leases = open_leases(lease_seconds=2.0)
    process = holding("key", lease_seconds=2.0)
    assert leases.take("key") is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 60
    while (lease := leases.take("key")) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    with lease:
        pass


def test_a_clock_that_was_ahead_keeps_nobody_waiting_for_long(open_leases) -> None:
    leases = open_leases(lease_seconds=1.0)
    leases.take("key")  # and never held, as by a process that died
    with leases._database.transaction() as connection:
        connection.execute("UPDATE leases SET expires_at = ?", (time.time() + 86_400.0,))
    seen = leases.look("key")
    assert not seen.is_over(1.0)
    assert leases.take("key", seen) is None
    time.sleep(1.1)
    assert leases.look("key", seen) is seen
    assert seen.is_over(1.0)
    with leases.take("key", seen):
        assert leases.take("key", seen) is None, "the sighting is of another holder"


def test_a_lease_that_was_renewed_meanwhile_is_not_taken_over(open_leases) -> None:
    leases = open_leases()
    with leases.take("key"):
        seen = leases.look("key")
        old = Sighting(seen.owner, seen.expires_at - 1, time.monotonic() - 3600)
        assert leases.take("key", old) is None


def test_who_lost_a_lease_does_not_release_or_renew_that_of_another(open_leases) -> None:
    leases = open_leases(lease_seconds=1.0)
    lost = leases.take("key")
    time.sleep(1.1)
    with leases.take("key"):
        assert leases.renew("key", lost._owner) is False
        with lost:
            pass
        assert leases.look("key") is not None


def test_leases_of_the_dead_are_cleared_away(open_leases) -> None:
    leases = open_leases()
    leases.take("old")
    with leases._database.transaction() as connection:
        connection.execute("UPDATE leases SET expires_at = ?", (time.time() - 100_000.0,))
    with leases.take("new"):
        pass
    assert leases.look("old") is None
