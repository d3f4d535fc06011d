"""SIGKILL in the middle of an apply: all of it is there, or nothing of it; then it can be applied again."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.library import Library
from blocks_registry.declaring import carry_out, make_plan, read_raw
from blocks_registry.opening import open_library

KILLS = int(os.environ.get("BLOCKS_KILLS", "20")) // 2
COUNT = 40


class Held(Block, slug="applied-held"):
    """What is held."""

    generation: int
    token: SecretStr


class Holder(Block, slug="applied-holder"):
    """What holds."""

    generation: int
    held: Held


def declared(generation: int) -> bytes:
    """Return blocks of one generation, those that hold before those that are held; some are of this one only."""
    holders = [
        f"block: applied-holder/h{n}\nlabels: {{set: all}}\n"
        f"fields: {{generation: {generation}, held: applied-held/h{n}}}\n"
        for n in [*range(COUNT), 1000 + generation]
    ]
    held = [holder.partition("fields:")[0].replace("holder", "held") for holder in holders]
    fields = f"fields: {{generation: {generation}, token: {{value: token-{generation}}}}}\n"
    return "---\n".join([*holders, *(head + fields for head in held)]).encode()


def apply(library: Library, generation: int) -> None:
    carry_out(make_plan(library, read_raw(declared(generation), "all"), prune={"set": "all"}), library)


def apply_without_end(first: int, acknowledged: Path) -> NoReturn:
    try:
        library = open_library()
        with use_library(library), acknowledged.open("a", buffering=1) as file:
            for generation in range(first, 1_000_000):
                apply(library, generation)
                file.write(f"{generation}\n")
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)


def generations(library: Library) -> set[int]:
    """Return the generations of all blocks, having loaded them."""
    found: set[int] = set()
    for summary in library.registry.find("applied-holder"):
        holder = library.load(Holder, summary.name)
        assert holder.held.token.get_secret_value() == f"token-{holder.held.generation}"
        found |= {holder.generation, holder.held.generation}
        if summary.name.removeprefix("h").isdecimal() and int(summary.name[1:]) >= 1000:
            assert int(summary.name[1:]) == 1000 + holder.generation
    count = len(library.registry.find("applied-held"))
    assert count == len(library.registry.find("applied-holder")) == (COUNT + 1 if found else 0)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_an_apply_that_is_killed_is_there_as_a_whole_or_not_at_all(
    place: RegistryPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_HOME", str(place.home))
    monkeypatch.setenv("BLOCKS_URL", place.url)
    random.seed(1)
    acknowledged, newest, whole = tmp_path / "acknowledged", 0, 0
    longest = 0.6
    for _ in range(KILLS):
        pid = os.fork()
        if pid == 0:
            apply_without_end(newest + 1, acknowledged)
        time.sleep(random.uniform(0.05, longest))
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "the child ended by itself: see its traceback above"
        with place.held():  # a server may still be committing what it was sent
            pass
        library = open_library()
        found = generations(library)
        told = [int(line) for line in acknowledged.read_text().splitlines()] if acknowledged.exists() else []
        newest = max(found, default=0)
        assert len(found) <= 1
        assert newest in (max(told, default=0), max(told, default=0) + 1)
        whole += len(found)
        if not whole:  # a busy machine takes longer for the first one
            longest *= 1.3
        assert not library.registry.verify_audit().problems
        library.close()
    assert whole  # some were quick enough to be done before the kill
    library = open_library()
    apply(library, newest + 1)
    assert generations(library) == {newest + 1}
    library.close()
