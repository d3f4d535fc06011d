"""Many processes write at once: none fails, none waits for ever, and nothing that was saved is lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from registry_places import RegistryPlace

from blocks_core import Block, use_library

PROGRAM = """
import sys
from blocks_core import Block
from blocks_core.current import current_library
from blocks_core.errors import VersionConflict
from pydantic import SecretStr
class Token(Block, slug="many-token"):
    "A token."
    value: SecretStr
class Counter(Block, slug="many-counter"):
    "A number that all of them raise."
    number: int = 0
def raise_it():
    registry = current_library().registry
    while True:
        counter = Counter.load("shared")
        draft = current_library().draft(Counter(number=counter.number + 1), "shared")
        try:
            return registry.save(draft, overwrite=True, expected_version=counter.saved_as.version)
        except VersionConflict:
            pass
"""

SAVER = (
    PROGRAM
    + """
for number in range(12):
    Token(value=SecretStr(f"{sys.argv[1]}-{number}")).save("shared", overwrite=True)
    Token(value=SecretStr(f"own-{number}")).save(f"own-{sys.argv[1]}", overwrite=True)
"""
)

RAISER = (
    PROGRAM
    + """
for _ in range(12):
    raise_it()
"""
)


class Token(Block, slug="many-token"):
    """A token."""

    value: str = ""


class Counter(Block, slug="many-counter"):
    """A number that all of them raise."""

    number: int = 0


def run_at_once(place: RegistryPlace, program: str, processes: int) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            env=place.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        said = [process.communicate(timeout=120)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * processes, "\n".join(said)


def test_eight_processes_write_one_name_and_their_own_without_an_error_or_a_lost_version(
    place: RegistryPlace,
) -> None:
    run_at_once(place, SAVER, 8)
    registry = place.registry()
    versions = [line.version for line in registry.history("many-token", "shared")]
    assert versions == list(range(96, 0, -1))
    assert {line.name: line.version for line in registry.find("many-token")} == {
        "shared": 96,
        **{f"own-{number}": 12 for number in range(8)},
    }
    assert registry.verify_audit().problems == ()
    registry.close()


def test_processes_that_raise_one_number_lose_no_update(place: RegistryPlace) -> None:
    """Each says which version it has seen; who was overtaken is told, and tries again."""
    library = place.library()
    with use_library(library):
        Counter().save("shared")
        run_at_once(place, RAISER, 4)
        assert Counter.load("shared").number == 48
    library.close()


OPENER = """
import sys
from pathlib import Path
from blocks_registry.opening import open_database
from blocks_registry.settings import Settings
folder = Path(sys.argv[1])
for number, url in enumerate(sys.argv[3:]):
    (folder / f"{number}-{sys.argv[2]}").touch()
    while len(list(folder.glob(f"{number}-*"))) < 2:
        pass
    database = open_database(Settings(home=folder, url=url))
    database.migrate("registry", "blocks_registry.migrations")
    database.close()
"""


def test_processes_that_make_the_tables_at_once_wait_for_each_other(
    place: RegistryPlace, tmp_path: Path
) -> None:
    if place.settings.is_postgresql:
        place.run(*(f"CREATE SCHEMA s{number}" for number in range(20)))
        urls = [f"{place.url}?options=-csearch_path%3Ds{number}" for number in range(20)]
    else:
        urls = [f"sqlite:///{tmp_path / f'{number}.db'}" for number in range(60)]
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(tmp_path), str(number), *urls],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for opener in openers:
            _, problem = opener.communicate(timeout=60)
            assert not problem
    finally:
        for opener in openers:
            opener.kill()
    for url in urls:
        registry = replace(place, url=url).registry()
        assert registry.find() == []
        registry.close()


def test_threads_of_one_process_share_few_connections(place: RegistryPlace) -> None:
    """More threads than connections wait for one; more load than a server takes is none of its errors."""
    from concurrent.futures import ThreadPoolExecutor

    library = place.library()

    def work(number: int) -> int:
        with use_library(library):
            Counter(number=number).save(f"c{number}")
            return Counter.load(f"c{number}").number

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(work, range(120))) == list(range(120))
    if place.settings.is_postgresql:
        [(open_now,)] = place.run(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'blocks' "
            "AND datname = current_database()"
        )
        assert 0 < open_now <= 10
    library.close()
