"""Times loads and saves through the embedded registry, or the one of BLOCKS_URL, from 10 to 100,000 documents.

Run it with `.venv/bin/python bench/registry.py [DOCUMENTS ...]`. It works in a folder of its own and prints medians
in milliseconds; beside them what one durable commit of the same database costs here, as a measure of the disk.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from pydantic import Field, SecretStr

from blocks_core import Block, use_library
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_registry.opening import open_registry

SIZES = (10, 1_000, 10_000, 100_000)
BATCH = 1_000


class Login(Block, slug="bench-login"):
    """Who one is."""

    user: str = Field("ann", description="Name.")
    password: SecretStr = Field(SecretStr("hidden"), description="Password.")


class Store(Block, slug="bench-store"):
    """Holds logins."""

    bucket: str = Field("raw", description="Name.")
    logins: list[Login] = Field([], description="Who may.")


def median_ms(act: Callable[[int], object], times: int) -> float:
    taken: list[float] = []
    for number in range(times):
        start = perf_counter()
        act(number)
        taken.append(perf_counter() - start)
    return statistics.median(taken) * 1000


def commit_ms(folder: Path) -> float:
    connection = sqlite3.connect(folder / "disk.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (a)")
    return median_ms(lambda number: connection.execute("INSERT INTO t VALUES (?)", (number,)), 200)


def main() -> None:
    """Fill a registry step by step and time it at each size."""
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BLOCKS_HOME"] = folder
        registry = open_registry()
        library = Library(registry)
        with use_library(library):
            logins = [Login() for _ in range(5)]
            for number, login in enumerate(logins):
                login.save(f"held-{number}")
            Store(logins=logins).save("tree")
            draft = library.draft(Login(), "any")
            print(f"one durable commit: {commit_ms(Path(folder)):.3f} ms")
            print("documents    load    save  tree of 6")
            named = 0
            for size in sizes:
                while named < size:
                    batch = range(named, min(named + BATCH, size))
                    registry.change([Put(replace(draft, name=f"n{number}")) for number in batch])
                    named = batch.stop
                load = median_ms(lambda number, of=size: Login.load(f"n{number * 7919 % of}"), 500)
                tree = median_ms(lambda _: Store.load("tree"), 300)
                save = median_ms(lambda number, at=size: Login().save(f"s{at}-{number}"), 200)
                print(f"{size:9,}  {load:6.3f}  {save:6.3f}  {tree:9.3f}", flush=True)
        registry.close()


if __name__ == "__main__":
    main()
