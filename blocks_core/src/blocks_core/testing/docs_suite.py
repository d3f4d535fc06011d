"""`DocsSuite`: what the documentation of every block type must do.

    class TestMyDocs(DocsSuite):
        @pytest.fixture
        def block_type(self):
            return MyStorage

        @pytest.fixture
        def page(self):
            return Path(__file__).parents[1] / "docs" / "my-storage.md"

The head of the page is written by `block plugin docs`, and compared as a whole by its option `--check`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from blocks_core.block import Block, slug_of
from blocks_core.current import use_library
from blocks_core.schema import describe
from blocks_core.testing.memory import memory_library

PAGE_MARKER = '<!-- End of what "block plugin docs" writes. -->'
"""The line between what is written from the class and what its author writes."""

_EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class DocsSuite:
    """Inherit it and give the fixtures `block_type` and `page`; `addresses` where the example names a service."""

    @pytest.fixture
    def block_type(self) -> type[Block]:
        """Return the type under test."""
        raise NotImplementedError("Give a fixture 'block_type'.")

    @pytest.fixture
    def page(self) -> Path:
        """Return the type's page."""
        raise NotImplementedError("Give a fixture 'page'.")

    @pytest.fixture
    def addresses(self) -> Mapping[str, str]:
        """Return what the example names -> what stands for it here, such as a server on loopback."""
        return {}

    @pytest.fixture
    def run_example(self, addresses: Mapping[str, str]) -> Callable[[str], object]:
        """Return a function that runs an example; here with a library of its own, in memory."""

        def run(code: str) -> None:
            for there, here in addresses.items():
                code = code.replace(there, here)
            with use_library(memory_library()):
                exec(compile(code, "the example", "exec"), {"__name__": "__example__"})

        return run

    def test_its_docstring_shows_how_to_use_it(
        self, block_type: type[Block], run_example: Callable[[str], object]
    ) -> None:
        """A first sentence, and one example in a fence ```python, which runs."""
        text = block_type.type_info.description
        assert re.match(r".+?[.:](\s|$)", text, re.DOTALL), "begin the docstring with a sentence"
        examples = _EXAMPLE.findall(text)
        assert len(examples) == 1, "show in the docstring, in one fence ```python, how the block is used"
        assert block_type.__name__ in examples[0]
        run_example(examples[0])

    def test_its_page_says_what_its_class_says(self, block_type: type[Block], page: Path) -> None:
        """Title, slug, docstring and every field."""
        slug = slug_of(block_type)
        assert page.is_file(), f'write it: "block plugin docs PACKAGE --to FOLDER", for {page.name}'
        head, marker, _ = page.read_text("utf-8").partition(PAGE_MARKER)
        assert marker, f"the page has no line {PAGE_MARKER}"
        renew = 'renew it: "block plugin docs"'
        assert f"\n# {block_type.type_info.title}\n" in head, renew
        assert f"Slug `{slug}`, from " in head, renew
        for paragraph in block_type.type_info.description.split("\n\n"):
            assert paragraph.strip() in head, renew
        schema = cast("dict[str, Any]", describe(block_type).schema)
        for name, node in schema.get("properties", {}).items():
            row = next((line for line in head.splitlines() if line.startswith(f"| `{name}` |")), "")
            assert str(node.get("description", "")).replace("|", "\\|") in row, f"{name}: {renew}"

    def test_its_page_tells_what_to_do_when_it_fails(self, page: Path, block_type: type[Block]) -> None:
        """By the author's hand, below the marker."""
        assert page.stem == block_type.type_info.slug
        own = page.read_text("utf-8").partition(PAGE_MARKER)[2]
        section = own.partition("\n## When it fails\n")[2].partition("\n## ")[0]
        assert section.strip(), "add a section '## When it fails': what a message says, why, what to do"
