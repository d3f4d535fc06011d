"""How a class statement says which upgrades its type has."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest

from blocks_core import Block, upgrades
from blocks_core.errors import BlockTypeInvalid
from blocks_core.schema import BlockType, describe
from blocks_core.trail import UNKNOWN

T = TypeVar("T")


class Bucket(Block, slug="a-bucket", version=3):
    """A bucket."""

    bucket: str

    @upgrades(from_version=2)
    def _second(data):
        return data

    @upgrades(from_version=1)
    def bucket_path_was_renamed(data):
        data["bucket"] = data.pop("bucket_path")
        return data


class Generic_(Block, Generic[T], slug="generic", version=2):
    """Holds anything."""

    value: T

    @upgrades(from_version=1)
    def _same(data):
        return data


def test_upgrades_are_collected_by_their_version_and_are_no_fields() -> None:
    found = Bucket.type_info.upgrades
    assert list(found) == [1, 2]
    assert found[1]({"bucket_path": "raw"}) == {"bucket": "raw"}
    assert Bucket.bucket_path_was_renamed({"bucket_path": "raw"}) == {"bucket": "raw"}
    assert list(Bucket.model_fields) == ["bucket"]
    assert set(Bucket.__private_attributes__) == {"_saved"}
    assert describe(Bucket).upgrades == (1, 2)


def test_upgrades_are_of_a_slug_so_they_are_not_inherited() -> None:
    class Other(Bucket, slug="other-bucket", version=2):
        """Another."""

    class Abstract(Bucket):
        """None."""

    assert (Other.type_info.upgrades, Abstract.type_info.upgrades) == ({}, {})


def test_a_parametrised_copy_of_a_generic_type_has_its_upgrades() -> None:
    assert Generic_[int].type_info.upgrades == Generic_.type_info.upgrades != {}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (0, "Count versions in integers from 1"),
        (-1, "Count versions"),
        ("1", "Count versions"),
        (True, "Count versions"),
        (2, "version 2, and the class has version 2.*version=3"),
        (5, "the class has version 2"),
    ],
)
def test_an_upgrade_leads_from_an_older_version(start: Any, said: str) -> None:
    with pytest.raises(BlockTypeInvalid, match=said):

        class Wrong(Block, slug="wrong", version=2):
            @upgrades(from_version=start)
            def _odd(data):
                return data


def test_two_upgrades_for_one_version_are_refused() -> None:
    with pytest.raises(BlockTypeInvalid, match="_other upgrades from version 1, as _one does"):

        class Wrong(Block, slug="wrong", version=2):
            @upgrades(from_version=1)
            def _one(data):
                return data

            @upgrades(from_version=1)
            def _other(data):
                return data


def test_an_upgrade_takes_the_data_and_nothing_else() -> None:
    with pytest.raises(BlockTypeInvalid, match=r"def _method\(data\)"):

        class Wrong(Block, slug="wrong", version=2):
            @upgrades(from_version=1)
            def _method(self, data):
                return data

    with pytest.raises(BlockTypeInvalid, match="is no function"):

        class Wronger(Block, slug="wrong", version=2):
            _table = upgrades(from_version=1)({"a": "b"})  # type: ignore[arg-type]


def test_a_class_without_a_slug_has_nothing_to_upgrade() -> None:
    with pytest.raises(BlockTypeInvalid, match="has no slug"):

        class Wrong(Block, version=2):
            @upgrades(from_version=1)
            def _one(data):
                return data


def test_a_description_without_upgrades_reads_and_is_written_as_before() -> None:
    """Manifests and registries of older releases know nothing of upgrades."""
    described = describe(Bucket)
    assert BlockType.from_json(described.to_json()) == described
    plain = {key: value for key, value in described.to_json().items() if key != "upgrades"}
    assert BlockType.from_json(plain).upgrades == ()
    assert "upgrades" not in BlockType.from_json(plain).to_json()


def test_the_refusal_of_an_unknown_field_begins_as_the_trail_expects() -> None:
    from blocks_core.building import build_block
    from blocks_core.errors import BlockInvalid

    with pytest.raises(BlockInvalid) as caught:
        build_block(Bucket, {"bucket": "raw", "odd": 1}, what="It")
    assert caught.value.problems[0].problem.startswith(UNKNOWN)
