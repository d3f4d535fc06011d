"""`DiscordWebhook`: messages to a channel of Discord."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AfterValidator, Field

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.messages import Message
from blocks_notify.cutting import COLOURS, Budget, fenced, headline, size_of, web_link
from blocks_notify.fields import AllowPrivateAddresses, Retries, SafeAddress, TimeoutSeconds, keys_in
from blocks_notify.sender import JSON_HEADERS, Sender, members_of

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

MAX_CHARACTERS = 6_000
"""Of all embeds of a message together."""

MAX_TITLE = 256
MAX_DESCRIPTION = 4_096
MAX_FIELDS = 25
MAX_FIELD_NAME = 256
MAX_FIELD_VALUE = 1_024
_FOOTER = 60
_FOR_DETAIL = 1_500
"""Kept free for the detail by what stands before it."""

_REMEDIES = {
    401: "The address is wrong, or the webhook was removed: copy it again from the channel's settings.",
    404: "The webhook was removed: make a new one in the channel's settings, and save its address.",
}


def _refuse_reserved(name: str) -> str:
    if any(word in name.lower() for word in ("discord", "clyde")):
        raise ValueError("Discord allows no name with 'discord' or 'clyde' in it. Choose another one.")
    return name


class DiscordWebhook(Notifier, slug="discord-webhook"):
    """Messages to a channel of Discord, through a webhook.

    A message is an embed with title, text, facts and link in the colour of its level, and another one with the
    detail; what is longer than Discord takes is cut, with an ellipsis. No text calls anybody, whatever it says.
    Discord's own answer decides whether it was delivered. Make the webhook in the channel's settings, under
    Integrations; its address is the key to the channel, so it is a secret.

    ```python
    from blocks_core import Message
    from blocks_notify import DiscordWebhook

    alerts = DiscordWebhook(url="https://discord.com/api/webhooks/1092/8f0c", username="etl")
    alerts.notify(Message("Flow etl failed", level="error", facts={"Worker": "a-17"}))
    alerts.save("alerts")
    ```
    """

    url: SafeAddress = Field(
        description="Address of the webhook; `?thread_id=…` at its end posts into a thread."
    )
    username: Annotated[str, AfterValidator(_refuse_reserved)] | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        description="Name to post under. Default: the webhook's own.",
    )
    avatar_url: str | None = Field(
        default=None, description="Address of a picture to post with. Default: the webhook's own."
    )
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed.
        """
        body = render(message)
        if self.username:
            body["username"] = self.username
        if self.avatar_url:
            body["avatar_url"] = self.avatar_url
        self._sender(wait=True).post(body)

    def check(self) -> CheckReport:
        """Find out whether the webhook exists, without posting: Discord is asked for its name."""
        sender = self._sender()

        def judge(answer: Answer) -> str:
            sender.accepted(answer)
            name = members_of(answer.text).get("name")
            shown = f" '{sender.masked(str(name))[:80]}'" if name else ""
            return f"the webhook{shown} is there; nothing was posted"

        return sender.check("webhook", lambda: sender.ask("GET", headers=JSON_HEADERS, retries=0), judge)

    def _sender(self, *, wait: bool = False) -> Sender:
        url = self.url.get_secret_value()
        parts = urlsplit(url)
        asked = {**dict(parse_qsl(parts.query)), "wait": "true"} if wait else {}
        address = urlunsplit(parts._replace(query=urlencode(asked)))
        return Sender.of(self, address, keys_in(url), _REMEDIES)


def render(message: Message) -> dict[str, Any]:
    """Return the body of the request that posts a message.

    Source:  https://discord.com/developers/docs/resources/webhook#execute-webhook,
             https://discord.com/developers/docs/resources/message#embed-object-embed-limits,
             https://discord.com/developers/docs/resources/message#allowed-mentions-object.
    """
    room = Budget(MAX_CHARACTERS - _FOOTER - (_FOR_DETAIL if message.detail.strip() else 0))
    embed: dict[str, Any] = {
        "title": room.take(headline(message, MAX_TITLE), MAX_TITLE),
        "color": int(COLOURS[message.level], 16),
    }
    if message.text.strip():
        embed["description"] = room.take(message.text, MAX_DESCRIPTION // 2)
    if link := web_link(message):
        embed["url"] = link
    elif message.link:
        shown = room.take(message.link, MAX_FIELD_VALUE)
        embed["description"] = f"{embed.get('description', '')}\n{shown}".strip()
    fields = _fields(message, room)
    if fields:
        embed["fields"] = fields
    dropped = len(message.facts) - len(fields)
    more = f" · … and {dropped} more facts" if dropped else ""
    embed["footer"] = {"text": f"{message.level.capitalize()}{more}"}
    embeds = [embed]
    if message.detail.strip():
        room.left += _FOR_DETAIL
        fence = size_of(fenced(""))
        detail = room.take_end(message.detail.replace("```", "'''"), MAX_DESCRIPTION - fence - _FOOTER)
        embeds.append({"description": fenced(detail), "color": embed["color"]})
    return {"embeds": embeds, "allowed_mentions": {"parse": []}}


def _fields(message: Message, room: Budget) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, fact in list(message.facts.items())[:MAX_FIELDS]:
        if room.left < min(MAX_FIELD_VALUE, size_of(name) + size_of(fact)):
            break
        found.append(
            {
                "name": room.take(name.strip() or "-", MAX_FIELD_NAME),
                "value": room.take(fact.strip() or "-", MAX_FIELD_VALUE),
                "inline": len(fact) <= 40,
            }
        )
    return found
