"""Where the value of each field comes from, told of blocks in a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from blocks_core import Block, SecretBytesRef, SecretRef, SecretSource, upgrades, use_library
from blocks_core.errors import BlockNotFound, SecretUnresolved
from blocks_core.library import Library
from blocks_core.source_values import SOURCE_VALUES
from blocks_registry.explaining import Explanation, Origin, explain, read_key_id
from blocks_registry.opening import open_database, open_library


class Place(BaseModel):
    host: str
    port: int = 443
    token: SecretStr | None = None


class Login(Block, slug="explain-login"):
    """Who one is."""

    user: str = "anna"
    password: SecretStr


class Safe(SecretSource, slug="explain-safe"):
    """Keeps secrets."""

    token: SecretStr = SecretStr("")
    cache_seconds: int = 60

    def read_secret(self, key: str) -> SecretBytes:
        if key == "none":
            raise SecretUnresolved("The safe has no secret 'none'. Put it there.")
        return SecretBytes(b"planted-of-a-safe")


class Shop(Block, slug="explain-shop"):
    """Every kind of field."""

    name: str
    pause: timedelta = timedelta(hours=1)
    ratio: float = 1.0
    places: list[Place] = []
    main: Place = Place(host="h")
    settings: dict[str, Any] = {}
    login: Login | None = None
    spare: Login | None = None
    token: SecretStr = SecretStr("planted-default")
    key: SecretBytes | None = None
    headers: dict[str, SecretStr] = {}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("BLOCKS_HOME", str(tmp_path))
    monkeypatch.delenv("BLOCKS_URL", raising=False)
    SOURCE_VALUES.forget()
    library = open_library()
    with use_library(library):
        yield library
    library.close()


def by_path(found: Explanation) -> dict[str, Origin]:
    assert "planted" not in repr(found)
    assert len({origin.path for origin in found.origins}) == len(found.origins)
    return {origin.path: origin for origin in found.origins}


def test_each_field_is_set_in_the_version_that_changed_it_last_or_equals_the_default(
    library: Library,
) -> None:
    shop = Shop(name="one", places=[Place(host="a")], settings={"x": {"y": 1}})
    shop.save("s")
    shop.ratio = 2.5
    shop.token = SecretStr("planted-second")
    shop.save("s", overwrite=True)
    shop.name, shop.ratio, shop.main = "two", 1.0, Place(host="h", port=80)
    shop.save("s", overwrite=True)
    found = by_path(explain(library, "explain-shop", "s"))
    assert {path: (origin.kind, origin.since and origin.since.version) for path, origin in found.items()} == {
        "name": ("value", 3),
        "pause": ("default", 1),
        "ratio": ("default", 3),
        "places": ("value", 1),
        "main.host": ("value", 1),
        "main.port": ("value", 3),
        "main.token": ("default", 1),
        "settings": ("value", 1),
        "login": ("default", 1),
        "spare": ("default", 1),
        "token": ("secret", 2),
        "key": ("default", 1),
        "headers": ("default", 1),
    }
    assert found["name"].value == "two"
    assert found["name"].since is not None
    assert found["name"].since.saved_by
    assert found["token"].value is None
    assert found["settings"].value == {"x": {"y": 1}}


def test_what_a_block_holds_is_told_with_who_saved_it(library: Library) -> None:
    login = Login(password=SecretStr("planted"))
    login.save("prod")
    login.user = "bert"
    login.save("prod", overwrite=True)
    Shop(
        name="x",
        login=login,
        spare=Login(password=SecretStr("planted")),
        places=[Place(host="h", token=SecretStr("planted"))],
        headers={"A": SecretStr("planted")},
    ).save("s")
    found = by_path(explain(library, "explain-shop", "s"))
    assert (found["login"].kind, found["login"].value) == ("block", "explain-login/prod")
    assert found["login"].held is not None
    assert found["login"].held.version == 2
    assert (found["spare"].kind, found["spare"].value) == ("inline block", "explain-login@1")
    assert (found["spare.user"].kind, found["spare.password"].kind) == ("default", "secret")
    assert (found["places.0.host"].kind, found["places.0.token"].kind) == ("value", "secret")
    assert found["headers.A"].kind == "secret"
    Login.delete("prod", force=True)
    origin = by_path(explain(library, "explain-shop", "s"))["login"]
    assert origin.held is None
    assert "deleted" in str(origin.value)


def test_references_are_tried_and_nothing_of_what_they_lead_to_is_told(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_TEST_FOUND", "planted-in-the-environment")
    (tmp_path / "key").write_text("planted-in-a-file")
    Safe().save("prod")
    Shop(
        name="x",
        token=SecretRef("env:BLOCKS_TEST_FOUND"),
        key=SecretBytesRef(f"file:{tmp_path}/key"),
        headers={
            "source": SecretRef("explain-safe/prod/k"),
            "none": SecretRef("explain-safe/prod/none"),
            "lost": SecretRef("env:BLOCKS_TEST_LOST"),
        },
    ).save("s")
    found = by_path(explain(library, "explain-shop", "s"))
    states = {path: origin.reference for path, origin in found.items() if origin.kind == "secret reference"}
    assert set(states) == {"token", "key", "headers.source", "headers.none", "headers.lost"}
    assert states["token"] is not None
    assert (states["token"].problem, states["token"].cache_seconds) == ("", None)
    assert found["token"].value == "env:BLOCKS_TEST_FOUND"
    source = states["headers.source"]
    assert source is not None
    assert (source.problem, source.source_version, source.cache_seconds) == ("", 1, 60)
    assert source.age_seconds is not None
    assert "no secret 'none'" in str(states["headers.none"])
    assert "BLOCKS_TEST_LOST" in str(states["headers.lost"])


def test_the_key_that_seals_is_told(library: Library) -> None:
    Shop(name="x").save("sealed")
    Safe(token=SecretRef("env:X")).save("open")
    database = open_database()
    key_id = read_key_id(database, library.registry.read("explain-shop", "sealed"))
    assert key_id
    assert explain(library, "explain-shop", "sealed", key_id).key_id == key_id
    assert read_key_id(database, library.registry.read("explain-safe", "open")) is None
    database.close()


def test_without_the_key_all_but_the_age_of_secrets_is_told(library: Library, tmp_path: Path) -> None:
    shop = Shop(name="one")
    shop.save("s")
    shop.name = "two"
    shop.save("s", overwrite=True)
    os.remove(tmp_path / "keys.json")
    fresh = open_library()
    found = by_path(explain(fresh, "explain-shop", "s"))
    fresh.close()
    assert (found["name"].since and found["name"].since.version) == 2
    assert (found["ratio"].since and found["ratio"].since.version) == 1
    assert (found["token"].kind, found["token"].since) == ("secret", None)


def test_what_an_upgrade_makes_on_load_is_told_apart_from_what_is_stored(library: Library) -> None:
    class First(Block, slug="explain-grown"):
        host: str
        word: SecretStr
        old: str = "o"

    First(host="h", word=SecretStr("planted")).save("g")
    First(host="i", word=SecretStr("planted")).save("g", overwrite=True)

    class Second(Block, slug="explain-grown", version=2):
        host: str
        login: dict[str, SecretStr]
        port: int = 22

        @upgrades(from_version=1)
        def _word_became_a_login(data: dict[str, Any]) -> dict[str, Any]:
            return {"host": data["host"], "login": {"word": data["word"]}, "port": 21}

    explained = explain(library, "explain-grown", "g")
    found = by_path(explained)
    assert explained.upgrades == ["the upgrade of 'explain-grown' from version 1 (_word_became_a_login)"]
    assert (found["host"].kind, found["host"].since and found["host"].since.version) == ("value", 2)
    assert (found["port"].kind, found["port"].value, found["port"].since) == ("upgrade", 21, None)
    word = found["login.word"]
    assert (word.kind, word.moved_from, word.since and word.since.version) == ("secret", "word", 1)
    assert "old" not in found


def test_a_block_that_cannot_be_upgraded_is_told_as_it_is_stored(library: Library) -> None:
    class First(Block, slug="explain-stuck"):
        host: str

    First(host="h").save("g")

    class Third(Block, slug="explain-stuck", version=3):
        port: int

    explained = explain(library, "explain-stuck", "g")
    assert "there is no upgrade from version 1 to 2" in explained.problem
    assert by_path(explained)["host"].kind == "value"


def test_a_block_that_is_not_there_is_an_error(library: Library) -> None:
    Shop(name="x").save("s")
    with pytest.raises(BlockNotFound):
        explain(library, "explain-shop", "no")


def test_of_many_versions_the_right_ones_are_told(library: Library) -> None:
    shop = Shop(name="0")
    for number in range(30):
        shop.name, shop.ratio = str(number), float(number)
        shop.save("s", overwrite=True)
    found = by_path(explain(library, "explain-shop", "s"))
    assert (found["name"].since and found["name"].since.version) == 30
    assert (found["pause"].since and found["pause"].since.version) == 1
