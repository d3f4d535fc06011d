"""What is posted to Teams, Discord and Mattermost is what their documentation asks for, whatever a message holds."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.testing.notifier_suite import CANARY, Answer, Receiver
from blocks_notify import DiscordWebhook, MattermostWebhook, TeamsWebhook, cutting, discord, mattermost, teams
from blocks_notify.sender import as_json

MESSAGE = Message(
    title="Flow etl failed",
    text="2 < 3 & so on",
    level="error",
    facts={"State": "Failed", "Worker": "a-17"},
    detail="ValueError: <no rows>",
    link="https://example.test/runs/7",
)
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["&<>@" * 2_000, "🦉" * 9_000, " ", "가\n" * 4_000, "```" * 900, "\ud83e"]
)
LINKS = st.none() | st.sampled_from(["https://x.test/1", "file:///a", "https://x.test/" + "y" * 4_000])
MESSAGES = st.builds(
    Message,
    title=TEXTS,
    text=TEXTS,
    level=st.sampled_from(["info", "warning", "error"]),
    facts=st.dictionaries(TEXTS, TEXTS, max_size=3)
    | st.just({f"fact {number}": "🦉v" * 1_500 for number in range(130)}),
    detail=TEXTS,
    link=LINKS,
)


@pytest.fixture
def receiver():
    running = Receiver(Answer())
    yield running
    running.close()


class TestTeams:
    def test_a_message_is_an_adaptive_card(self, receiver):
        receiver.play(Answer(202, ""))
        TeamsWebhook(url=receiver.url).notify(MESSAGE)
        [request] = receiver.requests
        assert request.headers["content-type"] == "application/json"
        assert request.json() == {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "msteams": {"width": "Full"},
                        "body": [
                            {
                                "type": "TextBlock",
                                "text": "Flow etl failed",
                                "wrap": True,
                                "size": "Large",
                                "weight": "Bolder",
                                "color": "Attention",
                            },
                            {"type": "TextBlock", "text": "2 < 3 & so on", "wrap": True},
                            {
                                "type": "FactSet",
                                "facts": [
                                    {"title": "State", "value": "Failed"},
                                    {"title": "Worker", "value": "a-17"},
                                ],
                            },
                            {
                                "type": "CodeBlock",
                                "codeSnippet": "ValueError: <no rows>",
                                "language": "PlainText",
                                "fallback": {
                                    "type": "TextBlock",
                                    "text": "ValueError: <no rows>",
                                    "wrap": True,
                                    "fontType": "Monospace",
                                    "size": "Small",
                                },
                            },
                        ],
                        "actions": [
                            {"type": "Action.OpenUrl", "title": "Open", "url": "https://example.test/runs/7"}
                        ],
                    },
                }
            ],
        }

    @given(MESSAGES)
    def test_any_message_keeps_to_28_kilobytes(self, message):
        assert len(as_json(teams.render(message))) <= 28_000

    def test_of_a_long_detail_the_end_is_shown(self):
        made = teams.render(Message("t", detail="first\n" + "가" * 50_000 + "\nlast"))
        code = made["attachments"][0]["content"]["body"][-1]["codeSnippet"]
        assert code.startswith("…")
        assert code.endswith("\nlast")

    def test_a_failure_that_a_connector_reports_with_200_is_one(self, receiver):
        receiver.play(Answer(200, "Webhook message delivery failed with error: 413"))
        with pytest.raises(NotificationFailed, match="delivery failed"):
            TeamsWebhook(url=receiver.url).notify(MESSAGE)

    def test_a_check_begins_the_workflow_without_a_card(self, receiver):
        receiver.play(Answer(202, ""))
        report = TeamsWebhook(url=receiver.url).check()
        assert [(result.name, result.ok) for result in report.results] == [
            ("connection", True),
            ("workflow", True),
        ]
        assert receiver.requests[0].json() == {"type": "message", "attachments": []}


class TestDiscord:
    def test_a_message_is_an_embed_and_one_for_the_detail(self, receiver):
        webhook = DiscordWebhook(
            url=f"{receiver.url}?thread_id=7", username="etl", avatar_url="https://x.test/a.png"
        )
        webhook.notify(MESSAGE)
        [request] = receiver.requests
        assert urlsplit(request.path).path == f"/hooks/{CANARY}"
        assert parse_qs(urlsplit(request.path).query) == {"thread_id": ["7"], "wait": ["true"]}
        assert request.json() == {
            "username": "etl",
            "avatar_url": "https://x.test/a.png",
            "allowed_mentions": {"parse": []},
            "embeds": [
                {
                    "title": "Flow etl failed",
                    "color": 0xC9302C,
                    "description": "2 < 3 & so on",
                    "url": "https://example.test/runs/7",
                    "fields": [
                        {"name": "State", "value": "Failed", "inline": True},
                        {"name": "Worker", "value": "a-17", "inline": True},
                    ],
                    "footer": {"text": "Error"},
                },
                {"description": "```\nValueError: <no rows>\n```", "color": 0xC9302C},
            ],
        }

    @given(MESSAGES)
    def test_any_message_keeps_to_discords_limits(self, message):
        body = discord.render(message)
        json.dumps(body)
        size = cutting.size_of
        total = 0
        for embed in body["embeds"]:
            parts = [(embed.get("title"), 256), (embed.get("description"), 4096)]
            parts += [((embed.get("footer") or {}).get("text"), 2048)]
            for field in embed.get("fields", []):
                parts += [(field["name"], 256), (field["value"], 1024)]
                assert field["name"].strip()
                assert field["value"].strip()
            for text, limit in parts:
                assert size(text or "") <= limit
                total += size(text or "")
            assert len(embed.get("fields", [])) <= 25
        assert total <= 6000
        assert len(body["embeds"]) <= 10
        assert body["allowed_mentions"] == {"parse": []}

    def test_more_facts_than_fit_are_counted(self):
        body = discord.render(Message("t", facts={f"f{number}": "v" for number in range(30)}))
        assert body["embeds"][0]["footer"]["text"] == "Info · … and 5 more facts"

    def test_a_detail_does_not_end_its_block_of_code(self):
        body = discord.render(Message("t", detail="a\n```\n@everyone **b**"))
        assert body["embeds"][1]["description"].count("```") == 2

    @pytest.mark.parametrize("name", ["Discord bot", "clyde", ""])
    def test_a_name_that_discord_refuses_is_refused(self, name):
        with pytest.raises(ValidationError):
            DiscordWebhook(url="https://discord.com/api/webhooks/1/x", username=name)

    def test_a_check_asks_for_the_webhooks_name(self, receiver):
        receiver.play(Answer(200, f'{{"name": "etl", "token": "{CANARY}"}}'))
        report = DiscordWebhook(url=f"{receiver.url}?thread_id=7").check()
        assert report.ok
        assert report.results[1].detail == "the webhook 'etl' is there; nothing was posted"
        assert receiver.requests[0].method == "GET"


class TestMattermost:
    def test_a_message_is_an_attachment(self, receiver):
        MattermostWebhook(
            url=receiver.url, channel="data-alerts", username="etl", icon_url="https://x.test/a.png"
        ).notify(MESSAGE)
        assert receiver.requests[0].json() == {
            "channel": "data-alerts",
            "username": "etl",
            "icon_url": "https://x.test/a.png",
            "attachments": [
                {
                    "fallback": "Flow etl failed",
                    "color": "#c9302c",
                    "title": "Flow etl failed",
                    "title_link": "https://example.test/runs/7",
                    "text": "2 < 3 & so on\n\n```\nValueError: <no rows>\n```",
                    "fields": [
                        {"title": "State", "value": "Failed", "short": True},
                        {"title": "Worker", "value": "a-17", "short": True},
                    ],
                }
            ],
        }

    def test_only_what_is_set_is_said(self, receiver):
        MattermostWebhook(url=receiver.url).notify(Message("Title alone"))
        assert list(receiver.requests[0].json()) == ["attachments"]

    @given(MESSAGES)
    def test_any_message_is_of_a_length_that_is_not_split(self, message):
        [attachment] = mattermost.render(message)["attachments"]
        texts = [attachment["text"], *(text for field in attachment["fields"] for text in field.values())]
        shown = [text.replace("\u200b", "") for text in texts if isinstance(text, str)]
        assert sum(map(cutting.size_of, shown)) <= 16_383 + 100
        assert attachment["fallback"]

    def test_nobody_is_called_by_a_text_from_elsewhere(self):
        evil = "@channel @all @ops <!here> <@U1>"
        made = mattermost.render(Message(evil, evil, facts={evil: evil}, link=evil))
        shown = json.dumps(made, ensure_ascii=False)
        assert "@\u200bchannel" in shown
        for call in ("@channel", "@all", "@ops", "<!", "<@"):
            assert call not in shown

    @pytest.mark.parametrize(
        ("status", "word", "ok"),
        [
            (404, "web.incoming_webhook.channel.app_error", True),
            (403, "web.incoming_webhook.channel_locked.app_error", True),
            (400, "web.incoming_webhook.invalid.app_error", False),
            (501, "web.incoming_webhook.disabled.app_error", False),
            (404, "api.context.404.app_error", False),
            (200, "", False),
        ],
    )
    def test_a_check_posts_to_a_channel_that_there_is_not(self, receiver, status, word, ok):
        receiver.play(Answer(status, json.dumps({"id": word, "message": "words", "status_code": status})))
        report = MattermostWebhook(url=receiver.url).check()
        assert report.results[1].ok == ok
        assert receiver.requests[0].json()["channel"].startswith("blocks-check-")


@pytest.mark.parametrize("block_type", [TeamsWebhook, DiscordWebhook, MattermostWebhook])
class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        ["http://example.com/s3cret", "ftp://example.com/s3cret", "https://u:s3cret@example.com/x", "s3cret"],
    )
    def test_an_address_that_is_not_safe_is_refused_without_repeating_it(self, block_type, url):
        with pytest.raises(ValidationError, match="the address") as caught:
            block_type(url=url)
        assert "s3cret" not in str(caught.value)

    def test_where_it_is_asked_for_nothing_is_sent_to_this_machine(self, block_type, receiver):
        webhook = block_type(url=receiver.url, allow_private_addresses=False)
        with pytest.raises(NotificationFailed, match="no public address"):
            webhook.notify(MESSAGE)
        assert not webhook.check().ok
        assert receiver.requests == []
