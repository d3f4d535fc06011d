"""Each block that speaks HTTP does what every notifier must do, with its secret where the service asks for it."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from blocks_core.testing.notifier_suite import CANARY, Answer, NotifierSuite, Received, origin_of
from blocks_notify import (
    Apprise,
    DiscordWebhook,
    MattermostWebhook,
    OpsgenieWebhook,
    PagerDutyWebhook,
    TeamsWebhook,
    TwilioSMS,
)

FAST = {"timeout_seconds": 0.5, "retries": 1}


class TestTeamsWebhook(NotifierSuite):
    accepted = Answer(202, "")

    @pytest.fixture
    def notifier_at(self):
        return lambda url: TeamsWebhook(url=url, **FAST)


class TestDiscordWebhook(NotifierSuite):
    accepted = Answer(200, '{"id": "1092", "type": 0, "name": "etl"}', {"Content-Type": "application/json"})

    @pytest.fixture
    def notifier_at(self):
        return lambda url: DiscordWebhook(url=url, **FAST)


class TestMattermostWebhook(NotifierSuite):
    @pytest.fixture
    def notifier_at(self):
        return lambda url: MattermostWebhook(url=url, channel="alerts", **FAST)


class TestOpsgenieWebhook(NotifierSuite):
    accepted = Answer(202, '{"result": "Request will be processed", "took": 0.3, "requestId": "43a2"}')

    @pytest.fixture
    def notifier_at(self):
        return lambda url: OpsgenieWebhook(api_key=CANARY, endpoint_url=origin_of(url), **FAST)

    def secret_of(self, received: Received) -> str:
        return received.headers["authorization"]


class TestPagerDutyWebhook(NotifierSuite):
    accepted = Answer(202, '{"status": "success", "message": "Event processed", "dedup_key": "k1"}')

    @pytest.fixture
    def notifier_at(self):
        return lambda url: PagerDutyWebhook(routing_key=CANARY, endpoint_url=origin_of(url), **FAST)

    def secret_of(self, received: Received) -> str:
        return received.json()["routing_key"]


class TestTwilioSMS(NotifierSuite):
    accepted = Answer(201, '{"sid": "SM0001", "status": "queued", "error_code": null}')

    @pytest.fixture
    def notifier_at(self):
        return lambda url: TwilioSMS(
            account_sid="AC" + "0" * 32,
            auth_token=CANARY,
            from_number="+15005550006",
            to=["+15005550007"],
            endpoint_url=origin_of(url),
            **FAST,
        )

    def secret_of(self, received: Received) -> str:
        return b64decode(received.headers["authorization"].removeprefix("Basic ")).decode()


class TestApprise(NotifierSuite):
    """Through its generic service for JSON; the host is shown, all else of the URL is not."""

    asks_to_wait = False
    speaks_http = False  # as far as redirects go, which apprise follows
    check_asks = False

    @pytest.fixture
    def notifier_at(self):
        def make(url: str) -> Apprise:
            scheme, rest = url.split("://")
            host, path = rest.split("/", 1)
            secure = "s" if scheme == "https" else ""
            return Apprise(urls=[f"json{secure}://etl:{CANARY}@{host}/{path}?rto=0.5&cto=0.5"])

        return make

    def secret_of(self, received: Received) -> str:
        login = b64decode(received.headers["authorization"].removeprefix("Basic ")).decode()
        assert CANARY in received.path
        return login


def test_the_answers_of_services_are_json():
    for suite in (TestDiscordWebhook, TestOpsgenieWebhook, TestPagerDutyWebhook, TestTwilioSMS):
        json.loads(suite.accepted.body)
