"""`TwilioSMS`: text messages to telephones, through Twilio."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlencode

from pydantic import AfterValidator, Field, model_validator

from blocks_core.capabilities import Notifier
from blocks_core.checks import CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_notify.cutting import cut, headline, size_of, tail
from blocks_notify.fields import AllowPrivateAddresses, Endpoint, Key, Retries, TimeoutSeconds
from blocks_notify.sender import Sender, members_of

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

MAX_BODY = 1_600

_ENDPOINT = "https://api.twilio.com"
_LEAST_DETAIL = 20
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 _+-]{1,11}")
_SID = re.compile(r"[A-Z]{2}[0-9A-Fa-f]{32}")

_REMEDIES_OF_CODES = {
    20003: "Check account_sid and auth_token: together they are no login.",
    20429: "Send fewer messages, or try again later.",
    21211: "The number is none: give it with a plus sign and the country's code, such as +4930123456.",
    21408: "Switch the country on in Twilio's console, under the permissions for SMS.",
    21606: "The number to send from is none of the account's, or cannot send texts: check from_number.",
    21608: "A trial account sends to numbers that were verified in Twilio's console only.",
    21610: "The person has opted out, by answering STOP.",
    21617: "Set max_characters to a lower number.",
    21660: "The number to send from is none of the account's: check from_number.",
    21705: "Check messaging_service_sid.",
}
"""Source:  https://www.twilio.com/docs/api/errors."""


def _refuse_other_numbers(number: str) -> str:
    if not _NUMBER.fullmatch(number):
        raise ValueError(
            "a number has a plus sign, the country's code and digits only, such as +4930123456 (E.164)."
        )
    return number


def _refuse_other_senders(sender: str) -> str:
    if not _SENDER.fullmatch(sender):
        raise ValueError(
            "this is neither a number such as +4930123456, nor a short code, nor a name of up to 11 letters."
        )
    return sender


def _refuse_other_sids(sid: str) -> str:
    if not _SID.fullmatch(sid):
        raise ValueError("a SID has two capital letters and 32 hexadecimal digits: copy it again.")
    return sid


Sid = Annotated[str, AfterValidator(_refuse_other_sids)]
Number = Annotated[str, AfterValidator(_refuse_other_numbers)]
Originator = Annotated[str, AfterValidator(_refuse_other_senders)]


class TwilioSMS(Notifier, slug="twilio-sms"):
    """Text messages to telephones, through Twilio.

    A message is title, text, facts, link and the end of the detail, in up to 1,600 characters; Twilio sends it in
    parts of up to 153 and charges for each, so `max_characters` may be lower. Each number is a request of its own:
    one that fails hinders no other, and the error names which numbers were reached and which were not. Log in by the
    account's token, or by a key of its own with `api_key_sid`.

    ```python
    from blocks_core import Message
    from blocks_notify import TwilioSMS

    on_call = TwilioSMS(
        account_sid="AC00000000000000000000000000000001",
        auth_token="8f0c4711",
        from_number="+4930123456",
        to=["+4930123457"],
    )
    on_call.notify(Message("Flow etl failed", level="error"))
    on_call.save("on-call")
    ```
    """

    account_sid: Sid = Field(description="SID of the account, which begins with AC.")
    auth_token: Key = Field(
        description="Token of the account, or the secret of the key that api_key_sid names."
    )
    api_key_sid: Sid | None = Field(
        default=None, description="SID of an API key, which begins with SK. Default: the account's own token."
    )
    from_number: Originator | None = Field(
        default=None, description="Number, short code or name to send from; or give messaging_service_sid."
    )
    messaging_service_sid: Sid | None = Field(
        default=None, description="SID of a messaging service to send from, which begins with MG."
    )
    to: list[Number] = Field(
        min_length=1, max_length=50, description="Numbers to send to, such as +4930123456."
    )
    max_characters: int = Field(
        default=MAX_BODY, ge=70, le=MAX_BODY, description="Length to which a message is cut."
    )
    endpoint_url: Endpoint = Field(default=_ENDPOINT, description="Where the API is.")
    timeout_seconds: TimeoutSeconds = 10.0
    retries: Retries = 2
    allow_private_addresses: AllowPrivateAddresses = True

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("give from_number or messaging_service_sid, and not both.")
        return self

    def notify(self, message: Message) -> None:
        """Send a message to each number once; Twilio has then taken it, and delivers it by itself.

        Raises:  NotificationFailed: to one or more of the numbers; it names these and the others.
        """
        self.send(render(message, self.max_characters))

    def send(self, text: str) -> None:
        """Send a text of one's own to each number.

        Raises:  NotificationFailed: to one or more of the numbers; it names these and the others.
        """
        reached, failed = list[str](), dict[str, str]()
        for number in dict.fromkeys(self.to):
            try:
                self._send(number, text)
                reached.append(number)
            except NotificationFailed as error:
                failed[number] = str(error)
        if failed:
            others = f" It was sent to {', '.join(reached)}." if reached else ""
            if len(set(failed.values())) == 1:
                failed = {", ".join(failed): next(iter(failed.values()))}
            reasons = " ".join(f"Not sent to {number}: {reason}" for number, reason in failed.items())
            raise NotificationFailed(f"{reasons}{others}")

    def check(self) -> CheckReport:
        """Find out whether the login is good, without sending: one sent message is asked for."""
        sender = self._sender("Messages.json?PageSize=1")

        def judge(answer: Answer) -> str:
            if not 200 <= answer.status < 300:
                raise NotificationFailed(sender.problem_with(answer, _remedy_for(answer)))
            return "the login is good for messages; none was sent"

        return sender.check("login", lambda: sender.ask("GET", headers=self._login(), retries=0), judge)

    def _send(self, number: str, text: str) -> None:
        form = {"To": number, "Body": text}
        if self.messaging_service_sid:
            form["MessagingServiceSid"] = self.messaging_service_sid
        elif self.from_number:
            form["From"] = self.from_number
        sender = self._sender("Messages.json")
        body = urlencode(form, errors="replace").encode()
        answer = sender.ask("POST", headers={**_FORM, **self._login()}, body=body)
        if not 200 <= answer.status < 300:
            raise NotificationFailed(sender.problem_with(answer, _remedy_for(answer)))
        if not str(members_of(answer.text).get("sid", "")).startswith(("SM", "MM")):
            raise NotificationFailed(
                sender.problem_with(answer, "That is not how Twilio answers: check endpoint_url.")
            )

    def _sender(self, path: str) -> Sender:
        address = f"{self.endpoint_url}/2010-04-01/Accounts/{self.account_sid}/{path}"
        return Sender.of(self, address, [self.auth_token.get_secret_value(), *self._login().values()])

    def _login(self) -> dict[str, str]:
        pair = f"{self.api_key_sid or self.account_sid}:{self.auth_token.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def render(message: Message, limit: int) -> str:
    """Return a message as one text, cut to a length.

    Source:  https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource (Body, To, From).
    """
    lines = list(_lines(message))
    head = cut("\n".join(lines), limit)
    left = limit - size_of(head) - 1
    detail = message.detail.strip("\n")
    if detail and left >= min(_LEAST_DETAIL, size_of(detail)):
        return f"{head}\n{tail(detail, left)}"
    return head


def _lines(message: Message) -> Iterator[str]:
    yield headline(message, 200)
    if message.text.strip() and message.title.strip():
        yield message.text.strip()
    yield from (f"{name}: {fact}" for name, fact in message.facts.items())
    if message.link:
        yield message.link


def _remedy_for(answer: Answer) -> str | None:
    code = members_of(answer.text).get("code")
    return _REMEDIES_OF_CODES.get(code) if isinstance(code, int) else None
