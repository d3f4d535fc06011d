"""`Webhook`: messages as JSON to any HTTP address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, SecretStr, field_validator

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.secret import is_reference
from blocks_notify.fields import (
    SHORTEST_KEY,
    AllowPrivateAddresses,
    AnyAddress,
    Retries,
    TimeoutSeconds,
    keys_in,
)
from blocks_notify.message_templates import check_payload, fill_payload, values_of
from blocks_notify.sender import JSON_HEADERS, Sender, as_json

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})

_ABOUT_OPTIONS = frozenset({405, 501})
"""Say that the service does not know the method, nothing of the address."""

_REMEDIES = {
    401: "Check the key in the address or in the headers.",
    403: "Check the key in the address or in the headers, and what it may do.",
}


@dataclass(frozen=True)
class WebhookResponse:
    """What the service answered when it took a payload."""

    status: int
    text: str
    """The first 64 KiB of it."""


class Webhook(Notifier, slug="webhook"):
    """Messages as JSON to any address that takes HTTP requests.

    A message is posted as an object with title, text, level, facts, detail and link, or as the `payload` says,
    whose texts are templates; `call()` posts a payload of one's own. An answer of 2xx means delivered, anything
    else is an error that says what came back. Redirects are not followed. The address and the headers are
    secrets; errors name the host only. For Slack, Teams, Discord, Mattermost, Opsgenie and PagerDuty there are
    blocks of their own, which format messages for people.

    ```python
    from blocks_notify import Webhook

    webhook = Webhook(
        url="https://hooks.example.com/in/8f0c",
        headers={"Authorization": "Bearer abc"},
        payload={"summary": "{{ title }} ({{ level }})", "source": "etl"},
    )
    webhook.call({"deployed": "v1.4.2"})
    webhook.save("deployments")
    ```
    """

    url: AnyAddress = Field(description="Address to post to, whole, with any key that it holds.")
    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="HTTP method of the request.")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="Headers to send, such as Authorization; their values are secrets.",
    )
    payload: dict[str, JsonValue] | None = Field(
        default=None,
        description="What to post for a message: an object whose texts are templates with title, text, level, facts, "
        "detail and link, such as {{ title }}. Default: an object with these six.",
    )
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            text = "" if is_reference(value) else value.get_secret_value()
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(
                    f"what begins with {_beginning_of(name)!r} is no name of a header. Use letters, digits and "
                    f"hyphens; what stands behind the colon is the value."
                )
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name} is set by the request itself. Leave it out.")
            if not text.isascii() or not text.isprintable() or text != text.strip():
                raise ValueError(
                    f"the value of {name} has characters that no header has, such as a line end: copy it again."
                )
        return headers

    @field_validator("payload")
    @classmethod
    def _payload_can_be_filled(cls, payload: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if payload is not None:
            check_payload(payload)
        return payload

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed; TemplateInvalid: the payload does not fit this message.
        """
        values = values_of(message)
        self.call(values if self.payload is None else fill_payload(self.payload, values))

    def call(self, payload: Mapping[str, Any]) -> WebhookResponse:
        """Post a payload of one's own and return what the service answered.

        Raises:  NotificationFailed: not delivered, or the payload is no JSON.
        """
        try:
            body = as_json(payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise NotificationFailed(
                f"The payload is no JSON ({error}). Give texts, numbers, lists and dicts."
            ) from error
        sender = self._sender()
        answer = sender.accepted(sender.ask(self.method, headers=self._headers(), body=body))
        return WebhookResponse(answer.status, answer.text)

    def check(self) -> CheckReport:
        """Find out whether the address answers, without posting: it is asked which methods it takes.

        Source:  RFC 9110 section 9.3.7 (OPTIONS).
        """
        sender = self._sender()

        def judge(answer: Answer) -> str:
            if answer.status >= 300 and answer.status not in _ABOUT_OPTIONS:
                raise NotificationFailed(sender.problem_with(answer))
            return f"HTTP {answer.status} to OPTIONS; nothing was posted"

        return sender.check(
            "address", lambda: sender.ask("OPTIONS", headers=self._headers(), retries=0), judge
        )

    def _sender(self) -> Sender:
        return Sender.of(self, self.url.get_secret_value(), self._secrets(), _REMEDIES)

    def _headers(self) -> dict[str, str]:
        return {**JSON_HEADERS, **self._clear_headers()}

    def _clear_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.headers.items()}

    def _secrets(self) -> Iterator[str]:
        yield from keys_in(self.url.get_secret_value())
        for value in self._clear_headers().values():
            yield value
            yield from (word for word in value.split() if len(word) >= SHORTEST_KEY)  # Bearer …


def _beginning_of(name: str) -> str:
    """Return what of a header's name is one: the rest may be its value, pasted with it."""
    found = _HEADER_NAME.match(name)
    return found[0][:80] if found else ""
