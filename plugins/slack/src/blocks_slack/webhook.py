"""`SlackWebhook`: messages to one Slack channel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from blocks_core.capabilities import Notifier
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.masking import without
from blocks_core.messages import Message
from blocks_core.secret import is_reference
from blocks_slack.message import render

REMEDIES: Mapping[str, str] = {
    "action_prohibited": "An admin of the workspace restricts posting: ask one, and do not try again as is.",
    "channel_is_archived": "The channel is archived: unarchive it, or make a webhook for another one.",
    "channel_not_found": "The webhook's channel is gone: make a webhook for another one.",
    "invalid_blocks": "Slack does not accept the message's blocks: compare them with the Block Kit Builder.",
    "invalid_payload": "Slack does not accept the message's form: compare it with the Block Kit Builder.",
    "invalid_token": "The address is wrong or was revoked: copy it again from the app's page 'Incoming Webhooks'.",
    "no_active_hooks": "The webhook is switched off: activate incoming webhooks on the app's page.",
    "no_service": "The webhook was removed or switched off: make a new one on the app's page, and save its address.",
    "no_service_id": "The address is not whole: copy it again from the app's page 'Incoming Webhooks'.",
    "no_team": "The workspace is gone, or the address is not whole: copy it again from the app's page.",
    "no_text": "The message has neither text nor blocks: give one of them.",
    "posting_to_general_channel_denied": "Who made the webhook may not post to #general: choose another channel.",
    "team_disabled": "The workspace is no longer active: make a webhook in another one.",
    "too_many_attachments": "Slack takes at most 100 attachments: send fewer.",
    "user_not_found": "The person whom the webhook writes to is gone: make a webhook for a channel.",
}
"""What to do about the words that Slack answers with.

Source:  https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (handling errors).
"""

# An empty text is refused by a webhook that works, with one of these words, and nothing is posted.
_EMPTY_REFUSED = frozenset({"no_text", "missing_text_or_fallback_or_attachments"})
_WORD = re.compile(r"[a-z][a-z_]{1,59}")
_SHORTEST = 4
"""A part of an address that is shorter is no key."""


class SlackWebhook(Notifier, slug="slack-webhook"):
    """Messages to a Slack channel, through an incoming webhook.

    A message shows its title, text, facts, detail and link in blocks of Block Kit, with a colour for its
    level; what is longer than Slack takes is cut, with an ellipsis. Slack's own answer decides whether it
    was delivered: anything but `ok` is an error that says what to do. Make the webhook on the page "Incoming
    Webhooks" of a Slack app; its address is the key to the channel, so it is a secret.

    ```python
    from blocks_core import Message
    from blocks_slack import SlackWebhook

    alerts = SlackWebhook(url="https://hooks.slack.com/services/T000/B000/XXXX")
    alerts.notify(
        Message("Flow etl failed", level="error", facts={"Worker": "a-17"}, detail="ValueError: no rows")
    )
    alerts.send("*Deployed* v1.4.2")
    alerts.save("alerts")
    ```
    """

    url: SecretStr = Field(
        description="Address of the incoming webhook, such as https://hooks.slack.com/services/… ."
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, le=300, description="How long to wait for each answer."
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Further attempts when Slack is busy, has an error of its own or cannot be reached.",
    )

    @field_validator("url")
    @classmethod
    def _address_is_safe(cls, url: SecretStr) -> SecretStr:
        problem = None if is_reference(url) else _problem_of(url.get_secret_value())
        if problem:
            raise ValueError(problem)
        return url

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed.
        """
        self._post(render(message))

    def send(self, text: str, *, blocks: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Post a text of one's own, or blocks of Block Kit with the text that notifications show.

        Args:    text: in Slack's mrkdwn, as it is: escape `&`, `<` and `>` in text from elsewhere.
        Raises:  NotificationFailed.
        """
        self._post({"text": text} if blocks is None else {"text": text, "blocks": list(blocks)})

    def check(self) -> CheckReport:
        """Find out whether the webhook works, without posting a message.

        A message with an empty text is sent: a webhook that works answers `no_text`, one that does not
        says so first.

        Source:  seen by users of Slack, https://github.com/trufflesecurity/trufflehog/issues/880.
        """
        checker = Checker()
        checker.step("webhook", self._try_without_posting)
        return checker.report()

    def _try_without_posting(self) -> str:
        answer = self._ask({"text": ""})
        if answer.word in _EMPTY_REFUSED:
            return "The webhook works; no message was posted."
        if answer.status == 200:
            raise NotificationFailed(
                "The address took an empty message, which Slack refuses: it is no Slack webhook. Copy the "
                "address from the app's page 'Incoming Webhooks'."
            )
        raise NotificationFailed(answer.problem())

    def _post(self, body: Mapping[str, Any]) -> None:
        answer = self._ask(body)
        if not answer.ok:
            raise NotificationFailed(answer.problem())

    def _ask(self, body: Mapping[str, Any]) -> Answer:
        from blocks_slack import delivery  # late: it imports slack_sdk

        url = self.url.get_secret_value()
        try:
            response = delivery.post(url, body, timeout_seconds=self.timeout_seconds, retries=self.retries)
        except delivery.DELIVERY_ERRORS as error:
            said = _reason_of(error)
            masked = without(said, _keys_in(url))  # what is no answer in HTTP is repeated, whatever it is
            raise NotificationFailed(
                f"No answer came from Slack's host {urlsplit(url).hostname} ({masked}). Check the address, the "
                f"network and the proxy (HTTPS_PROXY)."
            ) from (error if masked == said else None)
        found = response.body.strip()
        wait = delivery.retry_after(response.headers)
        if found != "ok" and (not _WORD.fullmatch(found) or found in url):  # such as an echo of the address
            return Answer(response.status_code, "", wait)
        return Answer(response.status_code, found, wait)


@dataclass(frozen=True)
class Answer:
    """What Slack said to a request."""

    status: int
    word: str
    """Its answer if that is one word, `ok` or a word for an error; else empty."""
    retry_after_seconds: int | None = None

    @property
    def ok(self) -> bool:
        """Tell whether Slack has taken the message."""
        return self.status == 200 and self.word == "ok"

    def problem(self) -> str:
        """Return what went wrong and what to do."""
        answered = f"Slack did not take the message: HTTP {self.status}" + (
            f", {self.word}" if self.word else ""
        )
        if self.word in REMEDIES:
            return f"{answered}. {REMEDIES[self.word]}"
        if self.status == 429:
            wait = self.retry_after_seconds
            asked = "" if wait is None else f" and asks to wait {wait} seconds"
            return f"{answered}. It takes about one message a second{asked}: send fewer, or try again later."
        if self.status >= 500:
            return f"{answered}. That is an error of Slack's own: try again later."
        return f"{answered}. Check that the address is that of an incoming webhook, whole and still active."


def _problem_of(url: str) -> str | None:
    """Return why an address is refused, without repeating it, or None."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "The address has characters that no address has, such as a space: copy it again."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "This is no address: copy it again from the app's page 'Incoming Webhooks'."
    if parts.scheme == "http" and _is_loopback(host):
        return None
    if parts.scheme != "https" or not host:
        return (
            "The address must start with https:// (http:// only for this machine itself, such as 127.0.0.1)."
        )
    return None


def _keys_in(url: str) -> list[str]:
    """Return what of an address must not be shown: its path and its parts, but for short ones."""
    path = urlsplit(url).path
    return [url, path, *(part for part in path.split("/") if len(part) >= _SHORTEST)]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason_of(error: Exception) -> str:
    """Return the reason of an error of urllib, which wraps that of the socket."""
    inner = getattr(error, "reason", None)
    found = inner if isinstance(inner, Exception) else error
    return "timed out" if isinstance(found, TimeoutError) else f"{type(found).__name__}: {found}"
