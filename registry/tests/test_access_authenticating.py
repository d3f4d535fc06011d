"""From a token to its holder: what is wrong, what is over, what another process took back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from registry_places import RegistryPlace

from blocks_core.masking import MaskingFilter
from blocks_core.vault import Vault
from blocks_registry.access import Access, Role, open_access
from blocks_registry.access.attempts import FREE, MAX_WAIT_SECONDS, QUIET_SECONDS, Attempts
from blocks_registry.access.authenticating import Authenticator
from blocks_registry.access.bearers import TOKEN, new_bearer
from blocks_registry.access.last_uses import LastUses
from blocks_registry.audit import Audit
from blocks_registry.errors import TokenExpired, TokenInvalid, TokenRevoked, TooManyAttempts
from blocks_registry.keys import KeyLedger
from blocks_registry.opening import open_keys


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def access(place: RegistryPlace) -> Iterator[Access]:
    access = open_access(place.settings)
    yield access
    access.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def other(place: RegistryPlace, clock: Clock) -> Iterator[Authenticator]:
    """Another process's way to the same tokens."""
    database = place.database()
    vault = Vault(open_keys(place.settings))
    audit = Audit(vault, KeyLedger(vault))
    last_uses = LastUses(database.relaxed(wait_seconds=1.0))
    yield Authenticator(database, audit, last_uses, Attempts(clock), clock=clock)
    last_uses.close()
    database.close()


def test_every_wrong_token_is_refused_in_the_same_words(access: Access) -> None:
    good = access.tokens.create("ci", Role.VIEWER).text
    said = set()
    wrong = (
        "", " ", "x", good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), good + "A", " " + good, good.upper(),
        good.replace("blk_", "bls_"), good.replace("blk_", "blc_"), new_bearer(TOKEN), "blk_" + "\u0131" * 43, "\ud800",
        good + "\n", good + "\0",
    )  # fmt: skip
    for number, text in enumerate(wrong):
        with pytest.raises(TokenInvalid) as caught:
            access.authenticator.holder_of_token(text, address=f"10.0.0.{number}")
        assert type(caught.value) is TokenInvalid
        assert caught.value.__cause__ is None
        said.add(str(caught.value))
    assert len(said) == 1
    assert access.authenticator.holder_of_token(good).name == "ci"


def test_no_log_of_a_process_that_let_a_token_in_shows_it(access: Access) -> None:
    good = access.tokens.create("ci", Role.VIEWER).text
    access.authenticator.holder_of_token(good)
    record = logging.LogRecord("x", logging.INFO, "f", 1, "Authorization: Bearer %s", (good,), None)
    MaskingFilter().filter(record)
    assert good not in record.getMessage()


def test_a_token_that_is_over_says_so_only_to_who_holds_it(
    access: Access, an_hour_later: Callable[[], None]
) -> None:
    good = access.tokens.create("ci", Role.VIEWER, expires_at=datetime.now(UTC) + timedelta(hours=1)).text
    an_hour_later()
    with pytest.raises(TokenExpired, match="'ci' has expired"):
        access.authenticator.holder_of_token(good)
    access.revoke("ci")
    with pytest.raises(TokenRevoked, match="'ci' was taken back"):
        access.authenticator.holder_of_token(good)


def test_a_token_ends_at_its_time_while_it_is_kept_in_memory(
    access: Access, other: Authenticator, place: RegistryPlace, an_hour_later: Callable[[], None]
) -> None:
    good = access.tokens.create("ci", Role.VIEWER, expires_at=datetime.now(UTC) + timedelta(hours=1)).text
    assert other.holder_of_token(good).name == "ci"
    place.run("UPDATE tokens SET revoked_at = 1000")  # which would be said, were it asked again
    an_hour_later()
    with pytest.raises(TokenExpired, match="'ci'"):
        other.holder_of_token(good)


def test_what_another_process_took_back_ends_within_seconds(
    access: Access, other: Authenticator, clock: Clock
) -> None:
    good = access.tokens.create("ci", Role.VIEWER).text
    assert other.holder_of_token(good).name == "ci"
    access.revoke("ci")
    with pytest.raises(TokenRevoked):
        access.authenticator.holder_of_token(good)
    clock.now += 1.9
    assert other.holder_of_token(good).name == "ci"
    clock.now += 0.2
    with pytest.raises(TokenRevoked):
        other.holder_of_token(good)


def test_while_it_is_fresh_the_database_is_not_asked(
    access: Access, other: Authenticator, clock: Clock, place: RegistryPlace
) -> None:
    good = access.tokens.create("ci", Role.VIEWER).text
    assert other.holder_of_token(good).name == "ci"
    place.run("UPDATE tokens SET revoked_at = 1000")
    assert other.holder_of_token(good).name == "ci"
    clock.now += 3
    with pytest.raises(TokenRevoked):
        other.holder_of_token(good)


def test_the_last_use_is_written_beside_the_requests(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ci", Role.VIEWER)
    before = datetime.now(UTC)
    with place.held():  # a request waits for no lock
        access.authenticator.holder_of_token(made.text)
        access._last_uses.flush()
    assert access.tokens.find("ci").last_used_at is None
    access.close()
    used = open_access(place.settings).tokens.find("ci").last_used_at
    assert used is not None
    assert before <= used <= datetime.now(UTC)


def test_a_last_use_never_goes_back(access: Access, place: RegistryPlace) -> None:
    made = access.tokens.create("ci", Role.VIEWER)
    place.run("UPDATE tokens SET last_used_at = 99999999999")
    access.authenticator.holder_of_token(made.text)
    access._last_uses.flush()
    assert place.run("SELECT last_used_at FROM tokens") == [(99999999999,)]


def test_wrong_tokens_of_one_address_make_it_wait_longer_each_time(clock: Clock) -> None:
    attempts = Attempts(clock)
    waits = []
    for number in range(15):
        attempts.refuse_too_many("10.0.0.1")
        attempts.note("10.0.0.1", f"wrong {number}")
        try:
            attempts.refuse_too_many("10.0.0.1")
            waits.append(0.0)
        except TooManyAttempts as refusal:
            waits.append(refusal.wait_seconds)
            clock.now += refusal.wait_seconds
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]
    attempts.refuse_too_many("10.0.0.2")


def test_an_address_that_was_quiet_begins_anew(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(FREE):
        attempts.note("10.0.0.1", f"wrong {number}")
    clock.now += QUIET_SECONDS + 1
    attempts.note("10.0.0.1", "wrong")
    attempts.refuse_too_many("10.0.0.1")


def test_the_addresses_of_one_customer_are_one(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(FREE):
        attempts.note(f"2001:db8:1:2::{number}%eth0", f"wrong {number}")
        attempts.note("::ffff:10.0.0.1", f"wrong {number}")
    for address in ("2001:db8:1:2:ffff::9", "10.0.0.1"):
        with pytest.raises(TooManyAttempts):
            attempts.refuse_too_many(address)
    attempts.refuse_too_many("2001:db8:1:3::1")


def test_addresses_without_end_take_no_memory_without_end(clock: Clock) -> None:
    attempts = Attempts(clock)
    for number in range(12_000):
        attempts.note(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", "wrong")
    for number in range(1000):
        attempts.note("10.9.9.9", f"wrong {number}")
    assert len(attempts._failed) == 10_000
    assert len(attempts._failed["10.9.9.9"].wrong) <= 16


def test_who_was_good_a_moment_ago_does_not_wait_for_others_behind_its_address(
    access: Access, other: Authenticator, clock: Clock
) -> None:
    good, new = (access.tokens.create(name, Role.VIEWER).text for name in ("ci", "new"))
    assert other.holder_of_token(good, address="10.0.0.1").name == "ci"
    for _ in range(FREE):
        with pytest.raises(TokenInvalid):
            other.holder_of_token(new_bearer(TOKEN), address="10.0.0.1")
    with pytest.raises(TooManyAttempts):
        other.holder_of_token(new, address="10.0.0.1")
    assert other.holder_of_token(good, address="10.0.0.1").name == "ci"
    assert other.holder_of_token(new, address="10.0.0.2").name == "new"
    clock.now += 1.1
    assert other.holder_of_token(new, address="10.0.0.1").name == "new"


def test_a_program_that_shows_one_wrong_token_for_ever_shuts_nobody_out(
    access: Access, other: Authenticator, place: RegistryPlace
) -> None:
    wrong, good = new_bearer(TOKEN), access.tokens.create("ci", Role.VIEWER).text
    old = access.tokens.create("old", Role.VIEWER).text
    access.revoke("old")
    for _ in range(50):
        with pytest.raises(TokenInvalid):
            other.holder_of_token(wrong, address="10.0.0.1")
        with pytest.raises(TokenRevoked):
            other.holder_of_token(old, address="10.0.0.1")
    assert other.holder_of_token(good, address="10.0.0.1").name == "ci"


def test_many_threads_ask_at_once(access: Access) -> None:
    texts = [access.tokens.create(f"t{number}", Role.VIEWER).text for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda text: access.authenticator.holder_of_token(text).name, texts * 50))
    assert names == [f"t{number}" for number in range(8)] * 50
