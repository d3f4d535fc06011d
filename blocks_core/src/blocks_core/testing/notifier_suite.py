"""`NotifierSuite`: what every `Notifier` that speaks HTTP must do, tried against a real receiver.

    class TestMyNotifier(NotifierSuite):
        @pytest.fixture
        def notifier_at(self):
            return lambda url: MyNotifier(url=url, timeout_seconds=0.5, retries=1)

The receiver is part of the suite and listens on the loopback address.
"""

from __future__ import annotations

import json
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, cast

import pytest

from blocks_core.capabilities import Message, Notifier
from blocks_core.errors import NotificationFailed

CANARY = "p1anted-5ecret-of-the-address"
"""Stands in the path of the receiver's address, where services keep the secret."""


@dataclass(frozen=True)
class Answer:
    """What the receiver answers to one request."""

    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_seconds: float = 0


@dataclass(frozen=True)
class Received:
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    at: float
    """On the monotonic clock."""

    def json(self) -> Any:
        """Return the body, which is JSON."""
        return json.loads(self.body)

    def text(self) -> str:
        """Return every string in the body if that is JSON, else the body: to look for words in."""
        try:
            return "\n".join(_strings_in(self.json()))
        except ValueError:
            return self.body.decode()


class Receiver:
    """An HTTP server on the loopback address that keeps requests and plays answers."""

    def __init__(self, accepted: Answer) -> None:
        self.requests: list[Received] = []
        self._answers: list[Answer] = [accepted]
        self._lock = Lock()
        self._closing = Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.answer(self, Received(self.command, self.path, headers, body, monotonic()))

            do_GET = do_PUT = do_HEAD = do_POST  # noqa: N815 named by the standard library

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 likewise
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # closing waits for what is still being answered
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Return an address with a secret in its path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks/{CANARY}"

    def play(self, *answers: Answer) -> None:
        """Answer the next requests in this order; the last answer serves all that follow."""
        with self._lock:
            self._answers = list(answers)

    def answer(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        """Note a request and answer it; for the server only."""
        with self._lock:
            self.requests.append(received)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self._closing.wait(answer.delay_seconds)
        body = answer.body.encode()
        try:
            handler.send_response(answer.status)
            for name, value in {"Content-Type": "text/plain", **answer.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except ConnectionError:  # the client did not wait so long
            handler.close_connection = True

    def close(self) -> None:
        """Stop listening; answers that are being delayed are given at once."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class NotifierSuite:
    """Inherit it in a test class, give it a fixture `notifier_at`, and every test here runs on your notifier."""

    accepted = Answer()
    """What the service answers when it has taken a message."""
    refused = Answer(404, "not found")
    """What it answers to a message that it will never take."""

    message = Message(
        title="Flow etl failed",
        text="Run calm-heron: <1 & 2> is not 가나다 🦉",
        level="error",
        facts={"State": "Failed", "Worker": "a-17"},
        detail="Traceback (most recent call last):\n  ValueError: no rows",
        link="https://example.test/runs/7?tab=logs",
    )

    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        """Run a receiver that takes every message, unless told otherwise by `play`."""
        running = Receiver(self.accepted)
        yield running
        running.close()

    @pytest.fixture
    def notifier_at(self) -> Callable[[str], Notifier]:
        """Return a function that makes the notifier for an address.

        It should wait for an answer for at most a second or two, and try at least once more after 429.
        """
        raise NotImplementedError("Give your test class a fixture 'notifier_at'.")

    @pytest.fixture
    def notifier(self, notifier_at: Callable[[str], Notifier], receiver: Receiver) -> Notifier:
        """Return the notifier for the receiver."""
        return notifier_at(receiver.url)

    def test_a_message_is_delivered_once(self, notifier: Notifier, receiver: Receiver) -> None:
        """To the address that it was given."""
        notifier.notify(self.message)
        assert len(receiver.requests) == 1
        assert receiver.requests[0].path.endswith(CANARY)

    def test_every_part_of_a_message_arrives(self, notifier: Notifier, receiver: Receiver) -> None:
        """Title, text, facts, detail and link."""
        notifier.notify(self.message)
        text = receiver.requests[0].text()
        facts = [part for fact in self.message.facts.items() for part in fact]
        for part in [self.message.title, "calm-heron", *facts, self.message.detail, str(self.message.link)]:
            assert part in text

    def test_text_of_any_script_arrives_unchanged(self, notifier: Notifier, receiver: Receiver) -> None:
        """Letters of any alphabet, and signs beyond the first 65,536."""
        notifier.notify(self.message)
        assert "가나다 🦉" in receiver.requests[0].text()

    def test_a_title_alone_is_a_message(self, notifier: Notifier, receiver: Receiver) -> None:
        """All else is optional."""
        notifier.notify(Message(title="Nothing more"))
        assert "Nothing more" in receiver.requests[0].text()

    def test_very_long_parts_are_no_error(self, notifier: Notifier, receiver: Receiver) -> None:
        """They are cut to what the service takes, or sent whole."""
        facts = {f"Fact {number}": "v" * 5_000 for number in range(120)}
        notifier.notify(Message("t" * 500, "x" * 10_000, facts=facts, detail="d\n" * 50_000))
        assert len(receiver.requests) == 1

    def test_a_refusal_is_a_typed_error_with_the_status(self, notifier: Notifier, receiver: Receiver) -> None:
        """And not tried again, as the service will never take it."""
        receiver.play(self.refused)
        with pytest.raises(NotificationFailed, match=str(self.refused.status)):
            notifier.notify(self.message)
        assert len(receiver.requests) == 1

    def test_an_error_of_the_service_is_a_typed_error(self, notifier: Notifier, receiver: Receiver) -> None:
        """With its status."""
        receiver.play(Answer(500, "broken"))
        with pytest.raises(NotificationFailed, match="500"):
            notifier.notify(self.message)

    def test_too_many_requests_are_followed_by_the_wait_that_was_asked_for(
        self, notifier: Notifier, receiver: Receiver
    ) -> None:
        """`Retry-After` in seconds; then the same message, once."""
        receiver.play(Answer(429, "slow down", {"Retry-After": "1"}), self.accepted)
        notifier.notify(self.message)
        first, second = receiver.requests
        assert second.at - first.at >= 1
        assert first.body == second.body

    def test_too_many_requests_for_ever_are_a_typed_error(
        self, notifier: Notifier, receiver: Receiver
    ) -> None:
        """After a few attempts."""
        receiver.play(Answer(429, "slow down", {"Retry-After": "0"}))
        with pytest.raises(NotificationFailed, match="429"):
            notifier.notify(self.message)
        assert 2 <= len(receiver.requests) <= 20

    def test_a_wait_of_hours_is_not_waited_for(self, notifier: Notifier, receiver: Receiver) -> None:
        """The error says how long the service asks for."""
        receiver.play(Answer(429, "slow down", {"Retry-After": "86400"}))
        with pytest.raises(NotificationFailed, match="86400"):
            notifier.notify(self.message)

    @pytest.mark.parametrize("header", ["soon", "-1", "1.5"])
    def test_a_wait_that_is_no_number_is_a_typed_error(
        self, notifier: Notifier, receiver: Receiver, header: str
    ) -> None:
        """Not a ValueError."""
        receiver.play(Answer(429, "slow down", {"Retry-After": header}))
        with pytest.raises(NotificationFailed, match="429"):
            notifier.notify(self.message)

    def test_no_answer_in_time_is_a_typed_error(self, notifier: Notifier, receiver: Receiver) -> None:
        """In the notifier's time, not the service's."""
        receiver.play(Answer(delay_seconds=60))
        started = monotonic()
        with pytest.raises(NotificationFailed):
            notifier.notify(self.message)
        assert monotonic() - started < 30

    def test_a_service_that_is_down_is_a_typed_error(self, notifier_at: Callable[[str], Notifier]) -> None:
        """Nobody listens at the address."""
        with pytest.raises(NotificationFailed):
            notifier_at(_address_of_nobody()).notify(self.message)

    def test_a_copy_made_by_pickle_delivers(self, notifier: Notifier, receiver: Receiver) -> None:
        """So that it can be sent to where a task runs."""
        pickle.loads(pickle.dumps(notifier)).notify(self.message)
        assert len(receiver.requests) == 1

    def test_the_address_stays_out_of_repr_and_str(self, notifier: Notifier) -> None:
        """It is a secret: who has it can post."""
        assert CANARY not in repr(notifier)
        assert CANARY not in str(notifier)

    def test_the_address_stays_out_of_logs_and_output(
        self, notifier: Notifier, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Even where everything is logged."""
        with caplog.at_level(logging.DEBUG):
            notifier.notify(self.message)
        assert CANARY not in caplog.text
        assert CANARY not in "".join(capfd.readouterr())

    @pytest.mark.parametrize("status", [301, 400, 403, 404, 429, 500])
    def test_the_address_stays_out_of_errors_even_if_the_service_repeats_it(
        self, notifier: Notifier, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int
    ) -> None:
        """Nor do the causes of the error have it."""
        receiver.play(Answer(status, f"/hooks/{CANARY}", {"Retry-After": "86400"}))
        self._fails_silently(notifier, caplog)

    def test_the_address_stays_out_of_errors_when_the_service_is_down(
        self, notifier_at: Callable[[str], Notifier], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nor do the causes of the error have it."""
        self._fails_silently(notifier_at(_address_of_nobody()), caplog)

    def test_the_address_stays_out_of_errors_when_no_answer_comes(
        self, notifier: Notifier, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nor do the causes of the error have it."""
        receiver.play(Answer(delay_seconds=60))
        self._fails_silently(notifier, caplog)

    def test_a_check_tells_without_the_address_what_it_found(
        self, notifier: Notifier, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A block without a check of its own has nothing to tell."""
        receiver.play(self.refused)
        with caplog.at_level(logging.DEBUG):
            report = notifier.check()
        assert not report.ok or not report.results
        assert CANARY not in f"{report!r}{caplog.text}"

    def _fails_silently(self, notifier: Notifier, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG), pytest.raises(NotificationFailed) as caught:
            notifier.notify(self.message)
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        assert CANARY not in caplog.text


def _address_of_nobody() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/hooks/{CANARY}"


def _strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield str(key)
            yield from _strings_in(inner)
    elif isinstance(value, Sequence):
        for inner in cast("Sequence[object]", value):
            yield from _strings_in(inner)
