"""How a registry changes documents: versions, names, several at once, and what it refuses; as tests to inherit."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from blocks_core.block import Block
from blocks_core.document import Draft, Encoded, Json, pointer_to, reference_mark
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    LimitExceeded,
    NameInvalid,
    ReferenceBroken,
    VersionConflict,
)
from blocks_core.library import Library
from blocks_core.registry import Put, Registry, Remove, Rename
from blocks_core.testing.registry_fixtures import RegistryFixtures
from blocks_core.testing.suite_blocks import Account, Link, Place


class ChangesSuite(RegistryFixtures):
    """Part of `RegistrySuite`."""

    def test_a_save_that_expects_another_version_changes_nothing(
        self, library: Library, registry: Registry
    ) -> None:
        """So of two who read the same version, one learns of the other."""
        draft = _draft(library, Account(user="ann", password=SecretStr("1")), "ann")
        assert registry.save(draft, overwrite=True, expected_version=0).version == 1
        assert registry.save(draft, overwrite=True, expected_version=1).version == 2
        with pytest.raises(VersionConflict, match=r"version 1 was expected, and it is at version 2"):
            registry.save(draft, overwrite=True, expected_version=1)
        with pytest.raises(VersionConflict, match="a new block was expected"):
            registry.change([Put(draft, expected_version=0)])
        assert len(registry.history("suite-account", "ann")) == 2

    def test_of_many_writers_who_expect_one_version_one_wins(
        self, library: Library, registry: Registry
    ) -> None:
        """No update is lost, and none waits for ever."""
        draft = _draft(library, Account(user="ann", password=SecretStr("1")), "ann")
        registry.save(draft)

        def save(_: int) -> int:
            try:
                return registry.save(draft, overwrite=True, expected_version=1).version
            except VersionConflict:
                return 0

        with ThreadPoolExecutor(8) as pool:
            versions = list(pool.map(save, range(8)))
        assert sorted(versions) == [0] * 7 + [2]

    def test_several_edits_are_done_together(self, library: Library, registry: Registry) -> None:
        """A document may refer to one that is put after it, and a name that is given up can be taken."""
        Account(user="old", password=SecretStr("x")).save("old")
        _draft(library, Place(url="x://"), "any")
        account_id = uuid4()
        account = _draft(library, Account(user="ann", password=SecretStr("s")), "old")
        place = _holding(_draft(library, Place(url="x://"), "there"), "account", account_id)
        done = registry.change(
            [
                Rename("suite-account", "old", "older"),
                Put(place),
                Put(replace(account, document_id=account_id), expected_version=0),
            ]
        )
        assert [document.address if document else None for document in done] == [
            "suite-account/older",
            "suite-place/there",
            "suite-account/old",
        ]
        loaded = Place.load("there")
        assert loaded.account is not None
        assert loaded.account.user == "ann"
        assert Account.load("older").user == "old"

    def test_of_several_edits_none_is_done_when_one_fails(self, library: Library, registry: Registry) -> None:
        """Nothing is half written."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        good = _draft(library, Account(user="bob", password=SecretStr("y")), "bob")
        library.register(Place)
        rows = len(registry.audit())
        for bad in (
            Put(_draft(library, Account(user="x", password=SecretStr("x")), "bob"), expected_version=0),
            Put(_holding(_draft(library, Place(url="x://"), "there"), "account", uuid4())),
            Remove("suite-account", "nobody"),
            Rename("suite-account", "nobody", "somebody"),
            Rename("suite-account", "ann", "cyd"),
        ):
            with pytest.raises((VersionConflict, ReferenceBroken, BlockNotFound, BlockExists)):
                registry.change([Put(good), Remove("suite-account", "ann"), Put(good), bad])
        assert [f"{line.slug}/{line.name}" for line in registry.find()] == ["suite-account/ann"]
        assert len(registry.audit()) == rows

    def test_names_are_passed_on_within_several_edits(self, library: Library, registry: Registry) -> None:
        """Each rename tells of the block that it renamed, whoever has the name at the end."""
        ann, bob = (
            library.save(Account(user=user, password=SecretStr("1")), user) for user in ("ann", "bob")
        )
        swapped = registry.change(
            [
                Rename("suite-account", "ann", "other"),
                Rename("suite-account", "bob", "ann"),
                Rename("suite-account", "other", "bob"),
            ]
        )
        assert [found and (found.id, found.name) for found in swapped] == [
            (ann, "other"),
            (bob, "ann"),
            (ann, "bob"),
        ]
        gone = registry.change([Rename("suite-account", "ann", "last"), Remove("suite-account", "last")])
        assert [found and found.id for found in gone] == [bob, None]

    def test_the_id_of_another_block_is_refused(self, library: Library, registry: Registry) -> None:
        """So nothing that refers to it comes to hold something else."""
        taken = library.save(Account(user="ann", password=SecretStr("1")), "ann")
        draft = _draft(library, Account(user="bob", password=SecretStr("2")), "bob")
        with pytest.raises(VersionConflict):
            registry.change([Put(replace(draft, document_id=taken))])
        assert [found.name for found in registry.find()] == ["ann"]

    def test_a_block_and_its_users_are_removed_together(self, library: Library, registry: Registry) -> None:
        """While removing only the block that is held is refused, in whatever order."""
        account = Account(user="ann", password=SecretStr("x"))
        account.save("ann")
        Place(url="x://", account=account).save("there")
        with pytest.raises(BlockInUse, match="suite-place/there"):
            registry.change([Remove("suite-account", "ann")])
        registry.change([Remove("suite-account", "ann"), Remove("suite-place", "there")])
        assert registry.find() == []

    def test_a_removal_that_expects_another_version_is_refused(
        self, library: Library, registry: Registry
    ) -> None:
        """What somebody saved meanwhile is not lost."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        with pytest.raises(VersionConflict):
            registry.change([Remove("suite-account", "ann", expected_version=2)])
        registry.change([Remove("suite-account", "ann", expected_version=1)])

    def test_blocks_cannot_be_made_to_hold_each_other_at_once(
        self, library: Library, registry: Registry
    ) -> None:
        """Each of them is new, and the circle is seen all the same."""
        first, second = uuid4(), uuid4()
        Link().save("any")
        one = replace(_holding(_draft(library, Link(), "one"), "to", second), document_id=first)
        two = replace(_holding(_draft(library, Link(), "two"), "to", first), document_id=second)
        with pytest.raises(BlockInvalid, match="hold itself"):
            registry.change([Put(one), Put(two)])
        assert [line.name for line in registry.find()] == ["any"]

    def test_a_renamed_block_is_still_held(self, library: Library, registry: Registry) -> None:
        """It keeps its id, its versions and its secrets; the old name is free."""
        account = Account(user="ann", password=SecretStr("s3cr3t"))
        document_id = account.save("ann")
        Place(url="x://", account=account).save("there")
        renamed = registry.rename("suite-account", "ann", "anna")
        assert (renamed.id, renamed.address, renamed.version) == (document_id, "suite-account/anna", 1)
        held = Place.load("there").account
        assert held is not None
        assert held.saved_as is not None
        assert (held.saved_as.address, held.password.get_secret_value()) == ("suite-account/anna", "s3cr3t")
        with pytest.raises(BlockNotFound):
            Account.load("ann")
        Account(user="new", password=SecretStr("x")).save("ann")
        with pytest.raises(BlockExists, match="suite-account/ann"):
            registry.rename("suite-account", "anna", "ann")
        with pytest.raises(NameInvalid):
            registry.rename("suite-account", "anna", "An na")

    def test_an_older_version_is_restored_as_a_new_one(self, library: Library, registry: Registry) -> None:
        """With its secrets; nothing of the history is lost."""
        Account(user="ann", password=SecretStr("first")).save("one")
        Account(user="bob", password=SecretStr("second")).save("one", overwrite=True)
        restored = registry.restore("suite-account", "one", 1)
        assert (restored.version, restored.action) == (3, "restored from 1")
        assert Account.load("one").password.get_secret_value() == "first"
        assert Account.load("one", version=2).password.get_secret_value() == "second"
        with pytest.raises(BlockNotFound, match="no version 9"):
            registry.restore("suite-account", "one", 9)

    def test_a_version_whose_reference_is_gone_is_not_restored(
        self, library: Library, registry: Registry
    ) -> None:
        """The message says what is missing."""
        account = Account(user="ann", password=SecretStr("x"))
        account.save("ann")
        Place(url="x://", account=account).save("there")
        Place(url="y://").save("there", overwrite=True)
        Account.delete("ann")
        with pytest.raises(ReferenceBroken, match="suite-account/ann"):
            registry.restore("suite-place", "there", 1)
        assert Place.load("there").url == "y://"

    def test_labels_are_kept_until_others_are_given(self, library: Library, registry: Registry) -> None:
        """A save that says nothing of labels leaves them."""
        draft = _draft(library, Account(user="ann", password=SecretStr("x")), "ann")
        registry.save(replace(draft, labels={"team": "data", "env": "prod"}))
        registry.save(draft, overwrite=True)
        Place(url="x://").save("there")
        assert dict(registry.read("suite-account", "ann").labels) == {"team": "data", "env": "prod"}
        assert [line.name for line in registry.find(labels={"team": "data"})] == ["ann"]
        assert registry.find(labels={"team": "data", "env": "test"}) == []
        registry.save(replace(draft, labels={}), overwrite=True)
        assert registry.find(labels={"team": "data"}) == []
        with pytest.raises(NameInvalid, match="is no label"):
            registry.save(replace(draft, labels={"Team ": "data"}), overwrite=True)

    @pytest.mark.parametrize(
        ("data", "marks", "problem"),
        [
            ({"user": 5}, {}, "user: must be a text"),
            ({"usr": "ann"}, {}, "usr: there is no such field (did you mean 'user'?)"),
            ({"password": "in-clear"}, {"/password": ""}, "password: must be a secret"),
            ({"user": None}, {"/user": "secret:str"}, "user"),
        ],
    )
    def test_what_does_not_fit_the_stored_schema_is_refused_whoever_writes(
        self,
        library: Library,
        registry: Registry,
        data: dict[str, Json],
        marks: dict[str, str],
        problem: str,
    ) -> None:
        """A client that knows nothing of the class cannot store what the class could not load."""
        good = _draft(library, Account(user="ann", password=SecretStr("s3cr3t")), "ann")
        assert isinstance(good.content.data, dict)
        content = replace(
            good.content, data={**good.content.data, **data}, marks={**good.content.marks, **marks}
        )
        with pytest.raises(BlockInvalid) as caught:
            registry.save(replace(good, content=content))
        assert problem in str(caught.value)
        assert "in-clear" not in str(caught.value)
        assert registry.find() == []

    def test_a_missing_field_and_a_missing_secret_are_refused(
        self, library: Library, registry: Registry
    ) -> None:
        """Each with its path."""
        good = _draft(library, Account(user="ann", password=SecretStr("s3cr3t")), "ann")
        with pytest.raises(BlockInvalid, match="user: is required"):
            registry.save(replace(good, content=replace(good.content, data={"password": None})))
        with pytest.raises(BlockInvalid, match="password: is a secret without a value"):
            registry.save(replace(good, content=replace(good.content, secrets={})))

    def test_a_reference_to_a_block_of_another_type_is_refused(
        self, library: Library, registry: Registry
    ) -> None:
        """Whether the field names a type or is one of a list; blocks stored inside are looked at, too."""
        library.register(Account)
        place_id = Place(url="x://").save("there")
        draft = _draft(library, Place(url="x://"), "other")
        with pytest.raises(BlockInvalid, match="account: must be a block of the type 'suite-account'"):
            registry.save(_holding(draft, "account", place_id))
        inner: Mapping[str, Any] = {"user": 7, "password": None}
        content = Encoded(
            {"url": "x://", "account": dict(inner), "spare": []}, {"/account": "inline:suite-account@1"}
        )
        with pytest.raises(BlockInvalid, match=r"account.user: must be a text"):
            registry.save(replace(draft, content=content))

    def test_documents_too_large_or_too_deep_are_refused(self, library: Library, registry: Registry) -> None:
        """With the limit in the message; nothing is stored."""
        draft = _draft(library, Account(user="ann", password=SecretStr("x")), "ann")
        deep: Json = "x"
        for _ in range(1000):
            deep = [deep]
        many: list[Json] = ["x"] * 200_000
        for value in ("x" * 50_000_000, deep, many):
            data: Json = {"user": value}
            with pytest.raises(LimitExceeded, match="suite-account/ann"):
                registry.save(replace(draft, content=Encoded(data)))
        secret = {"/password": Encoded("x" * 5_000_000)}
        with pytest.raises(LimitExceeded, match="bytes"):
            registry.save(replace(draft, content=replace(draft.content, secrets=secret)))
        assert registry.find() == []

    @pytest.mark.parametrize("name", ["Ann", "an n", "\u0430nn", "ann\n", "", "a" * 101, "../x", "ann\x00"])
    def test_names_that_look_like_others_are_refused(
        self, library: Library, registry: Registry, name: str
    ) -> None:
        """Here too, as not every client is ours."""
        draft = _draft(library, Account(user="ann", password=SecretStr("x")), "ann")
        with pytest.raises(NameInvalid):
            registry.save(replace(draft, name=name))
        assert registry.find() == []


def _draft(library: Library, block: Block, name: str) -> Draft:
    """Return a block as it would be saved, its type registered."""
    library.register(type(block))
    return library.draft(block, name)


def _holding(draft: Draft, field: str, target: object) -> Draft:
    """Return a draft whose field refers to a document."""
    marks = {**draft.content.marks, pointer_to("", field): reference_mark(target)}  # type: ignore[arg-type]
    return replace(draft, content=replace(draft.content, marks=marks))
