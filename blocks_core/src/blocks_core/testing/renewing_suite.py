"""`RenewingSuite`: what every block must do whose token, key or login comes from a service and ends.

`CredentialsSuite` inherits it. So may a storage, a secret source or a registry of images that uses such credentials:

    class TestMyCredentialsRenewed(RenewingSuite):
        @pytest.fixture
        def renewing(self, service):
            credentials = MyCredentials(address=service.url, password=service.password)
            return Renewing(
                use=credentials.identity,
                issued=lambda: len(service.tokens),
                refused=lambda: service.answers.count("expired"),
                secrets=lambda: list(service.tokens),
                give_for=service.give_tokens_for,
                expire=service.expire_tokens,
                expire_always=service.refuse_every_token,
            )

The fixture starts from a service that has given nothing, and gives for an hour. A real service is not hurried: let
the fixture be a small server that speaks its protocol, or stand before the real one and let its tokens end.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import ClassVar

import pytest

from blocks_core.errors import BlocksError, CredentialsRefused


@dataclass(frozen=True)
class Renewing:
    """A block in use and the service that it asks, as the tests turn them."""

    use: Callable[[], object]
    """Asks the service for something that needs what it gave, and may be asked twice; called by several threads."""
    issued: Callable[[], int]
    """How many tokens, keys or logins the service has given so far."""
    refused: Callable[[], int]
    """How many requests the service has answered with its word for `expired` so far."""
    secrets: Callable[[], Iterable[str]]
    """The secret texts of what it has given so far."""
    give_for: Callable[[float], object]
    """Lets what the service gives from now on end after so many seconds; it tells the bearer so."""
    expire: Callable[[], object]
    """Lets what the service has given so far be refused as expired, before its time; what comes next is good."""
    expire_always: Callable[[], object]
    """Lets all be refused as expired from now on, what comes next as well."""
    refusal: type[BlocksError] = CredentialsRefused
    """What `use` raises in the end where the service goes on refusing."""


class RenewingSuite:
    """Inherit it and give the fixture `renewing`."""

    near_the_end_seconds: ClassVar[float] = 30.0
    """So short before its end no token is sent any more: a request and its answer take a while, and clocks differ."""
    users: ClassVar[int] = 8
    """How many threads use the block at once."""
    renewals_for_all_users: ClassVar[int] = 2
    """How often they may renew in all; one is best, one for each is what a service counts as an attack."""

    @pytest.fixture
    def renewing(self) -> Renewing:
        """Return a block in use and the service that it asks."""
        raise NotImplementedError("Give a fixture 'renewing'.")

    def test_what_the_service_gave_is_used_again_while_it_lasts(self, renewing: Renewing) -> None:
        """One token for many requests."""
        for _ in range(3):
            renewing.use()
        assert (renewing.issued(), renewing.refused()) == (1, 0)

    def test_it_is_renewed_before_it_ends(self, renewing: Renewing) -> None:
        """So that the service never has to refuse it."""
        renewing.give_for(self.near_the_end_seconds)
        renewing.use()
        renewing.give_for(3600)
        for _ in range(3):
            renewing.use()
        assert (renewing.issued(), renewing.refused()) == (2, 0)

    def test_it_is_renewed_once_where_the_service_says_that_it_has_expired(self, renewing: Renewing) -> None:
        """A service may end it early; the caller does not notice."""
        renewing.use()
        renewing.expire()
        for _ in range(3):
            renewing.use()
        assert (renewing.issued(), renewing.refused()) == (2, 1)

    def test_it_is_renewed_as_often_as_it_is_ended(self, renewing: Renewing) -> None:
        """Once for each time, not once for ever."""
        for _ in range(3):
            renewing.use()
            renewing.expire()
        renewing.use()
        assert (renewing.issued(), renewing.refused()) == (4, 3)

    def test_a_service_that_refuses_the_new_one_too_is_an_error_and_no_loop(self, renewing: Renewing) -> None:
        """A typed one, after one renewal, that says what to do."""
        renewing.use()
        renewing.expire_always()
        with pytest.raises(renewing.refusal) as caught:
            renewing.use()
        assert (renewing.issued(), renewing.refused()) == (2, 2)
        assert ". " in str(caught.value)

    def test_a_service_that_comes_to_its_senses_is_used_again(self, renewing: Renewing) -> None:
        """Without a new process or a new block."""
        renewing.expire_always()
        with pytest.raises(renewing.refusal):
            renewing.use()
        renewing.expire()
        renewing.use()

    def test_many_threads_that_meet_the_end_renew_it_once(self, renewing: Renewing) -> None:
        """Those who come later take what the first one got."""
        renewing.give_for(self.near_the_end_seconds)
        renewing.use()
        renewing.give_for(3600)
        self._use_at_once(renewing)
        assert 2 <= renewing.issued() <= 1 + self.renewals_for_all_users
        assert renewing.refused() == 0

    def test_many_threads_that_are_refused_renew_it_once(self, renewing: Renewing) -> None:
        """Those who were refused with the old one do not throw away the new one."""
        renewing.use()
        renewing.expire()
        self._use_at_once(renewing)
        assert 2 <= renewing.issued() <= 1 + self.renewals_for_all_users
        assert 1 <= renewing.refused() <= self.users

    def test_nothing_that_was_given_is_logged_or_shown(
        self, renewing: Renewing, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Not when it is got, not when it is renewed, not in a refusal and its causes."""
        with caplog.at_level(logging.DEBUG):
            renewing.use()
            renewing.expire()
            renewing.use()
            renewing.expire_always()
            with pytest.raises(renewing.refusal) as caught:
                renewing.use()
        texts = (caplog.text, *capfd.readouterr(), "".join(traceback.format_exception(caught.value)))
        secrets = list(renewing.secrets())
        assert secrets, "give the secret texts of what the service gave"
        for text in texts:
            assert not any(secret in text for secret in secrets), "what the service gave is shown"

    def _use_at_once(self, renewing: Renewing) -> None:
        start = Barrier(self.users)

        def use(_: int) -> None:
            start.wait(30)
            renewing.use()

        with ThreadPoolExecutor(self.users) as pool:
            list(pool.map(use, range(self.users)))
