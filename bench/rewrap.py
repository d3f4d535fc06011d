"""Times `block keys rewrap` over 100,000 documents with sealed secrets, alone and while another process saves.

Run it with `.venv/bin/python bench/rewrap.py [DOCUMENTS]`. It works in a folder of its own, and, where BLOCKS_URL
names one, in that database. It prints seconds, the peak memory beside that of the same program with nothing to do,
and how long the saves of the other process took.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from time import perf_counter

from pydantic import Field, SecretStr

from blocks_core import Block, use_library
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_registry.opening import open_registry, open_rotation

BATCH = 1_000

REWRAP = """
import resource, sys
from time import perf_counter
from blocks_registry.opening import open_rotation
rotation = open_rotation()
start = perf_counter()
done = rotation.rewrap()
seconds = perf_counter() - start
print(done.rewrapped, done.left, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


class Login(Block, slug="bench-login"):
    """Who one is."""

    user: str = Field("ann", description="Name.")
    password: SecretStr = Field(SecretStr("hidden"), description="Password.")


def fill(library: Library, documents: int) -> None:
    draft = library.draft(Login(), "any")
    for first in range(0, documents, BATCH):
        batch = range(first, min(first + BATCH, documents))
        library.registry.change([Put(replace(draft, name=f"n{number}")) for number in batch])


def promote_new_key() -> None:
    rotation = open_rotation()
    rotation.add()
    rotation.promote()
    rotation.close()


def rewrap() -> tuple[int, int, float, int]:
    done = subprocess.run([sys.executable, "-c", REWRAP], capture_output=True, text=True, check=True)
    rewrapped, left, seconds, peak = done.stdout.split()
    return int(rewrapped), int(left), float(seconds), int(peak)


def save_until(stop: Event, results: object) -> None:
    registry = open_registry()
    taken: list[float] = []
    with use_library(Library(registry)):
        for number in count():
            if stop.is_set():
                break
            start = perf_counter()
            Login().save(f"during-{number}")
            taken.append((perf_counter() - start) * 1000)
    registry.close()
    results.put(taken)  # type: ignore[attr-defined]


def shown(milliseconds: Iterable[float]) -> str:
    found = sorted(milliseconds)
    return (
        f"{len(found)} saves, p50 {statistics.median(found):.1f} ms, p99 {found[len(found) * 99 // 100]:.1f} ms, "
        f"longest {found[-1]:.1f} ms"
    )


def main() -> None:
    """Fill a registry, give it a new key, and rewrap it: alone, then while another process saves."""
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BLOCKS_HOME"] = folder
        registry = open_registry()
        library = Library(registry)
        with use_library(library):
            Login().save("first")
            start = perf_counter()
            fill(library, documents)
        registry.close()
        print(f"{documents:,} documents were made in {perf_counter() - start:.1f} s", flush=True)
        *_, idle = rewrap()
        promote_new_key()
        rewrapped, left, seconds, peak = rewrap()
        print(
            f"alone: {rewrapped:,} in {seconds:.1f} s, {left} left, peak {peak} MiB ({idle} MiB with nothing to do)"
        )
        context = get_context("spawn")
        stop, results = context.Event(), context.Queue()
        saver = context.Process(target=save_until, args=(stop, results))
        saver.start()
        promote_new_key()
        rewrapped, left, seconds, peak = rewrap()
        stop.set()
        taken = results.get()
        saver.join()
        print(
            f"beside a saver: {rewrapped:,} in {seconds:.1f} s, {left} left, peak {peak} MiB; {shown(taken)}"
        )


if __name__ == "__main__":
    main()
