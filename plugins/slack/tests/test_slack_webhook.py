import json
import logging
import subprocess
import sys
import traceback
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest
from pydantic import ValidationError

from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.testing.notifier_suite import CANARY, Answer, NotifierSuite, Receiver
from blocks_slack import SlackWebhook

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver():
    running = Receiver(Answer())
    yield running
    running.close()


@pytest.fixture
def webhook(receiver):
    return SlackWebhook(url=receiver.url, timeout_seconds=0.5, retries=1)


class TestSlackWebhook(NotifierSuite):
    refused = Answer(404, "no_service")

    @pytest.fixture
    def notifier_at(self):
        return lambda url: SlackWebhook(url=url, timeout_seconds=0.5, retries=1)


def test_a_message_is_posted_as_blocks_with_a_colour(webhook, receiver):
    webhook.notify(
        Message(
            title="Flow etl failed",
            text="2 < 3 & so on",
            level="error",
            facts={"State": "Failed", "Worker": "a-17"},
            detail="ValueError: <no rows>",
            link="https://example.test/runs/7",
        )
    )
    [request] = receiver.requests
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json;charset=utf-8"
    assert request.json() == {
        "text": "Flow etl failed",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Flow etl failed", "emoji": False}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "2 &lt; 3 &amp; so on"}},
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "text": {"type": "plain_text", "text": "Open"},
                        "url": "https://example.test/runs/7",
                    }
                ],
            },
        ],
        "attachments": [
            {
                "color": "#c9302c",
                "blocks": [
                    {
                        "type": "section",
                        "fields": [
                            {"type": "mrkdwn", "text": "*State*\nFailed"},
                            {"type": "mrkdwn", "text": "*Worker*\na-17"},
                        ],
                    },
                    {
                        "type": "rich_text",
                        "elements": [
                            {
                                "type": "rich_text_preformatted",
                                "elements": [{"type": "text", "text": "ValueError: <no rows>"}],
                            }
                        ],
                    },
                    {"type": "context", "elements": [{"type": "mrkdwn", "text": "Error"}]},
                ],
            }
        ],
    }


def test_a_text_of_ones_own_is_posted_as_it_is(webhook, receiver):
    webhook.send("<!here> *deployed*")
    webhook.send("deployed", blocks=[{"type": "divider"}])
    assert [request.json() for request in receiver.requests] == [
        {"text": "<!here> *deployed*"},
        {"text": "deployed", "blocks": [{"type": "divider"}]},
    ]


@pytest.mark.parametrize(
    ("status", "word", "remedy"),
    [
        (400, "invalid_payload", "Block Kit Builder"),
        (403, "invalid_token", "copy it again"),
        (403, "action_prohibited", "ask one"),
        (404, "no_service", "make a new one"),
        (404, "channel_not_found", "another one"),
        (410, "channel_is_archived", "unarchive"),
        (418, "quite_new_word", "Check that the address"),
        (200, "", "Check that the address"),
        (200, "<html>Welcome</html>", "Check that the address"),
        (500, "rollup_error", "try again later"),
    ],
)
def test_any_answer_but_ok_says_what_slack_said_and_what_to_do(receiver, status, word, remedy):
    receiver.play(Answer(status, word))
    with pytest.raises(NotificationFailed) as caught:
        SlackWebhook(url=receiver.url, retries=0).send("x")
    message = str(caught.value)
    assert f"HTTP {status}" in message
    assert remedy in message
    assert "<" not in message
    assert not word.isidentifier() or word in message


def test_an_error_of_slacks_own_is_tried_again_as_often_as_asked(webhook, receiver):
    receiver.play(Answer(500, "rollup_error"), Answer())
    webhook.send("x")
    assert len(receiver.requests) == 2


def test_no_answer_in_time_is_not_tried_again_since_the_message_may_have_been_taken(webhook, receiver):
    receiver.play(Answer(delay_seconds=60))
    with pytest.raises(NotificationFailed, match="timed out"):
        webhook.send("x")
    assert len(receiver.requests) == 1


def test_a_refused_connection_names_the_host_and_the_reason(receiver):
    url = receiver.url
    receiver.close()
    with pytest.raises(NotificationFailed, match=r"127\.0\.0\.1 \(ConnectionRefusedError"):
        SlackWebhook(url=url, retries=0).send("x")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack-gov.com/services/T0/B0/x",
        "https://chat.example.test/hooks/x",
        "http://127.0.0.1:8065/hooks/x",
        "http://[::1]:8065/hooks/x",
        "http://localhost/hooks/x",
    ],
)
def test_addresses_of_https_and_of_this_machine_are_taken(url):
    assert SlackWebhook(url=url).url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.slack.com/services/s3cret", "https://"),
        ("http://127.0.0.1.example.test/s3cret", "https://"),
        ("ftp://hooks.slack.com/s3cret", "https://"),
        ("hooks.slack.com/services/s3cret", "https://"),
        ("https:///s3cret", "https://"),
        ("https://hooks.slack.com:port/s3cret", "no address"),
        ("https://[hooks/s3cret", "no address"),
        ("https://hooks.slack.com/s3cret\r\nX: y", "characters"),
        ("https://hooks.slack.com/s3cret ", "characters"),
        ("https://hooks.slack.com/é/s3cret", "characters"),
        ("", "https://"),
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url, problem):
    with pytest.raises(ValidationError, match=problem) as caught:
        SlackWebhook(url=url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_an_address_that_is_set_later_is_checked_too(webhook):
    with pytest.raises(ValidationError):
        webhook.url = "http://example.test/x"


class TestCheck:
    @pytest.mark.parametrize("word", ["no_text", "missing_text_or_fallback_or_attachments"])
    def test_a_webhook_that_works_is_found_without_posting_a_message(self, webhook, receiver, word):
        receiver.play(Answer(400, word))
        report = webhook.check()
        assert report.ok
        assert [request.json() for request in receiver.requests] == [{"text": ""}]

    def test_a_webhook_that_was_removed_is_reported(self, webhook, receiver):
        receiver.play(Answer(404, "no_service"))
        [result] = webhook.check().results
        assert not result.ok
        assert "make a new one" in result.detail

    def test_a_place_that_takes_anything_is_reported(self, webhook):
        [result] = webhook.check().results
        assert not result.ok
        assert "no Slack webhook" in result.detail

    def test_a_host_that_cannot_be_reached_is_reported(self, receiver):
        url = receiver.url
        receiver.close()
        [result] = SlackWebhook(url=url, retries=0).check().results
        assert not result.ok
        assert CANARY not in repr(result)


def test_the_address_is_not_logged_where_the_sdk_would_log_it(webhook, caplog):
    """The SDK itself does, which this shows; the block's client has a logger that is silent."""
    from slack_sdk.webhook import WebhookClient

    with caplog.at_level(logging.DEBUG):
        webhook.send("x")
        assert CANARY not in caplog.text
        WebhookClient(f"{webhook.url.get_secret_value()}/of-nobodys-block").send(text="x")
    assert (
        "/of-nobodys-block" in caplog.text
    )  # no other test keeps that as a secret, which a filter would hide


def test_importing_the_package_does_not_import_the_sdk():
    code = "import sys, blocks_slack, blocks_slack.webhook, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"slack_sdk", "urllib.request"} & set(json.loads(done.stdout))


def test_an_answer_that_is_no_http_and_repeats_the_request_does_not_show_the_address():
    class Echo(StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"no HTTP: " + self.rfile.readline())

    with ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        webhook = SlackWebhook(
            url=f"http://127.0.0.1:{server.server_address[1]}/services/{CANARY}", retries=0
        )
        try:
            with pytest.raises(NotificationFailed, match="no HTTP: POST") as caught:
                webhook.send("x")
            assert CANARY not in "".join(traceback.format_exception(caught.value))
            assert CANARY not in repr(webhook.check())
        finally:
            server.shutdown()
