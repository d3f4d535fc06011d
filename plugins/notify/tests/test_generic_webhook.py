import logging
import threading
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import pytest
from pydantic import ValidationError

from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.testing.notifier_suite import CANARY, Answer, NotifierSuite, Receiver, origin_of
from blocks_core.testing.receiver import self_signed
from blocks_notify import Webhook, WebhookResponse
from blocks_notify.addresses import is_public
from blocks_notify.delivery import Answer as Answered
from blocks_notify.delivery import seconds_to_wait

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def receiver():
    running = Receiver(Answer())
    yield running
    running.close()


@pytest.fixture
def webhook(receiver):
    return Webhook(url=receiver.url, timeout_seconds=0.5)


class TestWebhookContract(NotifierSuite):
    @pytest.fixture
    def notifier_at(self):
        return lambda url: Webhook(
            url=url, timeout_seconds=0.5, headers={"Authorization": f"Bearer {CANARY}"}
        )


class TestWebhookWithAPayload(NotifierSuite):
    """The secret is in a header, and what is posted is what a template says."""

    payload = {
        "summary": "{{ title or level }}",
        "body": "{{ text }}\n{{ detail|tail(2000) }}",
        "tags": [
            "{% for name, fact in facts.items() %}{{ name|truncate(20) }}={{ fact|truncate(20) }} {% endfor %}"
        ],
        "more": {"link": "{{ link|default('') }}", "count": 1, "nothing": None},
    }

    @pytest.fixture
    def notifier_at(self):
        return lambda url: Webhook(
            url=origin_of(url), timeout_seconds=0.5, headers={"X-Key": CANARY}, payload=self.payload
        )

    def secret_of(self, received):
        return received.headers["x-key"]


class TestPayload:
    def test_a_message_is_posted_as_one_json_object(self, webhook, receiver):
        webhook.notify(
            Message(
                "Flow etl failed", "가나다", "error", {"State": "Failed"}, "ValueError", "https://x.test/7"
            )
        )
        webhook.notify(Message("Title alone"))
        first, second = receiver.requests
        assert first.method == "POST"
        assert first.path == f"/hooks/{CANARY}"
        assert first.headers["content-type"] == "application/json"
        assert first.json() == {
            "title": "Flow etl failed",
            "text": "가나다",
            "level": "error",
            "facts": {"State": "Failed"},
            "detail": "ValueError",
            "link": "https://x.test/7",
        }
        assert second.json() == {
            "title": "Title alone",
            "text": "",
            "level": "info",
            "facts": {},
            "detail": "",
            "link": None,
        }

    def test_a_payload_of_ones_own_is_posted_as_it_is(self, webhook, receiver):
        receiver.play(Answer(201, '{"id": 7}'))
        assert webhook.call({"a": [1, 2.5, None, "é"], "b": {}}) == WebhookResponse(201, '{"id": 7}')
        assert receiver.requests[0].body == '{"a": [1, 2.5, null, "é"], "b": {}}'.encode()

    def test_the_query_of_the_address_and_the_headers_are_sent(self, receiver):
        url = f"{receiver.url}/a%20b?key=x%2Fy&z#part"
        Webhook(url=url, method="PUT", headers={"X-Key": "k1", "content-type": "text/x-json"}).call({})
        [request] = receiver.requests
        assert request.method == "PUT"
        assert request.path == f"/hooks/{CANARY}/a%20b?key=x%2Fy&z"
        assert request.headers["x-key"] == "k1"
        assert request.headers["content-type"] == "text/x-json"

    @pytest.mark.parametrize("payload", [{"a": object()}, {"a": float("nan")}, {"a": b"x"}, {(1, 2): "a"}])
    def test_a_payload_that_is_no_json_is_an_error_and_is_not_sent(self, webhook, receiver, payload):
        with pytest.raises(NotificationFailed, match="no JSON"):
            webhook.call(payload)
        assert receiver.requests == []


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_every_2xx_is_delivered(self, webhook, receiver, status):
        receiver.play(Answer(status, "" if status == 204 else "fine"))
        assert webhook.call({}).status == status

    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            (302, "final address"),
            (400, "what the service expects"),
            (401, "Check the key"),
            (404, "Check the address"),
            (410, "a new one"),
            (418, "what the service expects"),
            (429, "fewer messages"),
            (500, "try again later"),
            (503, "try again later"),
        ],
    )
    def test_any_other_status_says_what_the_service_said_and_what_to_do(
        self, webhook, receiver, status, remedy
    ):
        receiver.play(Answer(status, "because\n of   reasons"))
        with pytest.raises(NotificationFailed) as caught:
            webhook.call({})
        message = str(caught.value)
        for part in (f"HTTP {status}", "'because of reasons'", remedy, "127.0.0.1:"):
            assert part in message
        assert len(receiver.requests) == 1

    def test_a_redirect_is_not_followed(self, webhook, receiver):
        receiver.play(Answer(307, "", {"Location": receiver.url + "/other"}))
        with pytest.raises(NotificationFailed, match="redirects, which is not followed"):
            webhook.call({})
        assert [request.path for request in receiver.requests] == [f"/hooks/{CANARY}"]

    def test_a_long_answer_is_cut(self, webhook, receiver):
        receiver.play(Answer(200, "x" * 1_000_000), Answer(400, "y" * 1_000_000))
        assert webhook.call({}).text == "x" * 65536
        with pytest.raises(NotificationFailed) as caught:
            webhook.call({})
        assert len(str(caught.value)) < 500

    def test_an_answer_that_is_no_text_is_no_error(self, webhook, receiver):
        receiver.play(Answer(200, "x", {"Content-Type": "text/plain; charset=no-such"}))
        assert webhook.call({}).status == 200

    @pytest.mark.parametrize(
        "form", [f"/hooks/{CANARY}", CANARY, "h3ader-5ecret", "k3y/in=query", "k3y%2Fin%3Dquery"]
    )
    def test_no_part_of_address_or_headers_is_repeated(self, receiver, form):
        webhook = Webhook(
            url=f"{receiver.url}?key=k3y%2Fin%3Dquery", headers={"Authorization": "Bearer h3ader-5ecret"}
        )
        receiver.play(Answer(403, f"no: {form} is wrong", {"Retry-After": form}))
        with pytest.raises(NotificationFailed) as caught:
            webhook.call({})
        shown = "".join(traceback.format_exception(caught.value)) + repr(webhook) + repr(webhook.check())
        assert "is wrong" in shown
        for secret in (CANARY, "h3ader", "k3y"):
            assert secret not in shown


class TestRetries:
    @pytest.mark.parametrize(("status", "form"), [(429, "seconds"), (503, "date")])
    def test_what_asks_to_wait_is_tried_again_then(self, webhook, receiver, status, form):
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)  # of whole seconds
        receiver.play(Answer(status, "", {"Retry-After": "1" if form == "seconds" else date}), Answer())
        webhook.call({})
        first, second = receiver.requests
        assert 0.8 <= second.at - first.at < 5
        assert first.body == second.body

    def test_it_is_tried_again_as_often_as_was_set(self, receiver):
        receiver.play(Answer(503, "", {"Retry-After": "0"}))
        for retries in (0, 1, 4):
            receiver.requests.clear()
            with pytest.raises(NotificationFailed, match="503"):
                Webhook(url=receiver.url, retries=retries).call({})
            assert len(receiver.requests) == retries + 1

    @pytest.mark.parametrize("status", [400, 401, 404, 408, 500, 502])
    def test_no_other_answer_is_tried_again_even_if_it_asks_to(self, webhook, receiver, status):
        receiver.play(Answer(status, "", {"Retry-After": "0"}), Answer())
        with pytest.raises(NotificationFailed):
            webhook.call({})
        assert len(receiver.requests) == 1

    def test_a_connection_that_fails_is_tried_once_more(self, receiver):
        url = receiver.url
        receiver.close()
        for retries, waits in ((0, 0), (5, 1)):
            started = monotonic()
            with pytest.raises(
                NotificationFailed, match=r"No answer came from 127\.0\.0\.1:\d+ \(ConnectError"
            ):
                Webhook(url=url, retries=retries).call({})
            assert waits * 0.5 <= monotonic() - started < waits * 0.5 + 0.4

    def test_no_answer_in_time_is_not_tried_again_since_the_message_may_have_been_taken(
        self, webhook, receiver
    ):
        receiver.play(Answer(delay_seconds=60))
        with pytest.raises(NotificationFailed, match="ReadTimeout"):
            webhook.call({})
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize(
        ("status", "header", "seconds"),
        [
            (429, "0", 0),
            (429, " 120 ", 120),
            (503, format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
            (503, format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
            (429, None, None),
            (429, "", None),
            (429, "-1", None),
            (429, "1.5", None),
            (429, "soon", None),
            (429, "٣", None),
            (429, "Sat, 99 Jan 2026 99:99:99 GMT", None),
            (500, "1", None),
            (404, "1", None),
        ],
    )
    def test_the_wait_is_the_one_that_was_asked_for(self, status, header, seconds):
        assert seconds_to_wait(Answered(status, "", header), NOW) == seconds


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
        ],
    )
    def test_addresses_of_private_use_are_not_public(self, address):
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
    def test_other_addresses_are(self, address):
        assert is_public(address)

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
    )
    def test_where_it_is_asked_for_nothing_is_sent_to_this_machine(self, receiver, host):
        url = receiver.url.replace("127.0.0.1", host)
        webhook = Webhook(url=url, allow_private_addresses=False)
        with pytest.raises(NotificationFailed, match="no public address") as caught:
            webhook.notify(Message("x"))
        report = webhook.check()
        assert not report.ok
        assert receiver.requests == []
        assert CANARY not in "".join(traceback.format_exception(caught.value)) + repr(report)

    def test_a_name_that_is_not_known_is_an_error(self):
        webhook = Webhook(url="https://no-such-host.invalid/x", allow_private_addresses=False, retries=0)
        with pytest.raises(NotificationFailed, match=r"No answer came from no-such-host\.invalid"):
            webhook.call({})

    def test_by_default_this_machine_is_as_good_as_any(self, webhook, receiver):
        webhook.call({})
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("ftp://example.com/s3cret", "must start with"),
            ("example.com/s3cret", "must start with"),
            ("https:///s3cret", "must start with"),
            ("https://example.com:port/s3cret", "no address"),
            ("https://[half/s3cret", "no address"),
            ("https://example.com/s3cret\r\nX: y", "characters"),
            ("https://example.com/é/s3cret", "characters"),
            ("https://user:s3cret@example.com/", "Authorization"),
            ("", "must start with"),
        ],
    )
    def test_an_address_that_is_none_is_refused_without_repeating_it(self, url, problem):
        with pytest.raises(ValidationError, match=problem) as caught:
            Webhook(url=url)
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("Bad Name", "s3cret", "no name of a header"),
            ("", "s3cret", "no name of a header"),
            ("X\r\nY", "s3cret", "no name of a header"),
            ("Host", "s3cret", "set by the request"),
            ("content-length", "s3cret", "set by the request"),
            ("X-Key", "s3cret\r\nY: z", "characters"),
            ("X-Key", "s3cret ", "characters"),
            ("X-Key", "s3crét", "characters"),
        ],
    )
    def test_a_header_that_cannot_be_sent_is_refused_without_repeating_it(self, name, value, problem):
        with pytest.raises(ValidationError, match=problem) as caught:
            Webhook(url="https://example.com/x", headers={name: value})
        assert "s3cr" not in str(caught.value)


class OptionsReceiver(BaseHTTPRequestHandler):
    """Answers a check as most services do."""

    status = 405

    def do_OPTIONS(self):
        self.server.seen.append(self.command)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Keep quiet."""


class TestCheck:
    @pytest.fixture
    def server(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), OptionsReceiver)
        server.seen, server.status = [], 405
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        server.server_close()

    @pytest.mark.parametrize(
        ("status", "ok"), [(200, True), (204, True), (405, True), (501, True), (404, False), (401, False)]
    )
    def test_it_asks_without_posting(self, server, status, ok):
        server.status = status
        report = Webhook(url=f"http://127.0.0.1:{server.server_address[1]}/{CANARY}").check()
        assert [(result.name, result.ok) for result in report.results] == [
            ("connection", True),
            ("address", ok),
        ]
        assert server.seen == ["OPTIONS"]
        assert CANARY not in repr(report)

    def test_a_host_that_cannot_be_reached_is_reported(self, receiver):
        url = receiver.url
        receiver.close()
        report = Webhook(url=url).check()
        assert [(result.name, result.ok) for result in report.results] == [("connection", False)]


def test_a_redirect_that_repeats_the_address_does_not_bring_it_into_the_log(receiver, caplog):
    receiver.play(
        Answer(302, "", {"Location": f"http://127.0.0.1/elsewhere/hooks/{CANARY}", "X-Seen": "h3ader-5ecret"})
    )
    webhook = Webhook(url=receiver.url, headers={"Authorization": "Bearer h3ader-5ecret"})
    with caplog.at_level(logging.DEBUG, "httpcore2.http11"), pytest.raises(NotificationFailed, match="302"):
        webhook.call({})
    assert "elsewhere" in caplog.text
    assert CANARY not in caplog.text
    assert "h3ader-5ecret" not in caplog.text


def test_a_header_pasted_whole_as_a_name_is_refused_without_its_value():
    with pytest.raises(ValidationError, match=r"begins with 'Authorization'.*colon") as caught:
        Webhook(url="https://hooks.example.com", headers={f"Authorization: Bearer {CANARY}": "x"})
    assert CANARY not in str(caught.value)


class TestCertificates:
    @pytest.fixture
    def encrypted(self, certificate_of_nobody):
        running = Receiver(Answer(), certificate=certificate_of_nobody)
        yield running
        running.close()

    def test_one_that_nobody_vouches_for_is_said_with_the_remedy_and_not_tried_again(self, encrypted):
        started = monotonic()
        with pytest.raises(NotificationFailed, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
            Webhook(url=encrypted.url).call({})
        assert monotonic() - started < 0.5 + 1
        assert encrypted.requests == []

    def test_one_of_an_authority_that_was_named_is_taken(self, encrypted, certificate_of_nobody, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of_nobody))
        Webhook(url=encrypted.url).call({})
        assert len(encrypted.requests) == 1

    def test_one_of_another_host_is_refused(self, tmp_path, monkeypatch):
        certificate = self_signed(tmp_path, "other.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        receiver = Receiver(Answer(), certificate=certificate)
        try:
            with pytest.raises(NotificationFailed, match="Hostname mismatch"):
                Webhook(url=receiver.url).call({})
        finally:
            receiver.close()
        assert receiver.requests == []
