"""`NotifierSuite`: what every `Notifier` must do, tried against a real receiver.

    class TestMyNotifier(NotifierSuite):
        @pytest.fixture
        def notifier_at(self):
            return lambda url: MyNotifier(url=url, timeout_seconds=0.5, retries=1)

The receiver is part of the suite, speaks HTTP and listens on the loopback address. `CANARY` is the planted secret: it
stands in the path of the address. Where a service keeps its secret elsewhere, give it there and say where it arrives:

        @pytest.fixture
        def notifier_at(self):
            return lambda url: MyNotifier(endpoint=origin_of(url), api_key=CANARY)

        def secret_of(self, received):
            return received.headers["authorization"]

A service that answers otherwise than with 200 overrides `accepted` and `refused`, one that never asks to wait sets
`asks_to_wait = False`. One that does not speak HTTP overrides the fixtures `receiver`, `encrypted` and `nobody`, too,
with receivers of its own (see `Receiving`), and the answers that they are to play; `speaks_http = False` leaves out
what only HTTP has.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from urllib.parse import urlsplit

import pytest

from blocks_core.capabilities import Notifier
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.testing.log_watch import LogWatch, assert_hidden
from blocks_core.testing.receiver import (
    CANARY,
    Answer,
    Received,
    Receiver,
    Receiving,
    encrypted_receiver,
    free_port,
)

__all__ = ["CANARY", "Answer", "NotifierSuite", "Received", "Receiver", "Receiving", "origin_of"]

NotifierAt = Callable[[str], Notifier]


def origin_of(url: str) -> str:
    """Return the beginning of an address: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _repeating(status: int) -> Answer:
    """Return an answer that repeats the secret wherever a service could."""
    elsewhere = {"Location": f"http://127.0.0.1:1/hooks/{CANARY}"} if 300 <= status < 400 else {}
    headers = {"Retry-After": "86400", "X-Repeated": CANARY, **elsewhere}
    return Answer(status, f'{{"message": "no: /hooks/{CANARY}", "key": "{CANARY}"}}', headers)


class NotifierSuite:
    """Inherit it in a test class, give it a fixture `notifier_at`, and every test here runs on your notifier."""

    accepted = Answer()
    """What the service answers when it has taken a message."""
    refused = Answer(404, "not found")
    """What it answers to a message that it will never take."""
    broken = Answer(500, "broken")
    """What it answers when the error is its own."""
    repeating: Sequence[Answer] = tuple(
        _repeating(status) for status in (301, 400, 401, 403, 404, 410, 413, 422, 429, 500, 502, 503)
    )
    """Refusals that repeat the secret, of all kinds that there are."""
    asks_to_wait = True
    """The service answers 429 with `Retry-After`, and the notifier then waits."""
    speaks_http = True
    """What is tried is an HTTP request: redirects are not followed."""
    check_asks = True
    """A check asks the service; where it does not, it may find nothing wrong with one that refuses."""
    loggers_of_receiver: Sequence[str] = ()
    """What the receiver itself logs, which may have what it received."""

    message = Message(
        title="Flow etl failed",
        text="Run calm-heron: <1 & 2> is not 가나다 🦉",
        level="error",
        facts={"State": "Failed", "Worker": "a-17"},
        detail="Traceback (most recent call last):\n  ValueError: no rows",
        link="https://example.test/runs/7?tab=logs",
    )

    @pytest.fixture
    def receiver(self) -> Iterator[Receiving]:
        """Run a receiver that takes every message, unless told otherwise by `play`."""
        running = Receiver(self.accepted)
        yield running
        running.close()

    @pytest.fixture
    def encrypted(self) -> Iterator[Receiving]:
        """Run a receiver that speaks TLS, with a certificate that nobody vouches for."""
        yield from encrypted_receiver(self.accepted)

    @pytest.fixture
    def nobody(self) -> str:
        """Return an address where nobody listens."""
        return f"http://127.0.0.1:{free_port()}/hooks/{CANARY}"

    @pytest.fixture
    def notifier_at(self) -> NotifierAt:
        """Return a function that makes the notifier for an address.

        It should wait for an answer for at most a second or two, and try at least once more after 429.
        """
        raise NotImplementedError("Give your test class a fixture 'notifier_at'.")

    @pytest.fixture
    def notifier(self, notifier_at: NotifierAt, receiver: Receiving) -> Notifier:
        """Return the notifier for the receiver."""
        return notifier_at(receiver.url)

    @pytest.fixture
    def watch(self) -> Iterator[LogWatch]:
        """Keep what every logger writes, at any level."""
        with LogWatch(ignored=self.loggers_of_receiver) as watching:
            yield watching

    def secret_of(self, received: Received) -> str:
        """Return the part of a request that has the secret, as text."""
        return received.path

    def test_a_message_is_delivered_once(self, notifier: Notifier, receiver: Receiving) -> None:
        """To the address that it was given, with the secret that the service asks for."""
        notifier.notify(self.message)
        assert len(receiver.requests) == 1
        assert CANARY in self.secret_of(receiver.requests[0])

    def test_every_part_of_a_message_arrives(self, notifier: Notifier, receiver: Receiving) -> None:
        """Title, text, facts, each line of the detail, and link."""
        notifier.notify(self.message)
        text = receiver.requests[0].text()
        facts = [part for fact in self.message.facts.items() for part in fact]
        lines = [line.strip() for line in self.message.detail.splitlines()]
        for part in [self.message.title, "calm-heron", *facts, *lines, str(self.message.link)]:
            assert part in text

    def test_text_of_any_script_arrives_unchanged(self, notifier: Notifier, receiver: Receiving) -> None:
        """Letters of any alphabet, and signs beyond the first 65,536."""
        notifier.notify(self.message)
        assert "가나다 🦉" in receiver.requests[0].text()

    def test_a_title_alone_is_a_message(self, notifier: Notifier, receiver: Receiving) -> None:
        """All else is optional."""
        notifier.notify(Message(title="Nothing more"))
        assert "Nothing more" in receiver.requests[0].text()

    def test_a_message_without_a_title_is_one(self, notifier: Notifier, receiver: Receiving) -> None:
        """And so is one without any words."""
        notifier.notify(Message(title="", text="Text alone"))
        notifier.notify(Message(title=" ", facts={"": ""}, detail="\n"))
        assert "Text alone" in receiver.requests[0].text()
        assert len(receiver.requests) == 2

    def test_very_long_parts_are_no_error(self, notifier: Notifier, receiver: Receiving) -> None:
        """They are cut to what the service takes, or sent whole."""
        facts = {f"Fact {number}": "v" * 5_000 for number in range(120)}
        notifier.notify(Message("t" * 500, "x" * 10_000, facts=facts, detail="d\n" * 50_000))
        assert len(receiver.requests) == 1

    def test_half_a_character_is_no_error(self, notifier: Notifier, receiver: Receiving) -> None:
        """As names of files that are no text have them."""
        notifier.notify(Message("half \udc80", "\ud83e", facts={"\udc80": "\udc80"}, detail="\udc80"))
        assert "half" in receiver.requests[0].text()

    def test_a_refusal_is_a_typed_error_with_the_status(
        self, notifier: Notifier, receiver: Receiving
    ) -> None:
        """And not tried again, as the service will never take it."""
        receiver.play(self.refused)
        with pytest.raises(NotificationFailed, match=str(self.refused.status)):
            notifier.notify(self.message)
        assert len(receiver.requests) == 1

    def test_an_error_of_the_service_is_a_typed_error(self, notifier: Notifier, receiver: Receiving) -> None:
        """With its status."""
        receiver.play(self.broken)
        with pytest.raises(NotificationFailed, match=str(self.broken.status)):
            notifier.notify(self.message)

    def test_too_many_requests_are_followed_by_the_wait_that_was_asked_for(
        self, notifier: Notifier, receiver: Receiving
    ) -> None:
        """`Retry-After` in seconds; then the same message, once."""
        self._play_a_wait(receiver, "1", self.accepted)
        notifier.notify(self.message)
        first, second = receiver.requests
        assert second.at - first.at >= 1
        assert first.body == second.body

    def test_too_many_requests_for_ever_are_a_typed_error(
        self, notifier: Notifier, receiver: Receiving
    ) -> None:
        """After a few attempts."""
        self._play_a_wait(receiver, "0")
        with pytest.raises(NotificationFailed, match="429"):
            notifier.notify(self.message)
        assert 2 <= len(receiver.requests) <= 20

    def test_a_wait_of_hours_is_not_waited_for(self, notifier: Notifier, receiver: Receiving) -> None:
        """The error says how long the service asks for."""
        self._play_a_wait(receiver, "86400")
        with pytest.raises(NotificationFailed, match="86400"):
            notifier.notify(self.message)

    @pytest.mark.parametrize("header", ["soon", "-1", "1.5"])
    def test_a_wait_that_is_no_number_is_a_typed_error(
        self, notifier: Notifier, receiver: Receiving, header: str
    ) -> None:
        """Not a ValueError."""
        self._play_a_wait(receiver, header)
        with pytest.raises(NotificationFailed, match="429"):
            notifier.notify(self.message)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, notifier: Notifier, receiver: Receiving, status: int) -> None:
        """It would take the message, and maybe the secret, to whoever the answer names."""
        if not self.speaks_http:
            pytest.skip("The service does not speak HTTP.")
        receiver.play(Answer(status, "", {"Location": f"{origin_of(receiver.url)}/elsewhere"}), self.accepted)
        with pytest.raises(NotificationFailed, match=str(status)):
            notifier.notify(self.message)
        assert len(receiver.requests) == 1

    def test_no_answer_in_time_is_a_typed_error(self, notifier: Notifier, receiver: Receiving) -> None:
        """In the notifier's time, not the service's."""
        receiver.play(Answer(delay_seconds=60))
        started = monotonic()
        with pytest.raises(NotificationFailed):
            notifier.notify(self.message)
        assert monotonic() - started < 30

    def test_a_service_that_is_down_is_a_typed_error(self, notifier_at: NotifierAt, nobody: str) -> None:
        """Nobody listens at the address."""
        with pytest.raises(NotificationFailed):
            notifier_at(nobody).notify(self.message)

    def test_a_certificate_that_nobody_vouches_for_is_a_typed_error(
        self, notifier_at: NotifierAt, encrypted: Receiving
    ) -> None:
        """And nothing is sent: whoever has it could be anybody."""
        with pytest.raises(NotificationFailed):
            notifier_at(encrypted.url).notify(self.message)
        assert list(encrypted.requests) == []

    def test_a_copy_made_by_pickle_delivers(self, notifier: Notifier, receiver: Receiving) -> None:
        """So that it can be sent to where a task runs."""
        pickle.loads(pickle.dumps(notifier)).notify(self.message)
        assert len(receiver.requests) == 1

    def test_the_secret_stays_out_of_repr_and_str(self, notifier: Notifier) -> None:
        """Who has it can post."""
        assert_hidden(CANARY, repr(notifier), str(notifier), f"{notifier}", notifier.model_dump_json())

    def test_the_secret_stays_out_of_logs_and_output(
        self, notifier: Notifier, watch: LogWatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Even where everything is logged."""
        notifier.notify(self.message)
        notifier.check()
        assert_hidden(CANARY, *watch.lines, *map(str, capfd.readouterr()))

    def test_the_secret_stays_out_of_errors_even_if_the_service_repeats_it(
        self,
        notifier: Notifier,
        receiver: Receiving,
        watch: LogWatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Nor do the causes of the error have it, nor a check, whatever the status."""
        for answer in self.repeating:
            receiver.play(answer)
            self._fails_silently(notifier, watch, capfd)

    def test_the_secret_stays_out_of_errors_when_the_service_is_down(
        self, notifier_at: NotifierAt, nobody: str, watch: LogWatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Nor do the causes of the error have it, nor a check."""
        self._fails_silently(notifier_at(nobody), watch, capfd)

    def test_the_secret_stays_out_of_errors_when_no_answer_comes(
        self, notifier: Notifier, receiver: Receiving, watch: LogWatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Nor do the causes of the error have it, nor a check."""
        receiver.play(Answer(delay_seconds=60))
        self._fails_silently(notifier, watch, capfd)

    def test_the_secret_stays_out_of_errors_when_the_certificate_is_not_trusted(
        self,
        notifier_at: NotifierAt,
        encrypted: Receiving,
        watch: LogWatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Nor do the causes of the error have it, nor a check."""
        self._fails_silently(notifier_at(encrypted.url), watch, capfd)

    def test_a_check_tells_without_the_secret_what_it_found(
        self, notifier: Notifier, receiver: Receiving, watch: LogWatch
    ) -> None:
        """A block without a check of its own has nothing to tell."""
        receiver.play(self.refused)
        report = notifier.check()
        assert not report.ok or not report.results or not self.check_asks
        assert_hidden(CANARY, repr(report), *watch.lines)

    def _play_a_wait(self, receiver: Receiving, header: str, *then: Answer) -> None:
        if not self.asks_to_wait:
            pytest.skip("The service does not ask to wait.")
        receiver.play(Answer(429, "slow down", {"Retry-After": header}), *then)

    def _fails_silently(self, notifier: Notifier, watch: LogWatch, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(NotificationFailed) as caught:
            notifier.notify(self.message)
        shown = "".join(traceback.format_exception(caught.value))
        report = notifier.check()  # which never raises
        assert_hidden(
            CANARY, shown, repr(caught.value), repr(report), *watch.lines, *map(str, capfd.readouterr())
        )
