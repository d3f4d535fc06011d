"""`OpsgenieWebhook`: alerts of Opsgenie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pydantic import Field

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Level, Message
from blocks_notify.cutting import Budget, cut, headline, tail
from blocks_notify.fields import AllowPrivateAddresses, Endpoint, Key, Retries, TimeoutSeconds
from blocks_notify.message_templates import MessageTemplate, fill
from blocks_notify.sender import JSON_HEADERS, Sender, members_of

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

ENDPOINTS: Mapping[str, str] = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}

PRIORITIES: Mapping[Level, str] = {"info": "P5", "warning": "P3", "error": "P1"}

MAX_MESSAGE = 130
MAX_ALIAS = 512
MAX_DESCRIPTION = 15_000
MAX_DETAILS = 8_000
_MAX_TAGS = 20
_MAX_TEXT = 4_000
_MAX_FACT = 1_000

_REMEDIES = {
    401: "Check the key, and the region: a key of the EU is none in the US.",
    403: "The key may not do that: give its integration the right to create and to read alerts.",
    422: "Check the key, which has another form, and the fields that Opsgenie names.",
    429: "Send fewer alerts, or try again later.",
}


class OpsgenieWebhook(Notifier, slug="opsgenie-webhook"):
    """Alerts of Opsgenie, through its Alert API.

    A message is an alert with its title, text and detail, the facts as its details, and a priority by its level: P1
    for an error, P3 for a warning, P5 for information. Alerts with the same alias are one; `close()` closes it. Make
    the key under Integrations, of the type API; it is a secret.

    ```python
    from blocks_core import Message
    from blocks_notify import OpsgenieWebhook

    on_call = OpsgenieWebhook(api_key="8f0c-4711", region="eu", alias="{{ facts.flow }}", tags=["etl"])
    on_call.notify(Message("Flow etl failed", level="error", facts={"flow": "etl"}))
    on_call.close("etl")
    on_call.save("on-call")
    ```
    """

    api_key: Key = Field(description="Key of an integration of the type API.")
    region: Literal["us", "eu"] = Field(
        default="us", description="Where the account is: the address of the API follows."
    )
    alias: MessageTemplate | None = Field(
        default=None,
        description="Alerts with the same alias are one: a template with the message's parts, such as "
        "{{ facts.flow }}. Default: each message is an alert of its own.",
    )
    tags: list[str] = Field(
        default_factory=list[str], max_length=_MAX_TAGS, description="Tags of each alert."
    )
    teams: list[str] = Field(
        default_factory=list[str],
        max_length=50,
        description="Names of the teams to alert. Default: those of the integration.",
    )
    endpoint_url: Endpoint | None = Field(
        default=None, description="Where the API is. Default: Opsgenie's own address, by region."
    )
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    def notify(self, message: Message) -> None:
        """Create an alert.

        Raises:  NotificationFailed; TemplateInvalid: the alias does not fit this message.
        """
        self.create_alert(message)

    def create_alert(self, message: Message) -> str:
        """Create an alert and return the id of the request, by which Opsgenie tells what became of it.

        Raises:  NotificationFailed; TemplateInvalid: the alias does not fit this message.
        """
        body = render(message)
        if self.alias:
            body["alias"] = cut(fill(self.alias, message), MAX_ALIAS)
        if self.tags:
            body["tags"] = [cut(tag, 50) for tag in self.tags]
        if self.teams:
            body["responders"] = [{"name": team, "type": "team"} for team in self.teams]
        return self._request("/v2/alerts", body)

    def close(self, alias: str) -> str:
        """Close the open alert with an alias, if there is one, and return the id of the request.

        Raises:  NotificationFailed.
        """
        path = f"/v2/alerts/{quote(alias, safe='')}/close?identifierType=alias"
        return self._request(path, {"source": "blocks"})

    def check(self) -> CheckReport:
        """Find out whether the key is good, without an alert: alerts are counted, which needs the right to read."""
        sender = self._sender("/v2/alerts/count")

        def judge(answer: Answer) -> str:
            sender.accepted(answer)
            return "the key is good and may read alerts; none was created"

        return sender.check("key", lambda: sender.ask("GET", headers=self._headers(), retries=0), judge)

    def _request(self, path: str, body: Mapping[str, Any]) -> str:
        sender = self._sender(path)
        answer = sender.post(body, headers=self._headers())
        request_id = str(members_of(answer.text).get("requestId", ""))
        if answer.status != 202 or not request_id:
            raise NotificationFailed(
                sender.problem_with(answer, "That is not how Opsgenie answers: check endpoint_url.")
            )
        return request_id

    def _sender(self, path: str) -> Sender:
        base = self.endpoint_url or ENDPOINTS[self.region]
        return Sender.of(self, base + path, [self.api_key.get_secret_value()], _REMEDIES)

    def _headers(self) -> dict[str, str]:
        return {**JSON_HEADERS, "Authorization": f"GenieKey {self.api_key.get_secret_value()}"}


def render(message: Message) -> dict[str, Any]:
    """Return the body of the request that creates an alert.

    Source:  https://docs.opsgenie.com/docs/alert-api#create-alert (fields and their lengths).
    """
    text = cut(message.text.strip(), _MAX_TEXT)
    link = cut(message.link or "", _MAX_FACT)
    above = "\n\n".join(part for part in (text, link) if part)
    left = MAX_DESCRIPTION - 2 * len(above) - 2  # twice: what counts as two in UTF-16
    detail = tail(message.detail.strip("\n"), left)
    body: dict[str, Any] = {
        "message": headline(message, MAX_MESSAGE),
        "priority": PRIORITIES[message.level],
        "source": "blocks",
    }
    description = "\n\n".join(part for part in (above, detail) if part)
    if description:
        body["description"] = description
    room = Budget(MAX_DETAILS)
    details = {room.take(name, _MAX_FACT): room.take(fact, _MAX_FACT) for name, fact in message.facts.items()}
    details.pop("", None)
    if details:
        body["details"] = details
    return body
