"""Slugs, names and addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.errors import NameInvalid
from blocks_core.names import check_name, check_slug, split_address, suggest


@pytest.mark.parametrize("name", ["a", "0", "raw-data", "raw_data.v2", "x" * 100])
def test_good_names_are_taken_as_they_are(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a b", "a/b", "ä", "x" * 101, "a\n", "../a", "a\x00"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(NameInvalid, match="lower-case letters, digits"):
        check_name(name)


@pytest.mark.parametrize("slug", ["", "S3", "3s", "a--b", "-a", "a-", "a_b", "a" * 101, "a\n"])
def test_bad_slugs_are_refused(slug: str) -> None:
    with pytest.raises(NameInvalid):
        check_slug(slug)


@pytest.mark.parametrize("address", ["raw", "s3/", "/raw", "s3/raw/x", ""])
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(NameInvalid):
        split_address(address)


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
)
def test_an_address_is_split_as_it_was_joined(slug: str, name: str) -> None:
    assert split_address(f"{slug}/{name}") == (slug, name)


def test_the_closest_word_is_suggested() -> None:
    assert suggest("slack-webhok", ["s3", "slack-webhook", "secret"]) == ["slack-webhook"]
    assert suggest("zzz", ["s3"]) == []
