"""What every registry must do, as tests to inherit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from pydantic import Field, SecretStr, create_model

from blocks_core.block import Block
from blocks_core.current import use_library
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlockTypeNotFound,
    ReferenceBroken,
    SchemaConflict,
)
from blocks_core.library import Library
from blocks_core.registry import Registry
from blocks_core.schema import BlockType, describe
from blocks_core.testing.changes_suite import ChangesSuite
from blocks_core.testing.records_suite import RecordsSuite
from blocks_core.testing.suite_blocks import Account, Link, Place


class RegistrySuite(ChangesSuite, RecordsSuite):
    """Inherit it and give a fixture `registry`: an empty one."""

    def test_a_saved_block_is_loaded_as_it_was(self, library: Library) -> None:
        """Fields, secrets and where it was saved."""
        account = Account(user="ann", password=SecretStr("s3cr3t"))
        document_id = account.save("ann")
        loaded = Account.load("ann")
        assert loaded == account
        assert loaded.password.get_secret_value() == "s3cr3t"
        assert loaded.saved_as is not None
        assert (loaded.saved_as.id, loaded.saved_as.address) == (document_id, "suite-account/ann")
        assert (loaded.saved_as.version, account.saved_as) == (1, loaded.saved_as)

    def test_a_block_is_loaded_by_its_address_from_any_base(self, library: Library) -> None:
        """`Block.load("slug/name")`."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        assert isinstance(Block.load("suite-account/ann"), Account)

    def test_a_taken_name_is_refused_unless_overwritten(self, library: Library) -> None:
        """Nothing is lost by a slip, and the id outlives the content."""
        first = Account(user="ann", password=SecretStr("1")).save("ann")
        with pytest.raises(BlockExists, match="suite-account/ann"):
            Account(user="bob", password=SecretStr("2")).save("ann")
        assert Account.load("ann").user == "ann"
        assert Account(user="bob", password=SecretStr("2")).save("ann", overwrite=True) == first
        assert Account.load("ann").user == "bob"

    def test_an_older_version_can_be_loaded(self, library: Library) -> None:
        """Every save is a version."""
        for user in ("ann", "bob", "cyd"):
            Account(user=user, password=SecretStr(user)).save("one", overwrite=True)
        assert [Account.load("one", version=version).user for version in (1, 2, 3)] == ["ann", "bob", "cyd"]
        assert Account.load("one", version=2).password.get_secret_value() == "bob"
        with pytest.raises(BlockNotFound, match="no version 4"):
            Account.load("one", version=4)

    def test_a_block_that_is_not_saved_is_an_error_with_a_suggestion(self, library: Library) -> None:
        """The message names what was meant."""
        Account(user="ann", password=SecretStr("x")).save("production")
        with pytest.raises(BlockNotFound, match="did you mean 'suite-account/production'"):
            Account.load("producton")

    def test_a_saved_block_inside_another_is_a_reference(self, library: Library) -> None:
        """So a change of the inner one is seen from the outer one."""
        account = Account(user="ann", password=SecretStr("old"))
        account.save("ann")
        Place(url="x://", account=account, spare=[account]).save("there")
        Account(user="ann", password=SecretStr("new")).save("ann", overwrite=True)
        loaded = Place.load("there")
        assert loaded.account is not None
        assert loaded.account.password.get_secret_value() == "new"
        assert loaded.account.saved_as is not None
        assert loaded.account.saved_as.version == 2
        assert loaded.spare[0].user == "ann"

    def test_an_unsaved_block_inside_another_is_stored_in_it(self, library: Library) -> None:
        """With its secrets."""
        Place(url="x://", account=Account(user="ann", password=SecretStr("in"))).save("there")
        loaded = Place.load("there")
        assert loaded.account is not None
        assert loaded.account == Account(user="ann", password=SecretStr("in"))
        assert loaded.account.saved_as is None

    def test_a_block_in_use_is_not_deleted_unless_forced(self, library: Library, registry: Registry) -> None:
        """Who uses it is named; a forced deletion leaves a broken reference that says what it was."""
        account = Account(user="ann", password=SecretStr("x"))
        account.save("ann")
        Place(url="x://", account=account).save("there")
        assert registry.users("suite-account", "ann") == ["suite-place/there"]
        with pytest.raises(BlockInUse, match="suite-place/there"):
            Account.delete("ann")
        Account.delete("ann", force=True)
        with pytest.raises(ReferenceBroken, match="suite-account/ann"):
            Place.load("there")

    def test_a_deleted_block_is_gone_and_its_name_free(self, library: Library) -> None:
        """A new block of the name is a new document."""
        first = Account(user="ann", password=SecretStr("x")).save("ann")
        Account.delete("ann")
        with pytest.raises(BlockNotFound):
            Account.load("ann")
        with pytest.raises(BlockNotFound):
            Account.delete("ann")
        assert Account(user="ann", password=SecretStr("x")).save("ann") != first

    def test_a_block_cannot_hold_itself(self, library: Library) -> None:
        """Directly or round a corner; what was saved stays."""
        first, second = Link(), Link()
        first.save("first")
        second.to = first
        second.save("second")
        with pytest.raises(BlockInvalid, match="hold itself"):
            Link(to=Link.load("second")).save("first", overwrite=True)
        with pytest.raises(BlockInvalid, match="hold itself"):
            Link(to=Link.load("first")).save("first", overwrite=True)
        assert Link.load("first").to is None

    def test_documents_are_listed(self, library: Library, registry: Registry) -> None:
        """In the order of their addresses, of one type or of all."""
        Place(url="x://").save("b")
        Place(url="x://").save("a")
        Account(user="ann", password=SecretStr("x")).save("z")
        listed = [f"{line.slug}/{line.name}" for line in registry.find()]
        assert listed == ["suite-account/z", "suite-place/a", "suite-place/b"]
        assert [line.name for line in registry.find("suite-place")] == ["a", "b"]
        assert registry.find("nothing") == []

    def test_a_document_is_read_without_its_secrets(self, library: Library, registry: Registry) -> None:
        """Their places are marked, their values are not given."""
        document_id = Account(user="ann", password=SecretStr("s3cr3t")).save("ann")
        document = registry.read("suite-account", "ann")
        assert document.content.data == {"user": "ann", "password": None}
        assert document.content.marks == {"/password": "secret:str"}
        assert document.content.secrets == {}
        assert registry.addresses([document_id]) == {document_id: "suite-account/ann"}

    def test_types_are_registered_once(self, registry: Registry) -> None:
        """And again without a change."""
        described = describe(Account)
        assert registry.register(described).outcome == "new"
        assert registry.register(described).outcome == "unchanged"
        assert registry.type("suite-account") == described
        assert [block_type.slug for block_type in registry.types()] == ["suite-account"]
        with pytest.raises(BlockTypeNotFound, match="did you mean 'suite-account'"):
            registry.type("suite-acount")

    def test_a_new_optional_field_is_accepted_and_others_are_refused(self, registry: Registry) -> None:
        """The message lists what changed and says to raise the version."""
        first = _variant(user=(str, ...), password=(SecretStr, ...))
        registry.register(first)
        wider = _variant(user=(str, ...), password=(SecretStr, ...), note=(str, ""))
        assert registry.register(wider).outcome == "updated"
        with pytest.raises(SchemaConflict) as caught:
            registry.register(_variant(user=(int, ...), password=(str, ...), extra=(str, ...)))
        for part in (
            "'user' was string and is integer",
            "'password' was a secret",
            "'extra' is new and required",
        ):
            assert part in str(caught.value)
        assert "version=2" in str(caught.value)
        assert registry.type("suite-variant").structure_hash == wider.structure_hash

    def test_many_threads_save_without_losing_a_version(self, library: Library) -> None:
        """Eight writers of one name: each save is one version."""

        def save(number: int) -> None:
            with use_library(library):
                Account(user=str(number), password=SecretStr("x")).save("shared", overwrite=True)

        save(-1)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(save, range(40)))
        saved = Account.load("shared").saved_as
        assert saved is not None
        assert saved.version == 41


def _variant(**fields: Any) -> BlockType:
    """Describe a type that has the slug of another, as a later release of its plugin would."""
    described: dict[str, Any] = {
        name: (kind, Field(default, description="Something.")) for name, (kind, default) in fields.items()
    }
    made: Any = create_model("Variant", __base__=Block, __cls_kwargs__={"slug": "suite-variant"}, **described)
    return describe(cast("type[Block]", made))
