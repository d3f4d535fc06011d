"""`MattermostWebhook`: messages to a channel of Mattermost."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pydantic import Field

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_notify.cutting import COLOURS, Budget, fenced, headline, web_link
from blocks_notify.fields import AllowPrivateAddresses, Retries, SafeAddress, TimeoutSeconds, keys_in
from blocks_notify.sender import JSON_HEADERS, Sender, as_json, members_of

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

MAX_CHARACTERS = 16_383
"""Of a post; what is longer is split into several."""

_MAX_TITLE = 300
_MAX_TEXT = 4_000
_MAX_FACTS = 50
_MAX_FACT = 500
_MAX_DETAIL = 8_000

_WORKS = frozenset(
    {"web.incoming_webhook.channel.app_error", "web.incoming_webhook.channel_locked.app_error"}
)
"""What a webhook that works says to a channel that there is not; one that does not says so first."""

_REMEDIES = {
    400: "The webhook was removed, or the address is not whole: copy it again from Integrations.",
    403: "The webhook may post to its own channel only, or its owner may not post there: check 'channel'.",
    404: "There is no such channel (its name is the one in its address), or no such server: check both.",
    501: "An administrator has switched incoming webhooks off.",
}


class MattermostWebhook(Notifier, slug="mattermost-webhook"):
    """Messages to a channel of Mattermost, through an incoming webhook.

    A message is an attachment with title, text, facts, detail and link in the colour of its level; what is longer
    than Mattermost takes is cut, with an ellipsis. No text calls anybody: an invisible character stands behind each
    `@`. Make the webhook under Integrations; its address is the key to the channel, so it is a secret.

    ```python
    from blocks_core import Message
    from blocks_notify import MattermostWebhook

    alerts = MattermostWebhook(url="https://chat.example.com/hooks/8f0c", channel="data-alerts")
    alerts.notify(Message("Flow etl failed", level="error", facts={"Worker": "a-17"}))
    alerts.save("alerts")
    ```
    """

    url: SafeAddress = Field(description="Address of the incoming webhook.")
    channel: str | None = Field(
        default=None,
        min_length=1,
        description="Channel to post to, by the name in its address, or @name of a person. Default: the webhook's "
        "own.",
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        description="Name to post under, where the server allows it. Default: the webhook's own.",
    )
    icon_url: str | None = Field(
        default=None,
        min_length=1,
        description="Address of a picture to post with, where the server allows it. Default: the webhook's own.",
    )
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed.
        """
        chosen = {"channel": self.channel, "username": self.username, "icon_url": self.icon_url}
        self._sender().post({**{name: value for name, value in chosen.items() if value}, **render(message)})

    def check(self) -> CheckReport:
        """Find out whether the webhook works, without posting: it is asked to post to a channel that there is not.

        Source:  https://github.com/mattermost/mattermost/blob/master/server/channels/app/webhook.go
                 (HandleIncomingWebhook: the webhook is looked up before the channel).
        """
        sender = self._sender()
        body = as_json({"channel": f"blocks-check-{token_hex(8)}", "text": "check"})

        def judge(answer: Answer) -> str:
            if answer.status < 300:
                raise NotificationFailed(
                    f"{sender.host} took a message for a channel that there is not: it is no Mattermost server."
                )
            if members_of(answer.text).get("id") not in _WORKS:
                raise NotificationFailed(sender.problem_with(answer))
            return "the webhook works; nothing was posted"

        return sender.check(
            "webhook", lambda: sender.ask("POST", headers=JSON_HEADERS, body=body, retries=0), judge
        )

    def _sender(self) -> Sender:
        url = self.url.get_secret_value()
        return Sender.of(self, url, keys_in(url), _REMEDIES)


def render(message: Message) -> dict[str, Any]:
    """Return the body of the request that posts a message.

    Source:  https://developers.mattermost.com/integrate/reference/message-attachments/,
             https://developers.mattermost.com/integrate/webhooks/incoming/ (parameters, length of a post).
    """
    room = Budget(MAX_CHARACTERS)
    attachment: dict[str, Any] = {
        "fallback": calling_nobody(room.take(headline(message, _MAX_TITLE), _MAX_TITLE)),
        "color": f"#{COLOURS[message.level]}",
        "title": calling_nobody(room.take(headline(message, _MAX_TITLE), _MAX_TITLE)),
    }
    link = web_link(message)
    if link:
        attachment["title_link"] = link
    kept = list(message.facts.items())[:_MAX_FACTS]
    texts = [
        calling_nobody(room.take(message.text, _MAX_TEXT)),
        calling_nobody(room.take(message.link or "", _MAX_FACT)) if not link else "",
        f"… and {len(message.facts) - len(kept)} more facts" if len(message.facts) > len(kept) else "",
        fenced(room.take_end(message.detail, _MAX_DETAIL)) if message.detail.strip() else "",
    ]
    attachment["text"] = "\n\n".join(text for text in texts if text.strip())
    share = min(_MAX_FACT, room.left // (2 * max(1, len(kept))))
    attachment["fields"] = [
        {
            "title": calling_nobody(room.take(name, share)),
            "value": calling_nobody(room.take(fact, share)),
            "short": len(fact) <= 40,
        }
        for name, fact in kept
    ]
    return {"attachments": [attachment]}


def calling_nobody(text: str) -> str:
    """Return a text in which nothing is the name of a person or a group, to look at as before.

    >>> calling_nobody("@channel <!here>") == "@\u200bchannel <\u200b!here>"
    True
    """
    return re.sub("(@|<(?=[!@]))", "\\1\u200b", text)
