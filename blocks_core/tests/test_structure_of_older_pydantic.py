"""The structural hash is the same whichever release of pydantic wrote the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schema_zoo

from blocks_core.schema import schema_of
from blocks_core.structure import structure_hash

RECORDED = sorted((Path(__file__).parent / "schemas_of_older_pydantic").glob("*.json"))


def test_schemas_of_older_releases_are_recorded() -> None:
    assert len(RECORDED) >= 2


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_every_kind_of_field_has_the_hash_that_an_older_pydantic_gives_it(file: Path) -> None:
    recorded: dict[str, Any] = json.loads(file.read_text())
    now = {name: schema_of(found) for name, found in schema_zoo.types().items()}
    assert recorded.keys() == now.keys(), "record the schemas anew, as schema_zoo.py says"
    assert {name: structure_hash(schema) for name, schema in recorded.items()} == {
        name: structure_hash(schema) for name, schema in now.items()
    }


def test_the_kinds_of_fields_are_told_apart_by_their_hashes() -> None:
    """So that the test above cannot pass because everything has one hash."""
    by_hash: dict[str, set[str]] = {}
    for name, found in schema_zoo.types().items():
        by_hash.setdefault(structure_hash(schema_of(found)), set()).add(name)
    alike = sorted(sorted(names) for names in by_hash.values() if len(names) > 1)
    assert alike == [
        ["any", "json value"],
        ["aware", "datetime"],
        ["bounded decimal", "decimal"],
        ["bounded secret", "secret"],
        ["constrained", "str", "strict"],
        ["deque", "long tuple", "root"],
        ["http url", "url"],
        ["int", "positive"],
        ["named tuple", "tuple"],
    ]
