"""`Sender`: the requests of one block, and what is said of their answers. Without any HTTP until one is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.masking import without

if TYPE_CHECKING:
    from blocks_notify.delivery import Answer

REMEDIES: Mapping[int, str] = {
    400: "Compare the payload with what the service expects.",
    401: "Check the key.",
    403: "Check the key, and what it may do.",
    404: "Check the address; the service may have removed it.",
    405: "Check the method and the address.",
    410: "The service has removed the address: ask it for a new one.",
    413: "Send less.",
    415: "The service takes another format than JSON: check the address.",
    429: "Send fewer messages, or try again later.",
}
"""What to do about a status, where the block does not know better."""

JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}


class Sending(Protocol):
    """A block that sends requests."""

    timeout_seconds: float
    retries: int
    allow_private_addresses: bool


@dataclass(frozen=True)
class Sender:
    """Sends the requests of one block; none of its errors, and no log, has the block's secrets."""

    address: str = field(repr=False)
    """Where requests go; errors name its host only."""
    timeout_seconds: float
    retries: int
    public_only: bool
    secrets: tuple[str, ...] = field(repr=False)
    remedies: Mapping[int, str] = field(default_factory=dict[int, str], repr=False)
    """What to do about a status, before `REMEDIES`."""

    @classmethod
    def of(
        cls, block: Sending, address: str, secrets: Iterable[str], remedies: Mapping[int, str] | None = None
    ) -> Sender:
        """Return the sender of a block, as its fields say."""
        return cls(
            address=address,
            timeout_seconds=block.timeout_seconds,
            retries=block.retries,
            public_only=not block.allow_private_addresses,
            secrets=tuple(secrets),
            remedies=remedies or {},
        )

    @property
    def host(self) -> str:
        """Return the host, with its port if it has one."""
        return urlsplit(self.address).netloc

    def post(self, payload: Any, *, headers: Mapping[str, str] = JSON_HEADERS) -> Answer:
        """Post a payload as JSON, and return an answer of 2xx.

        Raises:  NotificationFailed: any other answer, or none.
        """
        return self.accepted(self.ask("POST", body=as_json(payload), headers=headers))

    def accepted(self, answer: Answer) -> Answer:
        """Return an answer of 2xx.

        Raises:  NotificationFailed: it is another one.
        """
        if not 200 <= answer.status < 300:
            raise NotificationFailed(self.problem_with(answer))
        return answer

    def ask(
        self,
        method: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        address: str | None = None,
        retries: int | None = None,
    ) -> Answer:
        """Send a request and return its answer, whatever it says.

        Args:    address, retries: in place of the sender's own.
        Raises:  NotificationFailed: no answer came.
        """
        from blocks_notify import delivery  # late: it imports httpx2

        order = delivery.Order(
            method=method,
            url=address or self.address,
            headers=headers,
            body=body,
            timeout_seconds=self.timeout_seconds,
            retries=self.retries if retries is None else retries,
            public_only=self.public_only,
            secrets=self.secrets,
        )
        try:
            return delivery.send(order)
        except delivery.AddressRefused as error:
            raise NotificationFailed(
                f"{error}, and the block is for public ones only. Change the address, or switch "
                f"allow_private_addresses on."
            ) from error
        except delivery.DELIVERY_ERRORS as error:
            said = f"{type(error).__name__}: {error}"
            masked = self.masked(said)
            raise NotificationFailed(
                f"No answer came from {self.host} ({masked}). {_remedy_for(delivery.UNTRUSTED in said)}"
            ) from (error if masked == said else None)

    def problem_with(self, answer: Answer, remedy: str | None = None) -> str:
        """Return what an answer says against a request, and what to do about it."""
        asked = self.masked(answer.retry_after or "")[:40]
        wait = f" and asks to wait: {asked}" if asked else ""
        words = " ".join(self.masked(answer.text).split())
        said = f" It said: {words[:200]!r}." if words else ""
        told = remedy or self._remedy(answer.status)
        return f"{self.host} did not take the message: HTTP {answer.status}{wait}.{said} {told}"

    def check(
        self, name: str, ask: Callable[[], Answer], judge: Callable[[Answer], str | None]
    ) -> CheckReport:
        """Report whether an answer comes, and what it says of the key or the address.

        Args:    name: of the second line.
                 ask: sends the request.
                 judge: returns what to say of a good answer, and raises NotificationFailed for a bad one.
        """
        checker, answers = Checker(), list["Answer"]()

        def connect() -> str:
            answers.append(ask())
            return f"{self.host} answers"

        if checker.step("connection", connect):
            checker.step(name, lambda: judge(answers[0]))
        return checker.report()

    def masked(self, text: str) -> str:
        """Return a text without the secrets of the block."""
        return without(text, self.secrets)

    def _remedy(self, status: int) -> str:
        if status in self.remedies:
            return self.remedies[status]
        if 300 <= status < 400:
            return "It redirects, which is not followed: give the final address."
        if status >= 500:
            return "That is an error of the service's own: try again later."
        return REMEDIES.get(
            status, "Compare the address, the headers and the payload with what the service expects."
        )


def as_json(payload: Any) -> bytes:
    """Return a payload as JSON in UTF-8; halves of characters, which UTF-8 has not, become question marks."""
    return json.dumps(payload, allow_nan=False, ensure_ascii=False).encode(errors="replace")


def members_of(text: str) -> dict[str, Any]:
    """Return the members of an answer that is an object in JSON, else none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _remedy_for(untrusted: bool) -> str:
    if untrusted:
        return (
            "Its certificate is not trusted here: check the host's name, or give the file of its authority in "
            "the variable SSL_CERT_FILE."
        )
    return "Check the address, the network and the proxy (HTTPS_PROXY)."
