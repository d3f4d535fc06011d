"""Patterns of addresses: what a list names."""

from __future__ import annotations

from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_registry.access import Reach
from blocks_registry.errors import TokenRefused


@pytest.mark.parametrize(
    ("patterns", "named", "not_named"),
    [
        (["*"], ["s3/raw", "secret/x"], []),
        (["*/*"], ["s3/raw"], []),
        (["s3/*"], ["s3/raw", "s3/a.b-c_d"], ["s3x/raw", "xs3/raw", "s3-eu/raw"]),
        (["s3/raw"], ["s3/raw"], ["s3/raw2", "s3/ra", "s3/xraw"]),
        (["secret/prod-*"], ["secret/prod-a", "secret/prod-"], ["secret/prod", "secret/dev-prod-a", "s3/prod-a"]),
        (["*/prod-*", "s3/x"], ["s3/prod-1", "secret/prod-2", "s3/x"], ["s3/dev", "secret/x"]),
        (["s3/a.b"], ["s3/a.b"], ["s3/axb"]),
        (["s3/*-eu-*"], ["s3/a-eu-b", "s3/-eu-"], ["s3/a-eu"]),
    ],
)  # fmt: skip
def test_a_star_stands_for_characters_of_one_part(
    patterns: list[str], named: list[str], not_named: list[str]
) -> None:
    reach = Reach.of(patterns)
    assert [address for address in named if not reach.names_address(address)] == []
    assert [address for address in not_named if reach.names_address(address)] == []


@pytest.mark.parametrize(
    "pattern",
    ["", "s3", "/raw", "s3/", "a/b/c", "S3/x", "s3/x y", "s3/x\n", "s3/[a-z]", "s3/a?", "**/**/x", "*a*b*c*/*", "s3/" + "a" * 101],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(TokenRefused, match="no pattern of addresses"):
        Reach.of([pattern])


def test_a_list_without_patterns_is_refused_and_one_that_was_stored_so_names_nothing() -> None:
    with pytest.raises(TokenRefused):
        Reach.of([])
    assert not Reach(()).names_address("s3/raw")
    assert not Reach(()).is_everything


def test_a_type_is_named_where_all_its_blocks_are() -> None:
    reach = Reach.of(["s3/*", "secret/prod-*", "aws-*/*"])
    assert [slug for slug in ("s3", "secret", "aws-secret", "s3x") if reach.names_type(slug)] == [
        "s3",
        "aws-secret",
    ]
    assert Reach.of(["*"]).names_type("anything")


@given(st.text(alphabet="ab*.-/", max_size=30), st.text(alphabet="ab.-/", max_size=30))
def test_nothing_is_named_across_the_slash(pattern: str, address: str) -> None:
    try:
        reach = Reach.of([f"s/{pattern}"])
    except TokenRefused:
        return
    if reach.names_address(address):
        assert address.count("/") == 1
        assert address.startswith("s/")


def test_a_pattern_of_many_stars_costs_no_time() -> None:
    reach = Reach.of(["*a*/*a*a"])
    begun = monotonic()
    assert not reach.names_address(f"{'a' * 100}/{'a' * 99}b")
    assert monotonic() - begun < 5
