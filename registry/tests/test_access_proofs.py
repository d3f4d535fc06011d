"""Whoever may write the database and has not the keys gets in by nothing that they wrote."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from time import time

import pytest
from registry_places import RegistryPlace

from blocks_core.errors import KeysMissing
from blocks_registry.access import Access, Reach, Role, open_access
from blocks_registry.access.bearers import LOGIN_CODE, SESSION, TOKEN, new_bearer
from blocks_registry.errors import TokenInvalid


@pytest.fixture
def access(place: RegistryPlace) -> Iterator[Access]:
    access = open_access(place.settings)
    yield access
    access.close()


ALTERED = (
    ("role", "'admin'"),
    ("role", "'nonsense'"),
    ("reach", """'["*/*"]'"""),
    ("reach", "'no json'"),
    ("name", "'root'"),
    ("id", "'other'"),
    ("expires_at", "99999999999"),
    ("proof", "''"),
    ("proof", "'\u00fc'"),
)


def test_a_token_whose_row_was_altered_lets_nobody_in(access: Access, place: RegistryPlace) -> None:
    for number, (column, value) in enumerate(ALTERED):
        made = access.tokens.create(f"t{number}", Role.RUNNER, reach=Reach.of(["s3/*"]))
        assert access.authenticator.holder_of_token(made.text).role is Role.RUNNER
        place.run(f"UPDATE tokens SET {column} = {value} WHERE name = 't{number}'")
        access.authenticator.forget()
        with pytest.raises(TokenInvalid, match="was altered"):
            access.authenticator.holder_of_token(made.text)
        with pytest.raises(TokenInvalid, match="was altered"):
            access.logins.open_by_token(made.text)
    tokens = access.tokens.all()
    assert {(token.state, token.role) for token in tokens} == {("altered", Role.VIEWER)}
    assert all(access.revoke(token.id) for token in tokens)


def test_a_row_that_was_put_in_is_no_token(access: Access, place: RegistryPlace) -> None:
    access.tokens.create("root", Role.ADMIN)
    mine = new_bearer(TOKEN)
    place.run(
        "INSERT INTO tokens (id, name, role, reach, digest, proof, created_at, created_by) "
        f"SELECT 'x', 'mine', role, reach, '{sha256(mine.encode()).hexdigest()}', proof, created_at, created_by "
        "FROM tokens"
    )
    with pytest.raises(TokenInvalid, match="was altered"):
        access.authenticator.holder_of_token(mine)


def test_a_session_that_was_put_in_or_given_to_another_token_lets_nobody_in(
    access: Access, place: RegistryPlace
) -> None:
    root = access.tokens.create("root", Role.ADMIN).token
    viewer = access.tokens.create("ann", Role.VIEWER)
    session = access.logins.open_by_token(viewer.text)
    mine = new_bearer(SESSION)
    place.run(
        "INSERT INTO sessions (digest, token_id, opened_at, expires_at, proof) "
        f"SELECT '{sha256(mine.encode()).hexdigest()}', '{root.id}', opened_at, expires_at, proof FROM sessions",
        f"UPDATE sessions SET token_id = '{root.id}'",
    )
    for cookie in (mine, session.cookie):
        with pytest.raises(TokenInvalid):
            access.authenticator.holder_of_session(cookie)


def test_a_code_that_was_put_in_or_given_to_another_token_opens_nothing(
    access: Access, place: RegistryPlace
) -> None:
    root = access.tokens.create("root", Role.ADMIN).token
    access.tokens.create("ann", Role.VIEWER)
    code, mine = access.logins.new_code("ann"), new_bearer(LOGIN_CODE)
    place.run(
        f"UPDATE login_codes SET token_id = '{root.id}'",
        "INSERT INTO login_codes (digest, token_id, expires_at, proof) "
        f"VALUES ('{sha256(mine.encode()).hexdigest()}', '{root.id}', {time() + 60}, '')",
    )
    for text in (code, mine):
        with pytest.raises(TokenInvalid):
            access.logins.open_by_code(text)
    assert place.run("SELECT COUNT(*) FROM sessions") == [(0,)]


def test_without_the_keys_nobody_gets_in_and_it_says_why(place: RegistryPlace, access: Access) -> None:
    made = access.tokens.create("ci", Role.RUNNER)
    access.close()
    (place.home / "keys.json").rename(place.home / "away.json")
    other = open_access(place.settings)
    with pytest.raises(KeysMissing, match="no key file"):
        other.authenticator.holder_of_token(made.text)
    with pytest.raises(KeysMissing):
        other.tokens.create("mine", Role.ADMIN)
    other.close()


def test_tokens_live_through_a_change_of_the_keys(place: RegistryPlace, access: Access) -> None:
    from blocks_registry.opening import open_rotation

    made = access.tokens.create("ci", Role.RUNNER)
    rotation = open_rotation(place.settings)
    first = rotation.add().key_id
    old = rotation.promote(first).before
    rotation.rewrap()
    rotation.retire(old)
    rotation.close()
    for process in (access, open_access(place.settings)):
        process.authenticator.forget()
        assert process.authenticator.holder_of_token(made.text).name == "ci"
        process.close()
