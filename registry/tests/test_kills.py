"""SIGKILL at random moments: what was acknowledged is there, nothing is half written, the audit verifies."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest
from pydantic import Field, SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.document import Draft, reference_mark
from blocks_core.errors import BlockNotFound
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_registry.opening import open_registry, open_rotation

KILLS = int(os.environ.get("BLOCKS_KILLS", "30"))
"""For each database; 200 and more by hand."""

LIVES_SECONDS = (0.0, 0.12)


class Leaf(Block, slug="kill-leaf"):
    """What is held."""

    counter: int = Field(0, description="Which save it was.")
    token: SecretStr = Field(SecretStr("x"), description="A secret that says the same.")


class Tree(Block, slug="kill-tree"):
    """What holds."""

    counter: int = Field(0, description="Which change it was.")
    leaf: Leaf | None = Field(None, description="Changed together with the tree.")


def leaf_of(counter: int) -> Leaf:
    return Leaf(counter=counter, token=SecretStr(f"token-{counter}"))


class Child:
    """A process that changes a registry without end and tells what was acknowledged."""

    def __init__(self, number: int, acknowledged: Path) -> None:
        self.number = number
        self.acknowledged = acknowledged
        self.pid = 0

    def start(self) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            self._live()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert os.waitpid(self.pid, 0)[1] == signal.SIGKILL, (
            "the child ended by itself: see its traceback above"
        )

    def _live(self) -> NoReturn:
        try:
            registry = open_registry()
            library = Library(registry)
            with use_library(library), self.acknowledged.open("a", buffering=1) as file:
                acts = [self._save, self._apply, self._rename]
                for counter in range(1, 1_000_000):
                    if counter % 10 == 0:
                        open_rotation().rewrap(batch=3)
                    act: Callable[[Library, int], str] = acts[counter % 3]
                    file.write(f"{act.__name__} {act(library, counter)}\n")
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)

    def _save(self, library: Library, counter: int) -> str:
        leaf_of(counter).save(f"leaf-{self.number}", overwrite=True)
        return str(counter)

    def _apply(self, library: Library, counter: int) -> str:
        """Change a tree and what it holds together; at the first time both are new."""
        registry, name = library.registry, f"tree-{self.number}"
        try:
            held = registry.read("kill-leaf", name).id
        except BlockNotFound:
            held = uuid4()
        tree: Draft = library.draft(Tree(counter=counter), name)
        marks = {**tree.content.marks, "/leaf": reference_mark(held)}
        tree = replace(tree, content=replace(tree.content, marks=marks))
        leaf = replace(library.draft(leaf_of(counter), name), document_id=held)
        registry.change([Put(tree), Put(leaf)])
        return str(counter)

    def _rename(self, library: Library, counter: int) -> str:
        if counter == 2:
            leaf_of(0).save(f"name-{self.number}-2")
            return "2"
        library.registry.rename(
            "kill-leaf", f"name-{self.number}-{counter - 3}", f"name-{self.number}-{counter}"
        )
        return str(counter)


def last_acknowledged(file: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.count(" ") == 1 and line.split()[1].isdecimal():
            found[line.split()[0]] = int(line.split()[1])
    return found


def look(library: Library, child: Child) -> None:
    """See that what a child was told to be done is there, and that nothing is half done."""
    done, registry = last_acknowledged(child.acknowledged), library.registry
    names = {line.name for line in registry.find("kill-leaf")}
    if "_save" in done:
        leaf = Leaf.load(f"leaf-{child.number}")
        assert leaf.counter in (done["_save"], done["_save"] + 3)
        assert leaf.token.get_secret_value() == f"token-{leaf.counter}"
    has_tree = any(line.name == f"tree-{child.number}" for line in registry.find("kill-tree"))
    assert has_tree == (f"tree-{child.number}" in names)
    assert has_tree or "_apply" not in done
    if has_tree:
        tree = Tree.load(f"tree-{child.number}")
        assert tree.leaf is not None
        assert tree.counter == tree.leaf.counter
        assert tree.leaf.token.get_secret_value() == f"token-{tree.counter}"
        assert tree.counter in (done.get("_apply", 1), done.get("_apply", -2) + 3)
    renamed = [name for name in names if name.startswith(f"name-{child.number}-")]
    assert len(renamed) <= 1
    if "_rename" in done:
        assert int(renamed[0].rpartition("-")[2]) in (done["_rename"], done["_rename"] + 3)
        assert Leaf.load(renamed[0]).token.get_secret_value() == "token-0"


def retire_old_keys(library: Library) -> None:
    """Finish the rewrapping that was killed over and over; then nothing needs an old key."""
    rotation = open_rotation()
    rotation.rewrap()
    for key in rotation.status().keys:
        if key.state != "primary":
            rotation.retire(key.id)
    for line in library.registry.find("kill-leaf"):
        assert Leaf.load(line.name).token.get_secret_value().startswith("token-")


@pytest.fixture
def library(place: RegistryPlace, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("BLOCKS_HOME", str(place.home))
    monkeypatch.setenv("BLOCKS_URL", place.url)
    library = Library(open_registry())
    for block_type in (Leaf, Tree):
        library.register(block_type)
    library.close()  # what is forked from now on must find no open connection
    return library


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_what_was_acknowledged_outlives_kills_at_random_moments(
    library: Library, place: RegistryPlace, tmp_path: Path
) -> None:
    """Two processes at a time, so that one is killed while the other holds or waits for the lock.

    They save, apply, rename and rewrap; every tenth kill the key is rotated, so that there is always more to rewrap.
    """
    random.seed(os.environ.get("BLOCKS_KILLS_SEED", "1"))
    with use_library(library):
        living: list[Child] = []
        for number in range(KILLS):
            child = Child(number, tmp_path / f"acknowledged-{number}")
            child.start()
            living.append(child)
            time.sleep(random.uniform(*LIVES_SECONDS))
            if len(living) == 2:
                killed = living.pop(random.randrange(2))
                killed.kill()
                with place.held():  # a server may still be committing what it was sent
                    pass
                look(library, killed)
                if number % 10 == 0 and number:
                    open_rotation().add()
                    open_rotation().promote()
                library.close()
        for child in living:
            child.kill()
            with place.held():
                pass
            look(library, child)
        retire_old_keys(library)
        report = library.registry.verify_audit()
        assert report.problems == ()
        saved = sum(
            len(library.registry.history("kill-leaf", line.name))
            for line in library.registry.find("kill-leaf")
        )
        assert saved > KILLS, "the children lived too short to do anything"
    library.close()
