"""Each block of the plugin does what every block must do, and importing the plugin costs little."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import SecretStr

import blocks_notify
from blocks_core import Block
from blocks_core.testing import BlockSuite
from blocks_notify import (
    Apprise,
    DiscordWebhook,
    Email,
    MattermostWebhook,
    OpsgenieWebhook,
    PagerDutyWebhook,
    TeamsWebhook,
    TwilioSMS,
    Webhook,
)

CANARY = SecretStr("canary-4711-canary")
ADDRESS = SecretStr("https://hooks.example.com/canary-4712-canary")


class TestWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Webhook(url=ADDRESS, headers={"X-Key": CANARY}, payload={"a": ["{{ title }}", 1, None]})


class TestTeamsWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return TeamsWebhook(url=ADDRESS)


class TestDiscordWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return DiscordWebhook(url=ADDRESS, username="etl")


class TestMattermostWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return MattermostWebhook(url=ADDRESS, channel="alerts")


class TestOpsgenieWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return OpsgenieWebhook(api_key=CANARY, region="eu", alias="{{ title }}", tags=["a"])


class TestPagerDutyWebhook(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return PagerDutyWebhook(routing_key=CANARY, dedup_key="{{ title }}")


class TestTwilioSMS(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return TwilioSMS(
            account_sid="AC" + "0" * 32, auth_token=CANARY, from_number="+15005550006", to=["+15005550007"]
        )


class TestEmail(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Email(
            host="smtp.example.com",
            username="etl",
            password=CANARY,
            sender="Data team <etl@example.com>",
            to=["ops@example.com"],
        )


class TestApprise(BlockSuite):
    @pytest.fixture
    def block(self) -> Block:
        return Apprise(urls=[SecretStr("json://etl:canary-4713-canary@127.0.0.1/x")])


def modules_after(code: str) -> set[str]:
    code += "; import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_every_public_name_is_there_and_no_other() -> None:
    assert dir(blocks_notify) == sorted(blocks_notify.__all__)
    for name in blocks_notify.__all__:
        assert getattr(blocks_notify, name).__name__ == name
    with pytest.raises(AttributeError, match="Webhok"):
        _ = blocks_notify.Webhok


def test_one_block_does_not_import_the_others() -> None:
    loaded = modules_after("from blocks_notify import Webhook; Webhook(url='https://example.com/x')")
    ours = {name for name in loaded if name.startswith("blocks_notify.")}
    assert ours == {
        "blocks_notify.fields",
        "blocks_notify.message_templates",
        "blocks_notify.sender",
        "blocks_notify.webhook",
    }


def test_blocks_are_made_without_importing_what_they_will_need() -> None:
    loaded = modules_after(
        "from blocks_notify import *; Webhook(url='https://example.com/x', payload={'a': 'b'}),"
        "Email(host='h', sender='a@b', to=['a@b']), Apprise(urls=['json://h']), OpsgenieWebhook(api_key='k')"
    )
    assert not {"httpx2", "jinja2", "smtplib", "ssl", "apprise", "requests", "http.client"} & loaded
