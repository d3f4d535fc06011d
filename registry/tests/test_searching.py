"""Looking for documents, on both databases: what is found is what fits, page by page, within a list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from registry_places import RegistryPlace

import blocks_registry
from blocks_core import Block
from blocks_core.current import Actor, acting_as
from blocks_core.document import Draft, Encoded
from blocks_core.errors import BlockNotFound
from blocks_core.schema import describe
from blocks_core.upgrading import upgrades
from blocks_registry import LocalRegistry
from blocks_registry.access import GuardedRegistry, Holder, Reach, Role
from blocks_registry.searching import Order, Wanted


class Item(Block, slug="search-item"):
    """Found."""


class ItemGoneOn(Block, slug="search-item", version=2):
    """Found, and more."""

    more: str = ""

    @upgrades(from_version=1)
    def _more_came(data):
        return {**data, "more": ""}


class Group(Block, slug="searchx-group"):
    """Holds items."""

    items: list[Item] = []


@pytest.fixture
def registry(place: RegistryPlace) -> Iterator[LocalRegistry]:
    registry = place.registry()
    for block_type in (Item, Group):
        registry.register(describe(block_type))
    yield registry
    registry.close()


def save(registry: LocalRegistry, block_type: type[Block], name: str, *held: str, **labels: str) -> None:
    described = describe(block_type)
    ids = [registry.read("search-item", each).id for each in held]
    data = {"items": [None] * len(ids)} if block_type is Group else {}
    marks = {f"/items/{number}": f"block:{each}" for number, each in enumerate(ids)}
    registry.save(
        Draft(
            described.slug,
            name,
            described.version,
            described.structure_hash,
            Encoded(data, marks),
            labels=labels,
        )
    )


def resave(registry: LocalRegistry, name: str, block_type: type[Block] = Item) -> None:
    described = describe(block_type)
    registry.save(
        Draft("search-item", name, described.version, described.structure_hash, Encoded({}, {})),
        overwrite=True,
    )


def names(
    registry: LocalRegistry | GuardedRegistry, after: str | None = None, limit: int = 100, **wanted: object
) -> list[str]:
    return [line.name for line in registry.search(Wanted(**wanted), after=after, limit=limit)]


def test_what_fits_is_found_by_text_type_and_labels(registry):
    save(registry, Item, "raw_data", team="data")
    save(registry, Item, "rawxdata", team="Data")
    save(registry, Group, "all", team="data", env="prod")
    assert names(registry) == ["raw_data", "rawxdata", "all"]
    assert names(registry, text="raw_") == ["raw_data"]
    assert names(registry, text="item/raw") == ["raw_data", "rawxdata"]
    assert names(registry, text="%") == names(registry, text="!") == names(registry, text="\0") == []
    assert names(registry, slug="searchx-group") == ["all"]
    assert names(registry, labels={"team": "data"}) == ["raw_data", "all"]
    assert names(registry, labels={"team": "data", "env": "prod"}) == ["all"]
    assert names(registry, labels={"tea_": "data"}) == names(registry, labels={'"': "%"}) == []
    assert names(registry, text="all", described=frozenset({"search-item"})) == [
        "raw_data",
        "rawxdata",
        "all",
    ]
    assert names(registry, capability="storage") == []


def test_pages_have_each_document_once(registry):
    for number in range(7):
        save(registry, Item, f"n{number}", team="Data" if number % 2 else "data")
    assert names(registry, limit=3) == ["n0", "n1", "n2"]
    assert names(registry, after="search-item/n2", limit=3) == ["n3", "n4", "n5"]
    assert names(registry, limit=3, labels={"team": "data"}) == ["n0", "n2", "n4"]
    assert names(registry, after="search-item/n4", limit=3, labels={"team": "data"}) == ["n6"]


def test_what_was_saved_last_comes_first_page_by_page(registry):
    for number in range(7):
        save(registry, Item, f"n{number}", team="data" if number % 2 else "ops")
    save(registry, Group, "all")
    resave(registry, "n2")
    registry.rename("search-item", "n5", "a5")
    newest = ["n2", "all", "n6", "a5", "n4", "n3", "n1", "n0"]

    def paged(limit: int, **wanted: object) -> list[str]:
        asked, found, after = Wanted(order=Order.NEWEST, **wanted), [], None
        while lines := registry.search(asked, after=after, limit=limit):
            found += [line.name for line in lines]
            after = Order.NEWEST.place_of(lines[-1])
        return found

    assert names(registry, order=Order.NEWEST) == newest
    for limit in (1, 3, 8):
        assert paged(limit) == newest
    assert paged(2, labels={"team": "data"}) == ["a5", "n3", "n1"]
    assert paged(2, slug="searchx-group") == ["all"]
    for garbage in ("x", "nan/a/b", "//", "1e999/a/b"):
        assert names(registry, order=Order.NEWEST, after=garbage) == newest
    assert names(registry, order=Order.NEWEST, after="-1/a/b") == []
    narrow = GuardedRegistry(registry, Holder("id", "ann", Role.VIEWER, Reach.of(["search-item/n*"])))
    assert names(narrow, order=Order.NEWEST) == ["n2", "n6", "n4", "n3", "n1", "n0"]


def test_what_is_stored_as_of_an_older_version_is_found(registry):
    for name in ("a", "b"):
        save(registry, Item, name)
    save(registry, Group, "all")
    assert names(registry, outdated=True) == []
    registry.register(describe(ItemGoneOn))
    assert names(registry, outdated=True) == ["a", "b"]
    resave(registry, "a", ItemGoneOn)
    assert names(registry, outdated=True) == ["b"]
    assert names(registry, outdated=True, text="item/a") == []


def test_a_database_from_before_that_was_noted_tells_it_too(place: RegistryPlace, tmp_path, monkeypatch):
    (tmp_path / "migrations_of_then").mkdir()
    for path in Path(blocks_registry.__file__).parent.glob("migrations/000[1-4]*.sql"):
        shutil.copy(path, tmp_path / "migrations_of_then")
    (tmp_path / "migrations_of_then" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    database = place.database()
    database.migrate("registry", "migrations_of_then")
    database.close()
    ids = [str(UUID(int=number)) for number in range(3)]
    types = [describe(each) for each in (Item, ItemGoneOn)]
    place.run(
        *(
            "INSERT INTO block_types VALUES "
            f"('search-item', {each.version}, '{each.structure_hash}', '[]', '{json.dumps(each.to_json())}', 0)"
            for each in types
        ),
        *(
            f"INSERT INTO documents (id, slug, name, version, saved_at) VALUES ('{key}', 'search-item', '{name}', 1, 0)"
            for key, name in zip(ids, ("old", "new", "damaged"), strict=True)
        ),
        *(
            "INSERT INTO document_versions (document_id, version, type_version, data, marks, saved_at) "
            f"VALUES ('{key}', 1, {version}, '{{}}', '{{}}', 0)"
            for key, version in zip(ids, (1, 2), strict=False)
        ),
    )
    registry = place.registry()
    assert names(registry, outdated=True, text="item/old") == ["old"]
    assert names(registry, text="item/new")[0] == "new"
    assert "new" not in names(registry, outdated=True)
    registry.close()


def test_what_somebody_resolved_is_found(registry):
    for name in ("a", "b"):
        save(registry, Item, name)
    registry.load("search-item", "b")
    assert len(registry.usages("search-item", "b")) == 1  # they are written now
    assert names(registry, used=True) == ["b"]


def test_nobody_finds_what_is_beyond_their_list(registry):
    for name in ("a", "prod-a", "prod_b"):
        save(registry, Item, name)
    save(registry, Group, "prod-c", "a")

    def seen(*patterns: str) -> list[str]:
        return names(GuardedRegistry(registry, Holder("id", "ann", Role.VIEWER, Reach.of(patterns))))

    assert seen("search-item/prod-*") == ["prod-a"]
    assert seen("search-item/prod_*") == ["prod_b"]
    assert seen("*/prod-*") == ["prod-a", "prod-c"]
    assert seen("search-item/a", "searchx-*/*") == ["a", "prod-c"]
    assert seen("other/*") == []


def test_users_are_counted_up_to_a_limit_and_some_are_named(registry):
    save(registry, Item, "held")
    save(registry, Item, "free")
    for number in range(5):
        save(registry, Group, f"g{number}", "held", "held")
    held, free = (registry.read("search-item", name).id for name in ("held", "free"))
    assert registry.count_users([held, free]) == {held: 5, free: 0}
    assert registry.count_users([held], limit=3) == {held: 3}
    assert registry.some_users("search-item", "held", limit=9) == [f"searchx-group/g{n}" for n in range(5)]
    assert len(registry.some_users("search-item", "held", limit=2)) == 2
    with pytest.raises(BlockNotFound):
        registry.some_users("search-item", "no-such", limit=2)
    narrow = GuardedRegistry(registry, Holder("id", "ann", Role.VIEWER, Reach.of(["search-item/*"])))
    assert narrow.some_users("search-item", "held", limit=2) == []
    assert narrow.count_users([held]) == {held: 5}


def test_who_used_a_document_last_is_told_without_all_others(registry):
    save(registry, Item, "used")
    for number in range(4):
        with acting_as(Actor("flow run", f"run-{number}", str(number))):
            registry.load("search-item", "used")
    assert len(registry.usages("search-item", "used")) == 4
    found = registry.last_usages("search-item", "used", limit=3)
    assert found == registry.usages("search-item", "used")[:3]
