"""The pages of the block types say what there is, and their examples run, against servers on loopback."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs_places import PLACES, SECRET, Stage

from blocks_core.block import Block
from blocks_core.catalog import Catalog
from blocks_core.discovery import Offer, read_offers
from blocks_core.testing import DocsSuite
from blocks_core.testing.docs_suite import PAGE_MARKER
from blocks_registry.authoring.pages import MARKER
from blocks_registry.cli import main

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "blocks"
BIN = Path(sys.executable).parent

OFFERS = {offer.name: offer for offer in read_offers("blocks.types") if offer.package.startswith("blocks_")}


SLUGS = sorted(OFFERS)
"""Nothing is imported for it: one plugin that cannot be imported fails its own tests, and no other's."""


def slugs_of(readme: Path) -> list[str]:
    return [slug for slug, offer in OFFERS.items() if offer.package == f"blocks_{readme.parent.name}"]


PLUGIN_READMES = sorted((ROOT / "plugins").glob("*/README.md"))


class Reader:
    """Someone who tries the examples of a page, each in a home of its own, with addresses that exist here."""

    def __init__(self, folder: Path, stages: Iterable[Stage]) -> None:
        self.folder = folder
        self.before: list[str] = []
        self.env = {"HOME": str(folder), "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"}
        self._addresses: dict[str, str] = {}
        self._typed: dict[str, str] = {}
        for stage in stages:
            here = {there: found.replace("{folder}", str(folder)) for there, found in stage.addresses.items()}
            self._addresses |= here
            self._typed |= stage.typed
            self.before += [line for line in stage.before if line not in self.before]
            self.env |= {
                name: value.replace("{folder}", str(folder)) for name, value in stage.environment.items()
            }
            for name, text in stage.files.items():
                (folder / name).write_text(text)

    def run_python(self, code: str) -> str:
        return self._run([sys.executable, "-W", "error", "-c", self._here(code)], home="python")

    def run_command(self, line: str) -> str:
        secrets = re.findall(r"--secret (\S+)", line)
        typed = "".join(f"{self._typed.get(name, SECRET)}\n" for name in secrets)
        return self._run(["bash", "-c", self._here(line)], home="command", typed=typed)

    def _here(self, text: str) -> str:
        for there in sorted(self._addresses, key=len, reverse=True):
            text = text.replace(there, self._addresses[there])
        return text

    def _run(self, command: list[str], *, home: str, typed: str = "") -> str:
        done = subprocess.run(
            command,
            env=self.env | {"BLOCKS_HOME": str(self.folder / home)},
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        shown = done.stdout + done.stderr
        assert done.returncode == 0, f"{command[-1]}\n{shown}"
        assert SECRET not in shown
        return shown


@pytest.fixture
def reader_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Reader]:
    """Makes the reader of the pages of some types, with all that these need."""

    def make(*slugs: str) -> Reader:
        places = dict.fromkeys(PLACES[slug] for slug in slugs if slug in PLACES)
        stages = [
            place(*(request.getfixturevalue(name) for name in inspect.signature(place).parameters))
            for place in places
        ]
        return Reader(tmp_path, stages)

    return make


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the command lines of a page; one that goes on in the next line ends in a backslash."""
    joined = "".join(fences(text, "console")).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("slug", SLUGS)
class TestDocs(DocsSuite):
    """The kit's own suite, whose results count for the tier of each type."""

    @pytest.fixture
    def block_type(self, slug: str) -> type[Block]:
        return Catalog().find(slug)

    @pytest.fixture
    def page(self, slug: str) -> Path:
        return FOLDER / f"{slug}.md"

    @pytest.fixture
    def run_example(self, slug: str, reader_of: Callable[..., Reader]) -> Callable[[str], object]:
        return reader_of(slug).run_python


@pytest.mark.parametrize("slug", SLUGS)
def test_the_examples_of_a_page_run_one_after_the_other(slug: str, reader_of: Callable[..., Reader]) -> None:
    text = (FOLDER / f"{slug}.md").read_text()
    if not fences(text.partition(MARKER)[2], "python"):
        return  # the docstring's is the only one, and has run above
    reader = reader_of(slug)
    shown = "".join(reader.run_python(code) for code in fences(text, "python"))
    for expected in fences(text, "text"):
        assert expected in shown


@pytest.mark.parametrize("slug", SLUGS)
def test_the_command_lines_of_a_page_run(slug: str, reader_of: Callable[..., Reader]) -> None:
    reader = reader_of(slug)
    found = commands((FOLDER / f"{slug}.md").read_text())
    assert any(line.startswith(f"block create {slug} ") for line in found)
    for line in [*reader.before, *found]:
        if not line.startswith("pip install"):
            reader.run_command(line)


@pytest.mark.parametrize("readme", PLUGIN_READMES, ids=lambda readme: readme.parent.name)
def test_the_examples_of_a_plugins_readme_run(readme: Path, reader_of: Callable[..., Reader]) -> None:
    reader = reader_of(*slugs_of(readme))
    for code in fences(readme.read_text(), "python"):
        reader.run_python(code)


@pytest.mark.parametrize("package", sorted({offer.package for offer in OFFERS.values()}))
def test_the_heads_of_a_packages_pages_are_what_its_classes_say(package: str) -> None:
    done = CliRunner().invoke(main, ["plugin", "docs", package, "--to", str(FOLDER), "--check"])
    assert done.exit_code == 0, done.output


def test_the_catalog_is_what_the_classes_say() -> None:
    packages = sorted({offer.package for offer in OFFERS.values()})
    done = CliRunner().invoke(
        main, ["plugin", "docs", *packages, "--to", str(FOLDER), "--catalog", "--check"]
    )
    assert done.exit_code == 0, done.output
    assert len(re.findall(r"<img ", (FOLDER / "README.md").read_text())) >= len(OFFERS)


def test_every_page_is_of_a_block_type() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} - {"README"} == set(OFFERS)


def test_every_type_is_in_the_readme_of_its_plugin() -> None:
    def missing(offer: Offer) -> bool:
        readme = ROOT / "plugins" / offer.package.removeprefix("blocks_") / "README.md"
        return f"`{offer.name}`" not in readme.read_text()

    assert [slug for slug, offer in OFFERS.items() if missing(offer)] == []


def test_the_kit_and_the_command_mean_the_same_line() -> None:
    assert PAGE_MARKER == MARKER
