"""How a browser gets in: codes that are good once, sessions that end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from registry_places import RegistryPlace

from blocks_registry.access import Access, Role, open_access
from blocks_registry.access.attempts import FREE
from blocks_registry.access.bearers import LOGIN_CODE, new_bearer
from blocks_registry.errors import (
    TokenExpired,
    TokenInvalid,
    TokenNotFound,
    TokenRefused,
    TokenRevoked,
    TooManyAttempts,
)


@pytest.fixture
def access(place: RegistryPlace) -> Iterator[Access]:
    access = open_access(place.settings)
    yield access
    access.close()


def test_a_code_opens_one_session_and_no_second(access: Access) -> None:
    access.tokens.create("ann", Role.EDITOR)
    code = access.logins.new_code("ann")
    session = access.logins.open_by_code(code)
    holder = access.authenticator.holder_of_session(session.cookie)
    assert (holder.name, holder.role) == ("ann", Role.EDITOR)
    with pytest.raises(TokenInvalid, match="good once"):
        access.logins.open_by_code(code)


def test_of_many_who_show_one_code_at_once_one_gets_in(place: RegistryPlace, access: Access) -> None:
    access.tokens.create("ann", Role.EDITOR)
    code = access.logins.new_code("ann")
    replicas = [open_access(place.settings) for _ in range(4)]

    def login(number: int) -> int:
        try:
            replicas[number % 4].logins.open_by_code(code, address=f"10.0.0.{number}")
        except TokenInvalid:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(login, range(8))) == 1
    for replica in replicas:
        replica.close()


def test_a_code_that_is_over_or_wrong_is_refused_in_the_same_words(access: Access) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    over = access.logins.new_code("ann", seconds=-1)
    used = access.logins.new_code("ann")
    access.logins.open_by_code(used)
    said = set()
    for text in (over, used, new_bearer(LOGIN_CODE), made.text, "", "\ud800"):
        with pytest.raises(TokenInvalid) as caught:
            access.logins.open_by_code(text, address=str(len(said)))
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_code_of_a_token_that_was_taken_back_opens_nothing(access: Access) -> None:
    access.tokens.create("ann", Role.EDITOR)
    code = access.logins.new_code("ann")
    access.revoke("ann")
    with pytest.raises(TokenInvalid):
        access.logins.open_by_code(code)
    with pytest.raises(TokenRefused, match="is revoked"):
        access.logins.new_code("ann")
    with pytest.raises(TokenNotFound):
        access.logins.new_code("nobody")


def test_wrong_codes_are_limited_as_wrong_tokens_are(access: Access) -> None:
    access.tokens.create("ann", Role.EDITOR)
    good = access.logins.new_code("ann")
    for number in range(FREE):
        show = access.logins.open_by_code if number % 2 else access.authenticator.holder_of_token
        with pytest.raises(TokenInvalid):
            show(f"wrong {number}", address="10.0.0.1")
    with pytest.raises(TooManyAttempts):
        access.logins.open_by_code(good, address="10.0.0.1")
    assert access.logins.open_by_code(good, address="10.0.0.2").token.name == "ann"


def test_a_token_opens_a_session_that_ends_with_it(access: Access, place: RegistryPlace) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = access.tokens.create("ann", Role.EDITOR, expires_at=soon)
    session = access.logins.open_by_token(made.text)
    assert abs(session.expires_at - soon) < timedelta(seconds=1)
    assert access.authenticator.holder_of_session(session.cookie).name == "ann"
    access.revoke("ann")
    with pytest.raises(TokenInvalid, match="Log in again"):
        access.authenticator.holder_of_session(session.cookie)
    with pytest.raises(TokenRevoked):
        access.logins.open_by_token(made.text)


def test_a_token_that_another_process_took_back_a_moment_ago_opens_no_session(
    access: Access, place: RegistryPlace
) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    access.authenticator.holder_of_token(made.text)
    other = open_access(place.settings)
    other.revoke("ann")
    other.close()
    with pytest.raises(TokenRevoked):
        access.logins.open_by_token(made.text)


def test_a_session_is_kept_as_a_digest_and_ends(
    access: Access, place: RegistryPlace, an_hour_later: Callable[[], None]
) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    session, code = access.logins.open_by_token(made.text), access.logins.new_code("ann")
    content = place.content()
    for text in (session.cookie, code):
        assert text[4:].encode() not in content
    assert session.cookie not in repr(session)
    soon = access.tokens.create("soon", Role.EDITOR, expires_at=datetime.now(UTC) + timedelta(hours=1))
    short = access.logins.open_by_token(soon.text)
    an_hour_later()
    with pytest.raises(TokenExpired, match="Log in again"):
        access.authenticator.holder_of_session(short.cookie)
    assert access.authenticator.holder_of_session(session.cookie).name == "ann"


def test_who_logs_out_is_out(access: Access) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    session = access.logins.open_by_token(made.text)
    access.authenticator.holder_of_session(session.cookie)
    access.logins.end(session.cookie)
    access.logins.end(session.cookie)
    access.logins.end("nonsense")
    with pytest.raises(TokenInvalid):
        access.authenticator.holder_of_session(session.cookie)


def test_a_cookie_is_no_token_and_a_token_no_cookie(access: Access) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    session = access.logins.open_by_token(made.text)
    for ask, text in (
        (access.authenticator.holder_of_token, session.cookie),
        (access.authenticator.holder_of_session, made.text),
    ):
        with pytest.raises(TokenInvalid):
            ask(text)


def test_a_login_is_a_row_of_the_audit(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    access.logins.open_by_code(access.logins.new_code("ann"))
    access.logins.open_by_token(made.text)
    registry = place.registry()
    rows = registry.audit(limit=2)
    report = registry.verify_audit()
    registry.close()
    assert [(row.action, row.actor.name, dict(row.detail)) for row in rows] == [
        ("session.opened", "ann", {"by": "token"}),
        ("session.opened", "ann", {"by": "code"}),
    ]
    assert report.problems == ()


def test_sessions_and_codes_that_are_over_are_swept(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ann", Role.EDITOR)
    for _ in range(3):
        access.logins.new_code("ann")
        access.logins.open_by_token(made.text)
    place.run("UPDATE sessions SET expires_at = 1000", "UPDATE login_codes SET expires_at = 1000")
    access.logins.new_code("ann")
    access.logins.open_by_token(made.text)
    assert place.run("SELECT (SELECT COUNT(*) FROM sessions) + (SELECT COUNT(*) FROM login_codes)") == [(2,)]
