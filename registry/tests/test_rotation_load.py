"""Whole rotations by the command, while processes read and write; and rewraps that are killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_registry.opening import open_rotation
from blocks_registry.rotation import Rotation

READERS, WRITERS = 3, 2
BATCHES = (500, 25)
"""Of each rotation's rewrap."""
KILLS = int(os.environ.get("BLOCKS_KILLS", "8"))
"""Of a rewrap, on each database; 200 and more by hand."""

WORKER = """
import itertools, os, sys, time
from pathlib import Path
from pydantic import SecretStr
from blocks_core import Block, use_library
from blocks_registry import open_library

class Token(Block, slug="load-token"):
    "A token."
    value: SecretStr

role, number, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
keep, turns = os.environ["KEEP"] == "1", 0
library = open_library()
for counter in itertools.count(1):
    if not keep and counter % 20 == 0:  # as a process that has just begun: it has read no keys yet
        library.close()
        library = open_library()
    with use_library(library):
        if role == "writer":
            Token(value=SecretStr(f"{number}-{counter}")).save(f"w{number}", overwrite=True)
            assert Token.load(f"w{number}").value.get_secret_value() == f"{number}-{counter}"
            time.sleep(0.02)  # lest there be more versions than can be rewrapped in a test's time
        else:
            name = f"t{counter % 50}"
            assert Token.load(name).value.get_secret_value() == f"secret-{name}"
            Token.load(f"w{counter % 2}")
            time.sleep(0.002)  # lest the readers take the whole machine
    turns += 1
    if (folder / "stop").exists():
        break
library.close()
print(turns)
"""


class Token(Block, slug="load-token"):
    """A token."""

    value: SecretStr


@pytest.fixture
def filled(place: RegistryPlace) -> RegistryPlace:
    with use_library(place.library()) as library:
        for number in range(50):
            Token(value=SecretStr(f"secret-t{number}")).save(f"t{number}")
        for number in range(WRITERS):
            Token(value=SecretStr("first")).save(f"w{number}")
    library.close()
    return place


@contextmanager
def at_work(place: RegistryPlace, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Readers and writers in processes of their own; every second one keeps what it has read of the keys."""
    working: list[subprocess.Popen[str]] = []
    try:
        for role, number in [("reader", n) for n in range(READERS)] + [("writer", n) for n in range(WRITERS)]:
            command = [sys.executable, "-W", "error", "-c", WORKER, role, str(number), str(folder)]
            environment = place.environment | {"KEEP": str(number % 2)}
            working.append(
                subprocess.Popen(
                    command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
        yield working
    finally:
        for process in working:
            process.kill()
            process.communicate()


def block(place: RegistryPlace, *words: str) -> dict[str, object]:
    program = str(Path(sys.executable).with_name("block"))
    done = subprocess.run(
        [program, "keys", *words, "-o", "json"],
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_whole_rotations_disturb_no_reader_and_no_writer(filled: RegistryPlace, tmp_path: Path) -> None:
    place = filled
    with at_work(place, tmp_path) as working:
        for batch in BATCHES:
            first = next(key["id"] for key in block(place, "status")["keys"] if key["primary"])
            added = block(place, "add")["key"]
            assert block(place, "promote")["key"] == added
            done = block(place, "rewrap", "--batch", str(batch))
            assert (done["left"], done["problems"]) == (0, [])
            retired = block(place, "retire", str(first), "--yes")
            assert (retired["marked"], retired["removed"]) == (True, True)
        assert [process.poll() for process in working] == [None] * (READERS + WRITERS), [
            process.communicate()[1] for process in working if process.poll() is not None
        ]
        (tmp_path / "stop").touch()
        for process in working:
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (0, "")
            assert int(output) > 10, "it did nothing"
    status = block(place, "status")
    assert [key["state"] for key in status["keys"]] == ["retired"] * len(BATCHES) + ["primary"]
    with use_library(place.library()) as library:
        assert library.registry.verify_audit().problems == ()
        versions = sum(len(library.registry.history("load-token", f"w{number}")) for number in range(WRITERS))
        assert status["keys"][-1]["sealed_versions"] == 50 + versions
    library.close()


REWRAP = """
import sys
from blocks_registry.opening import open_rotation
rotation = open_rotation()
print("begins", flush=True)
print(rotation.rewrap(batch=int(sys.argv[1]), progress=lambda done, total: print(done, flush=True)).left, "left", flush=True)
rotation.close()
"""


def test_a_rewrap_that_is_killed_at_any_moment_goes_on_where_it_was(filled: RegistryPlace) -> None:
    random.seed(os.environ.get("BLOCKS_KILLS_SEED", "1"))
    place, stopped_half_way = filled, 0
    rotation = open_rotation(place.settings)
    for _ in range(KILLS):
        before = left_in(rotation)
        if not before:
            rotate_to_a_new_key(rotation)
            before = left_in(rotation)
        told = rewrap_until_killed(place, after_batches=random.randrange(20))
        left = left_in(rotation)
        assert left <= before - told, "what was told to be done is not"
        stopped_half_way += 0 < left < before
    assert stopped_half_way > KILLS / 4
    assert rotation.rewrap().left == 0
    rotation.close()
    with use_library(place.library()) as library:
        for number in range(50):
            assert Token.load(f"t{number}").value.get_secret_value() == f"secret-t{number}"
        assert library.registry.verify_audit().problems == ()
    library.close()


def left_in(rotation: Rotation) -> int:
    return sum(key.sealed_versions for key in rotation.status().keys if not key.is_primary)


def rotate_to_a_new_key(rotation: Rotation) -> None:
    """Let the older ones go, which a rewrap that was killed at its very end may leave the audit's key to."""
    rotation.rewrap()
    for key in rotation.status().keys:
        if key.in_keyring and not key.is_primary:
            rotation.retire(key.id)
    rotation.add()
    rotation.promote()


def rewrap_until_killed(place: RegistryPlace, *, after_batches: int) -> int:
    """Return how many versions it had told to be done."""
    command = [sys.executable, "-W", "error", "-c", REWRAP, "2"]
    child = subprocess.Popen(command, env=place.environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(after_batches + 1)]
    time.sleep(random.uniform(0, 0.005))
    child.send_signal(signal.SIGKILL)
    lines += child.communicate()[0].splitlines(keepends=True)
    assert child.returncode in (0, -signal.SIGKILL)
    return max((int(line) for line in lines if line.endswith("\n") and line.strip().isdecimal()), default=0)
