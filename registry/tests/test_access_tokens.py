"""Tokens: made once, kept as a digest, found, taken back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from registry_places import RegistryPlace

from blocks_core.current import Actor, acting_as
from blocks_registry.access import Access, Reach, Role, open_access
from blocks_registry.access.token_files import make_first_token, write_token
from blocks_registry.errors import TokenExists, TokenNotFound, TokenRefused


@pytest.fixture
def access(place: RegistryPlace) -> Iterator[Access]:
    access = open_access(place.settings)
    yield access
    access.close()


def test_a_token_is_kept_as_a_digest_only(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ci", Role.RUNNER, reach=Reach.of(["s3/*"]))
    assert re.fullmatch(r"blk_[A-Za-z0-9_-]{43}", made.text)
    assert access.authenticator.holder_of_token(made.text).name == "ci"
    access.close()
    content = place.content()
    for form in (made.text, made.text.removeprefix("blk_")):
        assert form.encode() not in content
    assert made.text not in repr(made)
    assert b"ci" in content


def test_no_two_tokens_are_alike(access: Access) -> None:
    texts = {access.tokens.create(f"t{number}", Role.VIEWER).text for number in range(20)}
    assert len(texts) == 20


def test_what_is_known_of_a_token_comes_back(access: Access) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    with acting_as(Actor("token", "root", "1")):
        made = access.tokens.create("ci", Role.RUNNER, reach=Reach.of(["s3/*", "secret/a"]), expires_at=until)
    found = access.tokens.find("ci")
    assert found == access.tokens.find(made.token.id)
    assert (found.role, found.reach.patterns, found.created_by) == (Role.RUNNER, ("s3/*", "secret/a"), "root")
    assert found.expires_at is not None
    assert abs(found.expires_at - until) < timedelta(milliseconds=1)
    assert (found.state, found.last_used_at, found.revoked_at) == ("active", None, None)


def test_a_name_is_taken_until_its_token_is_taken_back(access: Access) -> None:
    first = access.tokens.create("ci", Role.VIEWER)
    with pytest.raises(TokenExists, match="block token revoke ci"):
        access.tokens.create("ci", Role.EDITOR)
    assert access.revoke("ci")
    assert not access.revoke(first.token.id)
    second = access.tokens.create("ci", Role.EDITOR)
    assert access.tokens.find("ci").id == second.token.id
    assert access.tokens.find(first.token.id).state == "revoked"
    assert [token.state for token in access.tokens.all()] == ["revoked", "active"]


def test_a_name_that_is_none_is_refused(access: Access) -> None:
    for name in ("", " ", "a b", "-a", "a\n", "a/b", "x" * 101, "blk_" + "x" * 43):
        with pytest.raises(TokenRefused):
            access.tokens.create(name, Role.VIEWER)
    assert access.tokens.all() == []


def test_a_token_that_is_expired_from_the_start_is_refused(access: Access) -> None:
    with pytest.raises(TokenRefused, match="to come"):
        access.tokens.create("ci", Role.VIEWER, expires_at=datetime.now(UTC))


def test_an_admin_with_a_list_is_refused(access: Access) -> None:
    with pytest.raises(TokenRefused, match="would bind nobody"):
        access.tokens.create("ci", Role.ADMIN, reach=Reach.of(["s3/*"]))
    assert access.tokens.all() == []


def test_a_token_given_as_a_name_is_not_repeated(access: Access) -> None:
    made = access.tokens.create("production", Role.VIEWER)
    with pytest.raises(TokenNotFound) as caught:
        access.tokens.find(made.text)
    assert made.text not in str(caught.value)
    with pytest.raises(TokenNotFound, match="did you mean 'production'"):
        access.tokens.find("producton")


def test_each_change_is_a_row_of_the_audit_without_the_token(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ci", Role.RUNNER, reach=Reach.of(["s3/*"]))
    access.revoke("ci")
    registry = place.registry()
    revoked, created = registry.audit()
    registry.close()
    assert (created.action, created.subject) == ("token.created", "ci")
    assert created.detail == {"role": "runner", "allow": ["s3/*"]}
    assert (revoked.action, revoked.subject) == ("token.revoked", "ci")
    assert made.text not in repr([revoked, created])


def test_of_many_who_make_a_token_of_one_name_one_does(place: RegistryPlace) -> None:
    def make(_: int) -> int:
        access = open_access(place.settings)
        try:
            access.tokens.create("ci", Role.VIEWER)
        except TokenExists:
            return 0
        finally:
            access.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(4))) == 1


def test_the_first_token_is_an_admins_in_a_file_for_its_owner(access: Access, place: RegistryPlace) -> None:
    found = make_first_token(access.tokens, place.home)
    assert found is not None
    token, file = found
    assert (token.role, file.name) == (Role.ADMIN, "admin-token")
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert access.authenticator.holder_of_token(file.read_text().strip()).role is Role.ADMIN
    assert make_first_token(access.tokens, place.home) is None
    access.revoke("admin")
    assert make_first_token(access.tokens, place.home) is None


def test_of_many_servers_that_start_at_once_one_makes_the_first_token(
    place: RegistryPlace, tmp_path: Path
) -> None:
    def start(number: int) -> bool:
        access = open_access(place.settings)
        try:
            return make_first_token(access.tokens, tmp_path / str(number)) is not None
        finally:
            access.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(start, range(4))) == 1
    assert len(list(tmp_path.glob("*/admin-token"))) == 1
    assert list(tmp_path.glob("*/.admin-token*")) == []


def test_where_the_file_cannot_be_written_there_is_no_first_token(
    access: Access, place: RegistryPlace
) -> None:
    place.home.mkdir(exist_ok=True)
    (place.home / "in-the-way").write_text("a file")
    with pytest.raises(TokenRefused, match="cannot be written"):
        make_first_token(access.tokens, place.home / "in-the-way")
    assert access.tokens.all() == []
    assert make_first_token(access.tokens, place.home) is not None


def test_a_file_of_a_start_that_was_killed_is_replaced(access: Access, place: RegistryPlace) -> None:
    write_token(place.home / "admin-token", "blk_" + "x" * 43)
    assert make_first_token(access.tokens, place.home) is not None
    text = (place.home / "admin-token").read_text().strip()
    assert access.authenticator.holder_of_token(text).name == "admin"


def test_a_file_that_is_there_is_not_written_over(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("somebody's")
    with pytest.raises(TokenRefused, match="is there already"):
        write_token(file, "blk_x")
    assert file.read_text() == "somebody's"
    assert [found.name for found in tmp_path.glob(".*")] == []
