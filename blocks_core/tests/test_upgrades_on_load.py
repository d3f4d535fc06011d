"""Blocks that older versions of their types stored, loaded through the library."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from blocks_core import Block, Credentials, current_library, upgrades
from blocks_core.errors import BlockInvalid, SchemaTooNew, UpgradeFailed, UpgradeMissing
from blocks_core.library import Library
from blocks_core.schema import describe

PLANTED = "planted-4711-secret"


class Login(Credentials, slug="login"):
    """As version 1 was."""

    user: str
    password: SecretStr

    def identity(self) -> str:
        return self.user


class Place(BaseModel):
    host: str = "h"
    port: int = 1


class Bucket(Block, slug="bucket"):
    """As version 1 was."""

    bucket_path: str
    token: SecretStr = SecretStr(PLANTED)
    login: Login | None = None
    logins: list[dict[str, Credentials | str]] = []
    places: list[Place] = []
    when: date = date(2020, 1, 31)
    pair: tuple[int, SecretStr] | None = None


V1Login, V1Bucket = Login, Bucket


class NewLogin(Credentials, slug="login", version=2):
    """As it is now."""

    username: str
    password: SecretStr

    @upgrades(from_version=1)
    def _user_was_renamed(data):
        data["username"] = data.pop("user")
        return data

    def identity(self) -> str:
        return self.username


class NewPlace(BaseModel):
    address: str


class NewBucket(Block, slug="bucket", version=3):
    """As it is now."""

    bucket: str
    tokens: dict[str, SecretStr]
    login: NewLogin | None = None
    logins: list[dict[str, Credentials | str]] = []
    places: list[NewPlace] = []
    when: date
    pair: tuple[int, SecretStr] | None = None
    prefix: str = "new"

    @upgrades(from_version=1)
    def _bucket_path_was_renamed(data):
        data["bucket"] = data.pop("bucket_path")
        return data

    @upgrades(from_version=2)
    def _tokens_are_many(data):
        token = data.pop("token")
        places = [{"address": f"{place['host']}:{place['port']}"} for place in data["places"]]
        return data | {"tokens": {"main": token}, "places": places}


def stored(**fields: Any) -> str:
    current_library().registry.register(describe(V1Login))
    V1Bucket(**{"bucket_path": "raw", **fields}).save("one", overwrite=True)
    return "one"


def test_a_block_of_an_older_version_loads_through_the_chain(library: Library) -> None:
    stored(places=[Place(host="a"), Place(host="b", port=2)], pair=(1, SecretStr("in the pair")))
    block = NewBucket.load("one")
    assert (block.bucket, block.prefix, block.when) == ("raw", "new", date(2020, 1, 31))
    assert block.tokens["main"].get_secret_value() == PLANTED
    assert [place.address for place in block.places] == ["a:1", "b:2"]
    assert block.pair == (1, SecretStr("in the pair"))


def test_nothing_is_written_back_until_it_is_saved(library: Library) -> None:
    block = NewBucket.load(stored())
    document = library.registry.read("bucket", "one")
    assert (document.version, document.type_version) == (1, 1)
    block.save("one", overwrite=True)
    document = library.registry.read("bucket", "one")
    assert (document.version, document.type_version) == (2, 3)
    assert NewBucket.load("one") == block


def test_an_older_version_of_the_document_loads_too(library: Library) -> None:
    NewBucket.load(stored()).save("one", overwrite=True)
    assert NewBucket.load("one", version=1) == NewBucket.load("one")


def test_blocks_stored_inside_are_upgraded_first_by_their_own_chains(library: Library) -> None:
    inner = Login(user="ann", password=SecretStr("inside"))
    stored(login=inner, logins=[{"a": Login(user="bob", password=SecretStr("deep")), "b": "none"}, {}])
    block = NewBucket.load("one")
    assert block.login == NewLogin(username="ann", password=SecretStr("inside"))
    assert block.logins == [{"a": NewLogin(username="bob", password=SecretStr("deep")), "b": "none"}, {}]


def test_a_block_inside_is_upgraded_where_the_one_around_it_is_current(library: Library) -> None:
    class Around(Block, slug="around"):
        """Holds one."""

        inner: list[Credentials] = []

    library.registry.register(describe(V1Login))
    Around(inner=[Login(user="ann", password=SecretStr("inside"))]).save("one")
    (inner,) = Around.load("one").inner
    assert inner == NewLogin(username="ann", password=SecretStr("inside"))


def test_saved_blocks_that_are_referred_to_have_versions_of_their_own(library: Library) -> None:
    login = Login(user="ann", password=SecretStr("apart"))
    login.save("ann")
    stored(login=login)
    block = NewBucket.load("one")
    assert block.login == NewLogin.load("ann")
    assert block.login is not None
    assert block.login.saved_as is not None
    block.save("one", overwrite=True)  # holding one that is upgraded in memory is no change of it
    assert library.registry.read("login", "ann").type_version == 1


def test_a_missing_step_is_named(library: Library) -> None:
    class Gap(Block, slug="bucket", version=4):
        """Without an upgrade from 2."""

        bucket: str

        @upgrades(from_version=1)
        def _one(data):
            raise AssertionError("no step is done where another is missing")

        @upgrades(from_version=3)
        def _three(data):
            return data

    with pytest.raises(UpgradeMissing) as caught:
        Gap.load(stored())
    for part in (
        "'bucket/one'",
        "by version 1",
        "version 4",
        "no upgrade from version 2 to 3",
        "from_version=2",
    ):
        assert part in str(caught.value)


def test_a_missing_step_of_a_block_inside_names_the_field(library: Library) -> None:
    class Old(Block, slug="gap"):
        """One."""

    class Around(Block, slug="around-a-gap"):
        """Holds them."""

        held: list[Block] = []

    library.registry.register(describe(Old))
    Around(held=[Old()]).save("one")

    class Gap(Block, slug="gap", version=3):
        """No upgrades."""

    with pytest.raises(
        UpgradeMissing, match=r"'around-a-gap/one', field 'held.0', .* from version 1 to 2 and from"
    ):
        Around.load("one")
    assert not Gap.type_info.upgrades


def test_what_a_newer_version_stored_is_refused(library: Library) -> None:
    NewBucket(bucket="raw", tokens={}, when=date(2020, 1, 1)).save("new")
    with pytest.raises(SchemaTooNew, match=r"'bucket/new' was stored by version 3.*version 1 is installed"):
        V1Bucket.load("new")


def upgraded_by(function: Any, **fields: Any) -> type[Block]:
    namespace = {
        "__annotations__": fields,
        "__module__": __name__,
        "_step": upgrades(from_version=1)(function),
    }
    return type(Block)("Made", (Block,), namespace, slug="bucket", version=2)


def same(data: Any) -> Any:
    return data


def test_a_field_that_no_upgrade_took_away_is_refused_by_name(library: Library) -> None:
    name = stored()
    for kept in ("login", "logins", "places", "when", "pair", "token"):
        annotations = {
            "bucket_path": str,
            **dict.fromkeys(("login", "logins", "places", "when", "pair", "token"), Any),
        }
        del annotations[kept]
        with pytest.raises(BlockInvalid) as caught:
            upgraded_by(same, **annotations).load(name)
        assert [problem.path for problem in caught.value.problems] == [kept]
        assert "upgraded from version 1 to 2" in str(caught.value)
        assert "version 1 stored it, and no upgrade (same from version 1) dropped or renamed it" in str(
            caught.value
        )
        assert PLANTED not in str(caught.value)


def adding(data: Any) -> Any:
    return {"bucket_path": data["bucket_path"], "extra": data["token"]}


def adding_in_place(data: Any) -> Any:
    for name in ("token", "login", "logins", "places", "when", "pair"):
        data["extra"] = data.pop(name)
    return data


@pytest.mark.parametrize("function", [adding, adding_in_place])
def test_a_field_that_an_upgrade_added_is_refused_with_the_name_of_the_upgrade(
    library: Library, function: Any
) -> None:
    with pytest.raises(BlockInvalid) as caught:
        upgraded_by(function, bucket_path=str).load(stored())
    (problem,) = caught.value.problems
    assert problem.path == "extra"
    assert problem.problem == (
        f"there is no such field; the upgrade of 'bucket' from version 1 ({function.__name__}) added it"
    )


class Ignoring(BaseModel):
    """A model that drops what it does not know, as pydantic's do unless told."""

    model_config = ConfigDict(extra="ignore")
    host: str


class Holding(BaseModel):
    deep: dict[str, Ignoring] = {}
    secret: SecretStr | None = None


def test_a_field_that_a_nested_model_would_drop_unseen_is_refused(library: Library) -> None:
    def nested(data: Any) -> Any:
        return {"places": data["places"], "token": data["token"]}

    def deeper(data: Any) -> Any:
        return {"place": {"deep": {"a": data["places"][0]}, "secret": None, "lost": data["token"]}}

    name = stored(places=[Place(host="a")])
    with pytest.raises(BlockInvalid, match=r"places\.0\.port: there is no such field; version 1 stored it"):
        upgraded_by(nested, places=list[Ignoring], token=Any).load(name)
    with pytest.raises(BlockInvalid) as caught:
        upgraded_by(deeper, place=Holding).load(name)
    assert {problem.path for problem in caught.value.problems} == {"place.deep.a.port", "place.lost"}
    assert "(deeper) added it" in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_what_sets_and_keys_make_of_upgraded_data_is_no_loss(library: Library) -> None:
    def function(data: Any) -> Any:
        return {"names": ["b", "a", "b"], "ports": {"01": data["token"]}, "other": {"x": 1}}

    block: Any = upgraded_by(
        function, names=set[str], ports=dict[int, SecretStr], other=dict[str, float]
    ).load(stored())
    assert (block.names, list(block.ports), block.other) == ({"a", "b"}, [1], {"x": 1.0})


def test_what_an_upgrade_left_unreadable_is_its_fault_and_not_the_databases(library: Library) -> None:
    def breaking(data: Any) -> Any:
        data["pairs"]["x"] = 1
        return data

    class Keyed(Block, slug="keyed"):
        """Numbers as keys."""

        pairs: dict[int, int] = {}

    class Newer(Block, slug="keyed", version=2):
        """The same."""

        pairs: dict[int, int] = {}
        _step = upgrades(from_version=1)(breaking)

    Keyed(pairs={1: 2}).save("one")
    with pytest.raises(UpgradeFailed, match=r"pairs does not fit its mark 'keys:int', after .*\(breaking\)"):
        Newer.load("one")


def test_a_value_that_becomes_a_secret_is_one(library: Library) -> None:
    def function(data: Any) -> Any:
        return {"hidden": data["bucket_path"]}

    block: Any = upgraded_by(function, hidden=SecretStr).load(stored(bucket_path=PLANTED))
    assert block.hidden.get_secret_value() == PLANTED
    assert PLANTED not in repr(block)


def test_a_secret_does_not_become_plain(library: Library) -> None:
    with pytest.raises(BlockInvalid) as caught:
        upgraded_by(lambda data: {"shown": data["token"]}, shown=str).load(stored())
    assert "shown" in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_the_fields_that_an_upgrade_makes_may_be_those_of_a_block(library: Library) -> None:
    def nesting(data: Any) -> Any:
        return {"login": {"username": data["bucket_path"], "password": data["token"]}}

    block: Any = upgraded_by(nesting, login=NewLogin).load(stored())
    assert block.login == NewLogin(username="raw", password=SecretStr(PLANTED))


def test_fields_are_given_by_their_names_whatever_their_aliases(library: Library) -> None:
    class Aliased(Block, slug="aliased"):
        """One."""

        size: int = Field(alias="outerSize")

    class Newer(Block, slug="aliased", version=2):
        """Two."""

        length: int = Field(alias="outerLength")

        @upgrades(from_version=1)
        def _renamed(data):
            return {"length": data["size"]}

    Aliased(outerSize=3).save("one")
    assert Newer.load("one").length == 3


@pytest.mark.parametrize("fault", ["an error made of a secret", "an exit"])
def test_whatever_an_upgrade_raises_is_its_failure(library: Library, fault: str) -> None:
    class Bad(Block, slug="bucket", version=2):
        """Cannot be upgraded."""

        bucket: str

        @upgrades(from_version=1)
        def _one(data):
            if fault == "an exit":
                raise SystemExit(3)
            raise ValueError(data["token"])

    with pytest.raises(
        UpgradeFailed, match=r"'bucket' from version 1 to 2 .* raised (ValueError|SystemExit)"
    ):
        Bad.load(stored())
