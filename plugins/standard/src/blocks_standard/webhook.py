"""`Webhook`: messages as JSON to any HTTP address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from blocks_core.capabilities import Message, Notifier
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.masking import without
from blocks_core.secret import is_reference

if TYPE_CHECKING:
    from blocks_standard.delivery import Answer

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@dataclass(frozen=True)
class WebhookResponse:
    """What the service answered when it took a payload."""

    status: int
    text: str
    """The first 64 KiB of it."""


class Webhook(Notifier, slug="webhook"):
    """Messages as JSON to any address that takes HTTP requests.

    A message is posted as an object with title, text, level, facts, detail and link; `call()` posts a
    payload of one's own. An answer of 2xx means delivered, anything else is an error that says what came
    back. Redirects are not followed. The address and the headers are secrets; errors name the host only.

    ```python
    from blocks_standard import Webhook

    webhook = Webhook(url="https://hooks.example.com/in/8f0c", headers={"Authorization": "Bearer abc"})
    webhook.call({"deployed": "v1.4.2"})
    webhook.save("deployments")
    ```
    """

    url: SecretStr = Field(description="Address to post to, whole, with any key that it holds.")
    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="HTTP method of the request.")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="Headers to send, such as Authorization; their values are secrets.",
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, le=300, description="How long to wait for each answer."
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Further attempts when the service asks to wait (429, 503); a connection that fails is tried "
        "once more.",
    )
    allow_private_addresses: bool = Field(
        default=True,
        description="Post to addresses of private networks and of this machine, too; switch it off where people "
        "who may not reach these can set the address.",
    )

    @field_validator("url")
    @classmethod
    def _address_is_whole(cls, url: SecretStr) -> SecretStr:
        problem = None if is_reference(url) else _problem_of(url.get_secret_value())
        if problem:
            raise ValueError(problem)
        return url

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

    def notify(self, message: Message) -> None:
        """Post a message.

        Raises:  NotificationFailed.
        """
        self.call(
            {
                "title": message.title,
                "text": message.text,
                "level": message.level,
                "facts": dict(message.facts),
                "detail": message.detail,
                "link": message.link,
            }
        )

    def call(self, payload: Mapping[str, Any]) -> WebhookResponse:
        """Post a payload of one's own and return what the service answered.

        Raises:  NotificationFailed: not delivered, or the payload is no JSON.
        """
        try:
            body = json.dumps(payload, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise NotificationFailed(
                f"The payload is no JSON ({error}). Give texts, numbers, lists and dicts."
            ) from error
        answer = self._ask(self.method, body, retries=self.retries)
        if not 200 <= answer.status < 300:
            raise NotificationFailed(self._problem_with(answer))
        return WebhookResponse(answer.status, answer.text)

    def check(self) -> CheckReport:
        """Find out whether the address answers, without posting: it is asked which methods it takes.

        Source:  RFC 9110 section 9.3.7 (OPTIONS).
        """
        checker, answers = Checker(), list["Answer"]()
        if checker.step("connection", lambda: self._check_connection(answers)):
            checker.step("address", lambda: self._check_address(answers[0]))
        return checker.report()

    def _check_connection(self, answers: list[Answer]) -> str:
        answers.append(self._ask("OPTIONS", b"", retries=0))
        return f"{self._host()} answers"

    def _check_address(self, answer: Answer) -> str:
        if answer.status >= 300 and answer.status not in _ABOUT_OPTIONS:
            raise NotificationFailed(self._problem_with(answer))
        return f"HTTP {answer.status} to OPTIONS; nothing was posted"

    def _ask(self, method: str, body: bytes, *, retries: int) -> Answer:
        from blocks_standard import delivery  # late: it imports httpx2

        order = delivery.Order(
            method=method,
            url=self.url.get_secret_value(),
            headers={"Content-Type": "application/json"} | self._clear_headers(),
            body=body,
            timeout_seconds=self.timeout_seconds,
            retries=retries,
            public_only=not self.allow_private_addresses,
            secrets=tuple(self._secrets()),
        )
        try:
            return delivery.send(order)
        except delivery.AddressRefused as error:
            raise NotificationFailed(
                f"{error}, and the webhook is for public ones only. Change the address, or switch "
                f"allow_private_addresses on."
            ) from error
        except delivery.DELIVERY_ERRORS as error:
            said = f"{type(error).__name__}: {error}"
            masked = self._masked(said)
            raise NotificationFailed(
                f"No answer came from {self._host()} ({masked}). Check the address, the network and the proxy "
                f"(HTTPS_PROXY)."
            ) from (error if masked == said else None)

    def _problem_with(self, answer: Answer) -> str:
        asked = self._masked(answer.retry_after or "")[:40]
        wait = f" and asks to wait: {asked}" if asked else ""
        words = " ".join(self._masked(answer.text).split())
        said = f" It said: {words[:200]!r}." if words else ""
        return f"{self._host()} did not take the message: HTTP {answer.status}{wait}.{said} {_remedy(answer.status)}"

    def _host(self) -> str:
        return urlsplit(self.url.get_secret_value()).netloc

    def _clear_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.headers.items()}

    def _masked(self, text: str) -> str:
        return without(text, self._secrets())

    def _secrets(self) -> Iterator[str]:
        yield from _secret_parts(self.url.get_secret_value())
        for value in self._clear_headers().values():
            yield value
            yield from (word for word in value.split() if len(word) >= _SHORTEST)  # Bearer …


def _beginning_of(name: str) -> str:
    """Return what of a header's name is one: the rest may be its value, pasted with it."""
    found = _HEADER_NAME.match(name)
    return found[0][:80] if found else ""


_SHORTEST = 4
"""A part of an address or a header that is shorter is no key: `v1`, `in`."""

_ABOUT_OPTIONS = frozenset({405, 501})
"""Say that the service does not know the method, nothing of the address."""

_REMEDIES = {
    400: "Compare the payload with what the service expects.",
    401: "Check the key in the address or in the headers.",
    403: "Check the key in the address or in the headers, and what it may do.",
    404: "Check the address; the service may have removed it.",
    405: "Check the method and the address.",
    410: "The service has removed the address: ask it for a new one.",
    413: "Send less.",
    415: "The service takes another format than JSON: check the address.",
    429: "Send fewer messages, or try again later.",
}


def _remedy(status: int) -> str:
    if 300 <= status < 400:
        return "It redirects, which is not followed: give the final address."
    if status >= 500:
        return "That is an error of the service's own: try again later."
    return _REMEDIES.get(
        status, "Compare the address, the headers and the payload with what the service expects."
    )


def _problem_of(url: str) -> str | None:
    """Return why an address is refused, without repeating it, or None."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "the address has characters that no address has, such as a space: copy it again."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no address: copy it again."
    if parts.scheme not in ("http", "https") or not host:
        return "the address must start with https:// or http://, and name a host."
    if "@" in parts.netloc:
        return "the address has a user or a password before its host: give them as the header Authorization."
    return None


def _secret_parts(url: str) -> Iterator[str]:
    """Yield the parts of an address that may be keys, the longer ones first."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    yield url
    for part in (path, *re.split(r"[/?&=;]", path)):
        if len(part) >= _SHORTEST:
            yield part
            yield unquote(part)
