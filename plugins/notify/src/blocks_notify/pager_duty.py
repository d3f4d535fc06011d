"""`PagerDutyWebhook`: incidents of PagerDuty."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_notify.cutting import Budget, cut, headline, tail, web_link
from blocks_notify.fields import AllowPrivateAddresses, Endpoint, Key, Retries, TimeoutSeconds
from blocks_notify.message_templates import MessageTemplate, fill
from blocks_notify.sender import JSON_HEADERS, Sender, as_json, members_of

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

ENDPOINTS: Mapping[str, str] = {
    "us": "https://events.pagerduty.com",
    "eu": "https://events.eu.pagerduty.com",
}

MAX_SUMMARY = 1_024
MAX_DEDUP_KEY = 255
_MAX_DETAILS = 100_000
"""Of an event PagerDuty takes 512 KB; four bytes a character at most."""
_MAX_FACT = 2_000
_MAX_DETAIL = 50_000

_REMEDIES = {
    400: "Check the routing key: that of an integration 'Events API v2' has 32 characters.",
    403: "Check the routing key, and the region of the account.",
    404: "Check endpoint_url, and the region of the account.",
    413: "Send less: PagerDuty takes events of up to 512 KB.",
    429: "Send fewer events, or try again later.",
}


class PagerDutyWebhook(Notifier, slug="pager-duty-webhook", title="PagerDuty Webhook"):
    """Incidents of PagerDuty, through its Events API v2.

    A message triggers an event with its title as the summary, its level as the severity, its text, facts and detail
    as custom details, and its link. Events with the same key are one incident; `resolve()` resolves it. Make the
    routing key on a service's page Integrations, of the type Events API v2; it is a secret.

    ```python
    from blocks_core import Message
    from blocks_notify import PagerDutyWebhook

    on_call = PagerDutyWebhook(routing_key="8f0c4711", dedup_key="{{ facts.flow }}")
    on_call.notify(Message("Flow etl failed", level="error", facts={"flow": "etl"}))
    on_call.resolve("etl")
    on_call.save("on-call")
    ```
    """

    routing_key: Key = Field(description="Integration key of a service or of an orchestration.")
    region: Literal["us", "eu"] = Field(
        default="us", description="Where the account is: the address of the API follows."
    )
    dedup_key: MessageTemplate | None = Field(
        default=None,
        description="Events with the same key are one incident: a template with the message's parts, such as "
        "{{ facts.flow }}. Default: each message is an incident of its own.",
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        description="What is affected, such as a host's name. Default: the name of this machine.",
    )
    endpoint_url: Endpoint | None = Field(
        default=None, description="Where the API is. Default: PagerDuty's own address, by region."
    )
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    def notify(self, message: Message) -> None:
        """Trigger an event.

        Raises:  NotificationFailed; TemplateInvalid: the key does not fit this message.
        """
        self.trigger(message)

    def trigger(self, message: Message) -> str:
        """Trigger an event and return its key, by which it is resolved.

        Raises:  NotificationFailed; TemplateInvalid: the key does not fit this message.
        """
        event = {"event_action": "trigger", **render(message, self.source or socket.gethostname())}
        if self.dedup_key:
            event["dedup_key"] = cut(fill(self.dedup_key, message), MAX_DEDUP_KEY)
        return self._send(event)

    def resolve(self, dedup_key: str) -> None:
        """Resolve the open incident with a key, if there is one.

        Raises:  NotificationFailed.
        """
        self._send({"event_action": "resolve", "dedup_key": cut(dedup_key, MAX_DEDUP_KEY)})

    def check(self) -> CheckReport:
        """Find out whether events are taken, without waking anybody: an incident that there is not is resolved.

        Source:  https://developer.pagerduty.com/docs/events-api-v2-overview (what resolves nothing is dropped).
        """
        sender = self._sender()
        event = self._signed({"event_action": "resolve", "dedup_key": f"blocks-check-{token_hex(8)}"})
        body = as_json(event)

        def judge(answer: Answer) -> str:
            self._key_of(sender, answer)
            return "PagerDuty takes events with the key; no incident was touched"

        return sender.check(
            "key", lambda: sender.ask("POST", headers=JSON_HEADERS, body=body, retries=0), judge
        )

    def _send(self, event: Mapping[str, Any]) -> str:
        sender = self._sender()
        return self._key_of(sender, sender.post(self._signed(event)))

    def _key_of(self, sender: Sender, answer: Answer) -> str:
        sender.accepted(answer)
        key = str(members_of(answer.text).get("dedup_key", ""))
        if answer.status != 202 or not key:
            raise NotificationFailed(
                sender.problem_with(answer, "That is not how PagerDuty answers: check endpoint_url.")
            )
        return key

    def _signed(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {"routing_key": self.routing_key.get_secret_value(), **event}

    def _sender(self) -> Sender:
        base = self.endpoint_url or ENDPOINTS[self.region]
        return Sender.of(self, f"{base}/v2/enqueue", [self.routing_key.get_secret_value()], _REMEDIES)


def render(message: Message, source: str) -> dict[str, Any]:
    """Return the event of a message, without its key and its action.

    Source:  https://developer.pagerduty.com/docs/send-alert-event (fields and their lengths).
    """
    room = Budget(_MAX_DETAILS)
    details: dict[str, str] = {}
    if message.text.strip():
        details["text"] = room.take(message.text, _MAX_FACT * 4)
    if message.detail.strip():
        details["detail"] = room.take_end(message.detail, _MAX_DETAIL)
    for name, fact in message.facts.items():
        if room.left > 0:
            details[room.take(_free(name, details), _MAX_FACT)] = room.take(fact, _MAX_FACT)
    event: dict[str, Any] = {
        "payload": {
            "summary": headline(message, MAX_SUMMARY),
            "source": source,
            "severity": message.level,  # the same words
            "custom_details": details,
        },
        "client": "blocks",
    }
    if link := web_link(message):
        event["links"] = [{"href": link, "text": "Open"}]
    elif message.link:
        details["link"] = tail(message.link, _MAX_FACT)
    return event


def _free(name: str, taken: Mapping[str, str]) -> str:
    return f"fact {name}" if name in taken else name
