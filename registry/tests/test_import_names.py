"""Names of other systems become names of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.names import check_name
from blocks_registry.importing.naming import our_name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("my_conn", "my_conn"),
        ("raw-data.v2", "raw-data.v2"),
        ("MyConn", "myconn"),
        ("Mail Password (old)", "mail-password-old"),
        ("  spaces  ", "spaces"),
        ("_private", "private"),
        ("..", "5ec1f7"),
        ("", "e3b0c4"),
        ("Zürich Überweisung", "zurich-uberweisung"),
        ("창고", "5f4ebe"),
        ("창고-a", "a-031f1e"),
        ("ﬁle", "file"),
        ("x" * 101, "x" * 93 + "-c675a2"),
        ("a/b\\c:d", "a-b-c-d"),
        ("line\nend\x1b[2J", "line-end-2j"),
    ],
)
def test_a_name_keeps_what_can_be_kept(theirs: str, ours: str) -> None:
    assert our_name(theirs) == ours


@given(st.text(max_size=300))
def test_every_name_becomes_one_that_is_taken_and_always_the_same(theirs: str) -> None:
    ours = our_name(theirs)
    assert check_name(ours) == ours
    assert our_name(theirs) == ours


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,98}[a-z0-9]", fullmatch=True))
def test_a_name_that_is_taken_as_it_is_stays(theirs: str) -> None:
    assert our_name(theirs) == theirs


def test_names_of_which_letters_were_lost_do_not_fall_together() -> None:
    assert len({our_name(name) for name in ("창고", "가격", "倉庫", "價格", "склад")}) == 5
