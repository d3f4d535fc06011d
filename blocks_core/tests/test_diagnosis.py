"""What is wrong with a plugin, read from its source: whatever the source is, it ends in words."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blocks_core.diagnosis import diagnose, parse_source
from blocks_core.discovery import Offer, read_offers


def offer(slug: str) -> Offer:
    return next(found for found in read_offers("blocks.types") if found.name == slug)


def test_a_source_that_is_nested_too_deeply_is_a_fault(plant_plugin) -> None:
    plant_plugin("acme_deep", f"x = {'-' * 100_000}1", "deep = acme_deep:Deep")
    assert diagnose(offer("deep")) == "'acme_deep' is nested too deeply to be read"


def test_a_file_that_cannot_be_read_is_a_fault(plant_plugin) -> None:
    package = plant_plugin("acme_shut", "", "shut = acme_shut:Shut")
    (package / "__init__.py").unlink()
    (package / "__init__.py").symlink_to("/proc/self/mem")  # which root cannot read, either
    assert diagnose(offer("shut")) == "the file of 'acme_shut' cannot be read: Input/output error"


def test_a_tree_that_is_built_in_the_midst_of_another_harms_neither(tmp_path: Path) -> None:
    """As threads do it: before Python 3.13 the first would fail, as all trees' depths are one number."""
    file = tmp_path / "large.py"
    file.write_text("def f():\n    return [1, (2, {3: 4})]\n" * 200)
    expected = ast.dump(parse_source(file))
    with in_the_midst(lambda: ast.parse("x")) as times:
        assert ast.dump(parse_source(file)) == expected
    assert times == [1]


@contextmanager
def in_the_midst(act: Any) -> Iterator[list[int]]:
    """Do something once, when next the garbage is collected; give how often it was done, at the end."""
    times: list[int] = []

    def collected(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and not times:
            times.append(1)
            act()

    before = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(100)
    try:
        yield times
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collected)


@pytest.mark.parametrize("source", ["\0", "def broken(:"])
def test_what_is_not_python_is_a_fault(plant_plugin, source: str) -> None:
    plant_plugin("acme_other", source, "other = acme_other:Other")
    assert "'acme_other' is not Python: " in (diagnose(offer("other")) or "")
