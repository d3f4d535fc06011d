"""Reads of secrets: each has its row before the secret leaves, and those that follow are counted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from access_stage import PLANTED, Stage, everything_in, fill
from pydantic import SecretStr
from registry_places import RegistryPlace, new_place

from blocks_core.current import Actor
from blocks_core.testing.suite_blocks import Account, Link
from blocks_registry.access import Access, GuardedRegistry, Holder, Role, open_access
from blocks_registry.access.reads import SecretReads, in_audit
from blocks_registry.errors import DatabaseLocked

RUNNER = Holder("id-of-ci", "ci", Role.RUNNER)


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RegistryPlace]:
    """One kind of database: what writes a row is tested on each by the tests of the audit."""
    with new_place("sqlite", tmp_path / "home", request) as found:
        yield found


@pytest.fixture
def stage(place: RegistryPlace) -> Iterator[Stage]:
    library = place.library()
    yield fill(library)
    library.close()


@pytest.fixture
def access(place: RegistryPlace, stage: Stage) -> Iterator[Access]:
    access = open_access(place.settings)
    yield access
    access.close()


def reads(stage: Stage) -> list[tuple[str, str, int]]:
    """Return the rows of reads, the oldest first: subject, who, how many."""
    rows = [row for row in reversed(stage.registry.audit(limit=1000)) if row.action == "block.resolved"]
    assert all(row.detail["token"] == "ci" and row.detail["token_id"] == "id-of-ci" for row in rows)
    return [(row.subject, row.actor.name, int(str(row.detail.get("times", 1)))) for row in rows]


def test_each_block_of_a_tree_whose_secrets_are_given_has_a_row(stage: Stage, access: Access) -> None:
    stage.library.save(Link(to=stage.library.load(Account, "mine")), "mine")
    guard = access.guard(stage.registry, RUNNER)
    guard.load("suite-link", "mine")
    assert reads(stage) == [("suite-account/mine", "ci", 1)]
    guard.load("suite-place", "mine-and-theirs")
    assert reads(stage)[1:] == [("suite-account/theirs", "ci", 1)]
    assert stage.registry.verify_audit().problems == ()


def test_reads_that_follow_are_counted_and_written_as_one_row(stage: Stage, access: Access) -> None:
    for _ in range(5):
        access.guard(stage.registry, RUNNER).load("suite-account", "mine")
    assert reads(stage) == [("suite-account/mine", "ci", 1)]
    access._reads.flush()
    access._reads.flush()
    assert reads(stage) == [("suite-account/mine", "ci", 1), ("suite-account/mine", "ci", 4)]


def test_what_was_counted_is_written_at_the_end(stage: Stage, access: Access) -> None:
    for _ in range(3):
        access.guard(stage.registry, RUNNER).load("suite-account", "mine")
    access.close()
    assert sum(times for *_, times in reads(stage)) == 3


def test_another_version_token_or_run_has_a_row_of_its_own(stage: Stage, access: Access) -> None:
    guard = access.guard(stage.registry, RUNNER)
    guard.load("suite-account", "mine")
    guard.load("suite-account", "mine", version=1)
    run = replace(RUNNER, claim=Actor("flow run", "nightly", "run-1", "somebody@else"))
    access.guard(stage.registry, run).load("suite-account", "mine")
    assert [who for _, who, _ in reads(stage)] == ["ci", "ci", "nightly"]
    newest = stage.registry.audit()[0]
    assert newest.actor == Actor("flow run", "nightly", "run-1", "ci")


def test_nobody_is_another_token_by_their_own_account() -> None:
    claim = replace(RUNNER, claim=Actor("token", "admin", "1", "root@host"))
    assert claim.actor == Actor("token", "ci", "id-of-ci")
    long = replace(RUNNER, claim=Actor("x" * 5000, "y" * 5000, "z" * 5000))
    assert len(repr(long.actor)) < 1000


def test_a_read_that_cannot_be_recorded_gives_nothing(stage: Stage, place: RegistryPlace) -> None:
    database = place.database(wait_seconds=0.2)
    reads_of_it = SecretReads(in_audit(database, stage.registry._audit))
    guard = GuardedRegistry(stage.registry, RUNNER, reads_of_it)
    with place.held(), pytest.raises(DatabaseLocked):
        guard.load("suite-account", "mine")
    assert reads(stage) == []
    guard.load("suite-account", "mine")
    with place.held():  # the row is there: counting needs no database
        assert PLANTED in everything_in(guard.load("suite-account", "mine"))
        reads_of_it.flush()
    reads_of_it.flush()
    assert [times for *_, times in reads(stage)] == [1, 1]
    reads_of_it.close()
    database.close()


def test_after_a_while_a_read_has_a_row_of_its_own_again(stage: Stage, place: RegistryPlace) -> None:
    now = [1000.0]
    database = place.database()
    log = SecretReads(in_audit(database, stage.registry._audit), clock=lambda: now[0])
    guard = GuardedRegistry(stage.registry, RUNNER, log)
    for seconds in (0, 59, 2):  # a row, a count, a row again
        now[0] += seconds
        guard.load("suite-account", "mine")
    assert [times for *_, times in reads(stage)] == [1, 1]
    log.close()
    assert [times for *_, times in reads(stage)] == [1, 1, 1]
    database.close()


def test_a_guard_by_itself_records_each_read_and_starts_no_thread(stage: Stage) -> None:
    import threading

    before = {thread for thread in threading.enumerate() if "reads" in thread.name}
    guard = GuardedRegistry(stage.registry, RUNNER)
    guard.load("suite-account", "mine")
    guard.load("suite-account", "mine")
    assert reads(stage) == [("suite-account/mine", "ci", 1)] * 2
    assert {thread for thread in threading.enumerate() if "reads" in thread.name} == before


def test_what_is_shown_to_a_person_is_recorded_each_time(stage: Stage, access: Access) -> None:
    guard = access.guard(stage.registry, Holder("id-of-root", "root", Role.ADMIN))
    for _ in range(2):
        assert guard.reveal("suite-account", "mine").content.secrets
    first, second = stage.registry.audit(limit=2)
    assert first.action == second.action == "block.revealed"
    assert first.detail == {"version": 2, "token": "root", "token_id": "id-of-root"}
    assert stage.registry.usages("suite-account", "mine")[0].actor.name != "root"


def test_the_audit_of_a_renamed_block_has_its_reads(stage: Stage, access: Access) -> None:
    access.guard(stage.registry, RUNNER).load("suite-account", "mine")
    access.guard(stage.registry, Holder("1", "root", Role.ADMIN)).reveal("suite-account", "mine")
    stage.registry.rename("suite-account", "mine", "other")
    actions = [row.action for row in stage.registry.audit(subject="suite-account/other")]
    assert actions[:3] == ["block.renamed", "block.revealed", "block.resolved"]


def test_no_token_and_no_secret_is_in_what_is_recorded(
    stage: Stage, access: Access, place: RegistryPlace
) -> None:
    made = access.tokens.create("ci", Role.RUNNER)
    holder = access.authenticator.holder_of_token(made.text)
    stage.registry.save(
        stage.library.draft(Account(user="ann", password=SecretStr(PLANTED)), "mine"), overwrite=True
    )
    access.guard(stage.registry, holder).load("suite-account", "mine")
    access.close()
    content = place.content()
    assert PLANTED.encode() not in content
    assert made.text.encode() not in content
    assert made.text not in repr(holder)


def test_a_program_that_is_killed_after_a_read_leaves_its_row(stage: Stage, place: RegistryPlace) -> None:
    program = """
import os, signal
from blocks_registry import open_registry
from blocks_registry.access import Holder, Role, open_access
guard = open_access().guard(open_registry(), Holder("id-of-ci", "ci", Role.RUNNER))
for _ in range(3):
    guard.load("suite-account", "mine")
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], env=place.environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert reads(stage) == [("suite-account/mine", "ci", 1)]


def test_a_program_that_ends_by_itself_leaves_the_number_too(stage: Stage, place: RegistryPlace) -> None:
    program = """
from blocks_registry import open_registry
from blocks_registry.access import Holder, Role, open_access
access = open_access()
for _ in range(3):
    access.guard(open_registry(), Holder("id-of-ci", "ci", Role.RUNNER)).load("suite-account", "mine")
"""
    subprocess.run([sys.executable, "-c", program], env=place.environment, timeout=60, check=True)
    assert [times for *_, times in reads(stage)] == [1, 2]


def test_of_reads_by_many_threads_none_is_lost(stage: Stage, access: Access) -> None:
    def load(_: int) -> None:
        access.guard(stage.registry, RUNNER).load("suite-account", "mine")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load, range(400)))
    access.close()
    assert sum(times for *_, times in reads(stage)) == 400
