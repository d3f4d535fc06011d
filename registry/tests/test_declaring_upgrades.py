"""Declarations written for an older version of a type go through its upgrades, as stored blocks do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks_core import Block, upgrades
from blocks_core.document import Document
from blocks_core.library import Library
from blocks_registry.declaring import (
    ExportOptions,
    Plan,
    carry_out,
    chosen,
    export_blocks,
    make_plan,
    read_raw,
)
from blocks_registry.errors import DeclarationInvalid
from blocks_registry.opening import open_library
from blocks_registry.settings import Settings


class Old(Block, slug="declared-old", version=1):
    """As it was."""

    bucket_path: str
    since: date
    key: SecretStr


def define_new() -> type[Block]:
    """Install the next version of the type: the newest class of a slug is the one that counts."""

    class New(Block, slug="declared-old", version=2):
        bucket: str
        since: date
        keys: dict[str, SecretStr]
        more: int = 0

        @upgrades(from_version=1)
        def _renamed(data: dict[str, Any]) -> dict[str, Any]:
            data["bucket"] = data.pop("bucket_path")
            data["keys"] = {"main": data.pop("key")}
            return data

    return New


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[Callable[[str], Library]]:
    opened: list[Library] = []

    def open_one(name: str) -> Library:
        home = tmp_path / name
        opened.append(open_library(Settings(home=home, url=f"sqlite:///{home / 'blocks.db'}")))
        return opened[-1]

    yield open_one
    for library in opened:
        library.close()


def exported(library: Library, *, reveal: bool = False) -> str:
    (found,) = export_blocks(
        library.registry, chosen(library.registry, ExportOptions()), reveal_secrets=reveal
    )
    return found.text


def planned(library: Library, text: str) -> Plan:
    return make_plan(library, read_raw(text.encode(), "text"))


def stored(library: Library) -> Document:
    return library.registry.load("declared-old", "a").root


def test_a_declaration_of_an_older_version_is_upgraded_with_its_secrets(
    open_home: Callable[[str], Library],
) -> None:
    library, other = open_home("one"), open_home("other")
    library.save(Old(bucket_path="b", since=date(2020, 1, 1), key=SecretStr("s3cret")), "a")
    kept, revealed = exported(library), exported(library, reveal=True)
    assert "type_version: 1\n" in kept
    new = define_new()

    assert not planned(library, kept).edits
    assert not planned(library, revealed).edits
    assert stored(library).type_version == 1

    plan = planned(library, kept.replace("bucket_path: b", "bucket_path: c"))
    assert plan.blocks[0].type_versions == (1, 2)
    assert plan.types == (new,)
    carry_out(plan, library)
    document = stored(library)
    assert document.type_version == 2
    assert document.content.data == {"bucket": "c", "since": "2020-01-01", "keys": {"main": None}, "more": 0}
    assert document.content.secrets["/keys/main"].data == "s3cret"

    carry_out(planned(other, revealed), other)
    assert stored(other).content.secrets["/keys/main"].data == "s3cret"
    assert stored(other).content.marks["/since"] == "date"
    assert exported(other) == exported(library).replace("bucket: c", "bucket: b")


def test_what_older_and_newer_versions_cannot_say_is_a_problem(open_home: Callable[[str], Library]) -> None:
    library = open_home("one")
    define_new()
    for text, words in (
        (
            "block: declared-old/a\ntype_version: 3\nfields: {bucket: b, since: 2020-01-01, keys: {}}",
            "version 3",
        ),
        (
            "block: declared-old/a\nfields: {bucket_path: b, since: 2020-01-01, key: x}",
            "there is no such field",
        ),
        ("block: declared-old/a\ntype_version: 1\nfields: {bucket: b, since: 2020-01-01}", "bucket_path"),
        ("block: declared-old/a\ntype_version: 0\nfields: {}", "takes a whole number from 1"),
        ("block: declared-old/a\ntype_version: one\nfields: {}", "takes a whole number from 1"),
    ):
        with pytest.raises(DeclarationInvalid, match=words):
            planned(library, text)
    assert library.registry.find() == []
