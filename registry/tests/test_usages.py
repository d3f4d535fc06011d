"""Who resolved what: noted beside the loads, which never wait for it and never fail by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.library import Library
from blocks_registry.usages import KEPT_DAYS


class Used(Block, slug="used"):
    """Something to load."""

    token: SecretStr = Field(SecretStr("t"), description="A secret.")


def rows(place: RegistryPlace) -> list[tuple[object, ...]]:
    return place.run("SELECT actor_name, uses FROM usages ORDER BY actor_name")


def test_what_was_resolved_is_written_when_the_registry_is_closed(place: RegistryPlace) -> None:
    registry = place.registry()
    with use_library(Library(registry)):
        Used().save("one")
        for _ in range(5):
            Used.load("one")
    registry.close()
    ((_, uses),) = rows(place)
    assert uses == 5


def test_what_a_program_resolved_is_written_when_it_ends(place: RegistryPlace, tmp_path: Path) -> None:
    program = tmp_path / "nightly.py"
    program.write_text(
        "from blocks_standard import Secret\n"
        "import sys\n"
        "if sys.argv[1] == 'save':\n"
        "    Secret(value='v').save('one')\n"
        "else:\n"
        "    Secret.load('one')\n"
    )
    environment = {**place.environment, "HOME": str(tmp_path)}
    for word in ("save", "an-argument-that-is-nobodys-business"):
        subprocess.run([sys.executable, program, word], env=environment, check=True, timeout=60)
    assert rows(place) == [("nightly.py", 1)]
    assert b"nobodys-business" not in place.content()


def test_a_load_succeeds_while_another_process_holds_the_lock(place: RegistryPlace) -> None:
    registry = place.registry()
    with use_library(Library(registry)):
        Used().save("one")
        with place.held():
            Used.load("one")
            registry._usages.flush()
            assert rows(place) == []
        Used.load("one")
        (usage,) = registry.usages("used", "one")
        assert usage.uses == 2
    registry.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_notes_for_itself(place: RegistryPlace) -> None:
    registry = place.registry()
    with use_library(Library(registry)):
        Used().save("one")
        Used.load("one")
        child = os.fork()
        if child == 0:
            Used.load("one")
            registry.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        (usage,) = registry.usages("used", "one")
    registry.close()
    assert usage.uses == 2


def test_usages_of_long_ago_are_forgotten(place: RegistryPlace) -> None:
    registry = place.registry()
    with use_library(Library(registry)):
        Used().save("one")
        Used().save("two")
        Used.load("one")
        registry.usages("used", "one")
        place.run(f"UPDATE usages SET last_used_at = last_used_at - {KEPT_DAYS * 86400 + 60}")
        Used.load("two")
        assert len(registry.usages("used", "two")) == 1
        assert registry.usages("used", "one") == []
    registry.close()


def test_a_deleted_block_takes_its_usages_with_it(place: RegistryPlace) -> None:
    registry = place.registry()
    with use_library(Library(registry)):
        Used().save("one")
        Used.load("one")
        Used.delete("one")
        registry._usages.flush()
    registry.close()
    assert rows(place) == []
