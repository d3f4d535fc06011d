"""A program that writes and loads through a server until it is told to stop, and notes what it was told to be done.

    python killed_client.py NUMBER FILE URL

Any error ends it: it must notice nothing of a server or a database that is killed and comes back.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from itertools import count
from types import FrameType
from uuid import uuid4

from pydantic import Field, SecretStr

from blocks_core import Block
from blocks_core.document import Draft, reference_mark
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_registry import RemoteRegistry
from blocks_registry.remote_transport import Transport


class Leaf(Block, slug="served-leaf"):
    """What is held."""

    counter: int = Field(0, description="Which save it was.")
    token: SecretStr = Field(SecretStr("x"), description="A secret that says the same.")


class Tree(Block, slug="served-tree"):
    """What holds."""

    counter: int = Field(0, description="Which change it was.")
    leaf: Leaf | None = Field(None, description="Changed together with the tree.")


class Client:
    """One client, which does one thing after the other."""

    def __init__(self, number: int, registry: RemoteRegistry) -> None:
        self.number = number
        self.library = Library(registry)
        self._registry = registry
        self._leaf_of_tree = uuid4()

    def register(self) -> None:
        for block_type in (Leaf, Tree):
            self.library.register(block_type)
        self._save(f"name-{self.number}-0", 0)

    def create(self, counter: int) -> None:
        """Make a block that must not be there: a retry must not take its own for another's."""
        name = f"made-{self.number}-{counter}"
        found = self._registry.save(self.library.draft(leaf_of(counter), name))
        assert (found.name, found.version) == (name, 1)

    def save(self, counter: int) -> None:
        self._save(f"saved-{self.number}", counter)

    def rename(self, counter: int) -> None:
        (old,) = [
            line.name
            for line in self._registry.find("served-leaf")
            if line.name.startswith(f"name-{self.number}-")
        ]
        found = self._registry.rename("served-leaf", old, f"name-{self.number}-{counter}")
        assert found.name == f"name-{self.number}-{counter}"

    def change(self, counter: int) -> None:
        """Change a tree and what it holds together."""
        name = f"tree-{self.number}"
        tree: Draft = self.library.draft(Tree(counter=counter), name)
        marks = {**tree.content.marks, "/leaf": reference_mark(self._leaf_of_tree)}
        tree = replace(tree, content=replace(tree.content, marks=marks))
        leaf = replace(self.library.draft(leaf_of(counter), name), document_id=self._leaf_of_tree)
        done = self._registry.change([Put(tree), Put(leaf)])
        assert [found and found.slug for found in done] == ["served-tree", "served-leaf"]

    def note(self, counter: int) -> None:
        self._registry.note("test.noted", f"served-leaf/note-{self.number}-{counter}")

    def delete(self, counter: int) -> None:
        self._save(f"gone-{self.number}", counter)
        self._registry.delete("served-leaf", f"gone-{self.number}")

    def load(self, counter: int) -> None:
        leaf = self.library.load(Leaf, f"saved-{self.number}")
        assert leaf.token.get_secret_value() == f"token-{leaf.counter}"

    def _save(self, name: str, counter: int) -> None:
        self._registry.save(self.library.draft(leaf_of(counter), name), overwrite=True)


def leaf_of(counter: int) -> Leaf:
    return Leaf(counter=counter, token=SecretStr(f"token-{counter}"))


def main(number: int, file: str, url: str) -> None:
    is_over = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True

    signal.signal(signal.SIGTERM, end)
    token = os.environ["BLOCKS_TOKEN"]
    registry = RemoteRegistry(Transport(url, lambda: token, wait_seconds=60))
    client = Client(number, registry)
    client.register()
    with open(file, "a", buffering=1, encoding="utf-8") as told:
        for counter in count(1):
            for act in (
                client.create,
                client.save,
                client.load,
                client.rename,
                client.change,
                client.note,
                client.delete,
            ):
                if is_over:
                    registry.close()
                    return
                act(counter)
                told.write(f"{act.__name__} {counter}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
