"""`CredentialsSuite`: what every `Credentials` must do, tried against a service that really checks them.

class TestMyCredentials(CredentialsSuite):
    @pytest.fixture
    def credentials(self, service):
        return MyCredentials(address=service.url, token=service.token)

    @pytest.fixture
    def refused_credentials(self, service):
        return MyCredentials(address=service.url, token="a token that the service does not know")

Where the service gives the bearer something that ends, such as a token, give the fixture `renewing`, too: the module
`renewing_suite` has an example. Its tests are skipped where there is none.
"""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

from blocks_core.capabilities import Credentials
from blocks_core.errors import CredentialsRefused
from blocks_core.testing.block_suite import secrets_of, shown
from blocks_core.testing.renewing_suite import Renewing, RenewingSuite


class CredentialsSuite(RenewingSuite):
    """Inherit it and give the fixtures `credentials` and `refused_credentials`, with secrets in both."""

    @pytest.fixture
    def credentials(self) -> Credentials:
        """Return credentials that the service accepts."""
        raise NotImplementedError("Give a fixture 'credentials'.")

    @pytest.fixture
    def refused_credentials(self) -> Credentials:
        """Return credentials of the right form that the service does not accept."""
        raise NotImplementedError("Give a fixture 'refused_credentials'.")

    @pytest.fixture
    def renewing(self) -> Renewing:
        """Return credentials in use whose token, key or login ends, and the service that gives it."""
        pytest.skip("these credentials hold nothing that ends: no fixture 'renewing' is given")

    def test_the_service_says_who_the_bearer_is(self, credentials: Credentials) -> None:
        """In a word or a name, the same each time."""
        identity = credentials.identity()
        assert identity.strip()
        assert credentials.identity() == identity

    def test_a_refusal_is_a_typed_error_that_says_what_to_do(self, refused_credentials: Credentials) -> None:
        """What happened and what to do: two sentences at least."""
        with pytest.raises(CredentialsRefused) as caught:
            refused_credentials.identity()
        assert str(caught.value).endswith(".")
        assert ". " in str(caught.value)

    def test_a_check_names_the_bearer(self, credentials: Credentials) -> None:
        """`check` asks the service."""
        report = credentials.check()
        assert report.ok
        assert credentials.identity() in {result.detail for result in report.results}

    def test_a_check_reports_a_refusal_and_does_not_raise(self, refused_credentials: Credentials) -> None:
        """A result that failed, with the reason."""
        report = refused_credentials.check()
        assert not report.ok
        assert all(result.detail for result in report.results if not result.ok)

    def test_a_copy_made_by_pickle_is_the_same_bearer(self, credentials: Credentials) -> None:
        """So that it can be sent to where a task runs."""
        assert pickle.loads(pickle.dumps(credentials)).identity() == credentials.identity()

    def test_no_secret_is_shown_by_the_credentials(
        self, credentials: Credentials, refused_credentials: Credentials
    ) -> None:
        """Not in repr, str or a dump; used or not."""
        credentials.identity()
        for block in (credentials, refused_credentials):
            _hides(block, *shown(block))

    def test_no_secret_is_in_the_identity_or_the_report(
        self, credentials: Credentials, refused_credentials: Credentials
    ) -> None:
        """Nor in the report of a refusal."""
        _hides(credentials, credentials.identity(), repr(credentials.check()))
        _hides(refused_credentials, repr(refused_credentials.check()))

    def test_no_secret_is_in_a_refusal(self, refused_credentials: Credentials) -> None:
        """Nor in its causes."""
        with pytest.raises(CredentialsRefused) as caught:
            refused_credentials.identity()
        _hides(refused_credentials, "".join(traceback.format_exception(caught.value)))

    def test_no_secret_is_in_logs_or_output(
        self,
        credentials: Credentials,
        refused_credentials: Credentials,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Even where everything is logged."""
        with caplog.at_level(logging.DEBUG):
            credentials.check()
            refused_credentials.check()
        output = "".join(capfd.readouterr())
        for block in (credentials, refused_credentials):
            _hides(block, caplog.text, output)


def _hides(block: Credentials, *texts: str) -> None:
    secrets = list(secrets_of(block))
    assert secrets, "fill in the secret fields of both fixtures"
    for text in texts:
        assert not any(secret in text for secret in secrets), "a secret is shown"
