"""`TeamsWebhook`: messages to a channel or a chat of Microsoft Teams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Level, Message
from blocks_notify.cutting import cut, headline, tail, web_link
from blocks_notify.fields import AllowPrivateAddresses, Retries, SafeAddress, TimeoutSeconds, keys_in
from blocks_notify.sender import JSON_HEADERS, Sender, as_json

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

MAX_BYTES = 28_000
"""Of a message; Teams takes about 28 KB."""

_MAX_TITLE = 400
_MAX_TEXT = 6_000
_MAX_FACTS = 40
_MAX_FACT = 1_000
_MAX_DETAIL = 9_000

_COLOURS: dict[Level, str] = {"info": "Accent", "warning": "Warning", "error": "Attention"}

_REMEDIES = {
    400: "The workflow does not take this form: it must begin with 'When a Teams webhook request is received'.",
    401: "The address is not whole or its signature is not valid any more: copy it again from the workflow.",
    403: "Whoever owns the workflow may not post there, or it asks for a login: check who can trigger it.",
    404: "The workflow was removed or is switched off: look at it in the Workflows app.",
    429: "Send fewer messages: Teams takes about four a second.",
}

_FAILED = "Webhook message delivery failed"
"""Connectors, which came before workflows, answer 200 with it."""


class TeamsWebhook(Notifier, slug="ms-teams-webhook", title="Microsoft Teams Webhook"):
    """Messages to a channel or a chat of Microsoft Teams, through a workflow with a webhook.

    A message is an Adaptive Card with its title in the colour of its level, its text, facts, detail and a button
    for its link; what is longer than Teams takes is cut, with an ellipsis. Make the workflow in the Workflows app
    from the template "Post to a channel when a webhook request is received"; its address is the key to the channel,
    so it is a secret. An answer of 2xx means that the workflow has begun; whether it then posts is in its history.

    ```python
    from blocks_core import Message
    from blocks_notify import TeamsWebhook

    alerts = TeamsWebhook(
        url="https://prod-07.westeurope.logic.azure.com/workflows/0a1b/triggers/manual?sig=8f0c"
    )
    alerts.notify(Message("Flow etl failed", level="error", facts={"Worker": "a-17"}))
    alerts.save("alerts")
    ```
    """

    url: SafeAddress = Field(description="Address of the workflow, whole, with its signature.")
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed.
        """
        sender = self._sender()
        answer = sender.post(render(message))
        if _FAILED in answer.text:
            raise NotificationFailed(sender.problem_with(answer, _REMEDIES[400]))

    def check(self) -> CheckReport:
        """Find out whether the address works, without posting: the workflow is given no card to post."""
        sender = self._sender()

        def judge(answer: Answer) -> str:
            sender.accepted(answer)
            return f"HTTP {answer.status}: the workflow has begun with no card, so nothing was posted"

        body = as_json({"type": "message", "attachments": []})
        return sender.check(
            "workflow", lambda: sender.ask("POST", headers=JSON_HEADERS, body=body, retries=0), judge
        )

    def _sender(self) -> Sender:
        url = self.url.get_secret_value()
        return Sender.of(self, url, keys_in(url), _REMEDIES)


def render(message: Message) -> dict[str, Any]:
    """Return the body of the request that posts a message.

    Source:  https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
             (Adaptive Cards), .../how-to/add-incoming-webhook (28 KB);
             https://adaptivecards.io/explorer/ (TextBlock, FactSet, Action.OpenUrl);
             https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
             (CodeBlock).
    """
    made = _wrapped(_card(message, 1.0))
    share = 1.0
    while len(as_json(made)) > MAX_BYTES and share > 0.01:  # characters beyond ASCII take up to four bytes
        share *= 0.7
        made = _wrapped(_card(message, share))
    return made


def _wrapped(card: dict[str, Any]) -> dict[str, Any]:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _card(message: Message, share: float) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": list(_elements(message, share)),
    }
    if link := web_link(message):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    return card


def _elements(message: Message, share: float) -> Iterator[dict[str, Any]]:
    yield _block(headline(message, _MAX_TITLE), size="Large", weight="Bolder", color=_COLOURS[message.level])
    if message.text.strip():
        yield _block(cut(message.text, int(_MAX_TEXT * share)))
    if message.link and not web_link(message):
        yield _block(cut(message.link, int(_MAX_FACT * share)), isSubtle=True)
    kept = list(message.facts.items())[: int(_MAX_FACTS * share)]
    if kept:
        limit = int(_MAX_FACT * share) if len(kept) < 8 else int(_MAX_TEXT * share) // len(kept)
        yield {
            "type": "FactSet",
            "facts": [{"title": cut(name, limit), "value": cut(fact, limit)} for name, fact in kept],
        }
    if len(message.facts) > len(kept):
        yield _block(f"… and {len(message.facts) - len(kept)} more facts", isSubtle=True)
    if message.detail.strip():
        yield _code(tail(message.detail, int(_MAX_DETAIL * share)))


def _block(text: str, **more: Any) -> dict[str, Any]:
    # One line end is a space in the Markdown of a TextBlock, two are a new line.
    return {"type": "TextBlock", "text": text.replace("\n", "\n\n"), "wrap": True, **more}


def _code(text: str) -> dict[str, Any]:
    """Return a text in a fixed-width font: as code where Teams shows such, else as text."""
    return {
        "type": "CodeBlock",
        "codeSnippet": text,
        "language": "PlainText",
        "fallback": _block(text, fontType="Monospace", size="Small"),
    }
