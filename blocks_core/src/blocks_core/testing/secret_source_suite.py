"""`SecretSourceSuite`: what every `SecretSource` must do, tried against a service that really keeps secrets.

class TestMySource(SecretSourceSuite):
    stored = {"greeting": b"canary-of-the-greeting", "database#password": b"canary-of-the-database"}

    @pytest.fixture
    def source(self, service):
        return MySource(address=service.url, token=service.token)

    @pytest.fixture
    def refused_source(self, service):
        return MySource(address=service.url, token="a token that the service does not know")
"""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

import pytest
from pydantic import SecretBytes

from blocks_core.capabilities import SecretSource
from blocks_core.errors import BlocksError, CredentialsRefused, SecretUnresolved
from blocks_core.testing.block_suite import secrets_of, shown

MISSING = "no-such-secret"


class SecretSourceSuite:
    """Inherit it and give `stored` and the fixtures `source` and `refused_source`, with secrets in both."""

    stored: ClassVar[Mapping[str, bytes]]
    """What the service keeps: key -> value; one of the keys has a `#`, and each value stands nowhere else."""

    @pytest.fixture
    def source(self) -> SecretSource:
        """Return a source that the service answers."""
        raise NotImplementedError("Give a fixture 'source'.")

    @pytest.fixture
    def refused_source(self) -> SecretSource:
        """Return a source of the right form whose credentials the service does not accept."""
        raise NotImplementedError("Give a fixture 'refused_source'.")

    @pytest.fixture
    def member_key(self) -> str:
        """Return a key that asks for a member."""
        return next(key for key in self.stored if "#" in key)

    def test_a_secret_is_read_as_it_was_stored(self, source: SecretSource) -> None:
        """Byte for byte; the object that holds it does not show it."""
        for key, value in self.stored.items():
            found = source.read_secret(key)
            assert isinstance(found, SecretBytes)
            assert found.get_secret_value() == value
            assert value.decode(errors="replace") not in repr(found)

    def test_a_secret_without_a_member_is_read_whole(self, source: SecretSource, member_key: str) -> None:
        """The object that it is, with the member in it."""
        whole = source.read_secret(member_key.partition("#")[0]).get_secret_value()
        assert self.stored[member_key] in whole
        assert whole.startswith(b"{")

    def test_a_secret_that_is_not_there_is_a_typed_error_that_says_what_to_do(
        self, source: SecretSource
    ) -> None:
        """It names the secret."""
        with pytest.raises(SecretUnresolved, match=MISSING) as caught:
            source.read_secret(MISSING)
        assert ". " in str(caught.value)

    def test_a_member_that_is_not_there_is_a_typed_error(self, source: SecretSource, member_key: str) -> None:
        """It names the member, and shows none of the others."""
        name = member_key.partition("#")[0]
        with pytest.raises(SecretUnresolved, match="'no-such-member'") as caught:
            source.read_secret(f"{name}#no-such-member")
        self._hides(source, "".join(traceback.format_exception(caught.value)))

    @pytest.mark.parametrize("key", ["", "#x", "x#", "a\nb", "../x", "a/../../x", "x?y=1", "ä", "x" * 3000])
    def test_a_key_that_is_none_is_a_typed_error(self, source: SecretSource, key: str) -> None:
        """It leads to no other secret and to no other service."""
        with pytest.raises(SecretUnresolved):
            source.read_secret(key)

    def test_a_refusal_is_a_typed_error_that_says_what_to_do(self, refused_source: SecretSource) -> None:
        """What happened and what to do: two sentences at least."""
        with pytest.raises(CredentialsRefused) as caught:
            refused_source.read_secret(next(iter(self.stored)))
        assert str(caught.value).endswith(".")
        assert ". " in str(caught.value)

    def test_a_check_reports_each_permission(
        self, source: SecretSource, refused_source: SecretSource
    ) -> None:
        """A result for each; a refusal is reported with its reason and not raised."""
        assert source.check().results
        assert source.check().ok
        report = refused_source.check()
        assert not report.ok
        assert all(result.detail for result in report.results if not result.ok)

    def test_it_says_how_long_a_process_may_keep_a_value(self, source: SecretSource) -> None:
        """In whole seconds, zero for not at all; references look at it."""
        seconds: object = getattr(source, "cache_seconds", None)
        assert isinstance(seconds, int)
        assert seconds >= 0

    def test_a_copy_made_by_pickle_reads_the_same(self, source: SecretSource) -> None:
        """So that it can be sent to where a task runs."""
        for key, value in self.stored.items():
            assert pickle.loads(pickle.dumps(source)).read_secret(key).get_secret_value() == value

    def test_no_secret_is_shown_by_the_source_or_its_check(
        self, source: SecretSource, refused_source: SecretSource
    ) -> None:
        """Used or not."""
        for key in self.stored:
            source.read_secret(key)
        for block in (source, refused_source):
            self._hides(block, *shown(block), repr(block.check()), repr(vars(block)))

    def test_no_secret_is_in_a_refusal(self, refused_source: SecretSource) -> None:
        """Nor in its causes."""
        with pytest.raises(CredentialsRefused) as caught:
            refused_source.read_secret(next(iter(self.stored)))
        self._hides(refused_source, "".join(traceback.format_exception(caught.value)))

    def test_no_secret_is_in_logs_or_output(
        self,
        source: SecretSource,
        refused_source: SecretSource,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Even where every logger that there is logs everything, with all that a record carries."""
        source.read_secret(next(iter(self.stored)))  # imports the vendor's packages, which make their loggers
        loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        try:
            with caplog.at_level(logging.DEBUG):
                self._use(source)
                self._use(refused_source)
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
        assert caplog.records, "nothing was logged, so nothing was searched"
        carried = [repr(record.__dict__) for record in caplog.records]
        output = "".join(capfd.readouterr())
        for block in (source, refused_source):
            self._hides(block, caplog.text, output, *carried)

    def _use(self, block: SecretSource) -> None:
        block.check()
        for key in (*self.stored, MISSING):
            with suppress(BlocksError):
                block.read_secret(key)

    def _hides(self, block: SecretSource, *texts: str) -> None:
        secrets = [*secrets_of(block), *(value.decode() for value in self.stored.values())]
        assert len(secrets) > len(self.stored), "fill in the secret fields of both fixtures"
        for text in texts:
            assert not any(secret in text for secret in secrets), "a secret is shown"
