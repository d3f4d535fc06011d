"""`Email`: messages by email."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from blocks_core.capabilities import Notifier
from blocks_core.checks import Checker, CheckReport
from blocks_core.messages import Message
from blocks_notify.fields import TimeoutSeconds, is_loopback

if TYPE_CHECKING:
    from blocks_notify.mail_delivery import MailServer

PORTS = {"starttls": 587, "tls": 465, "none": 25}

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_NAMED = re.compile(r"(?P<name>[^<>\"\\]*)<(?P<address>[^<>]+)>")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


def split_address(text: str) -> tuple[str, str]:
    """Return the name and the address of `Name <name@host>`, or of an address alone.

    >>> split_address("Data team <data@example.com>"), split_address("data@example.com")
    (('Data team', 'data@example.com'), ('', 'data@example.com'))
    """
    named = _NAMED.fullmatch(text.strip())
    return (named["name"].strip(), named["address"].strip()) if named else ("", text.strip())


def _refuse_other_addresses(text: str) -> str:
    name, address = split_address(text)
    if not name.isprintable() or not _ADDRESS.fullmatch(address):
        raise ValueError(
            "an address looks like name@example.com, or Name <name@example.com>, in one line; what stands between < "
            "and > is ASCII (xn--… for a domain that is not)."
        )
    return text


def _refuse_other_hosts(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError("give the name or the address of a host alone, such as smtp.example.com.")
    return host


Mailbox = Annotated[str, AfterValidator(_refuse_other_addresses)]


class Email(Notifier, slug="email"):
    """Messages by email, through an SMTP server.

    A message is sent as text, with the same as HTML beside it: title as the subject, text, a table of the facts,
    link, and the detail in a fixed-width font. The connection is encrypted and the server's certificate is
    verified, unless `security` says otherwise. It is delivered when the server has taken it for every recipient;
    one that is refused is an error that names it, and says who gets the message all the same.

    ```python
    from blocks_core import Message
    from blocks_notify import Email

    mail = Email(
        host="smtp.example.com",
        username="etl",
        password="hunter2",
        sender="Data team <etl@example.com>",
        to=["ops@example.com"],
    )
    mail.notify(Message("Flow etl failed", level="error", detail="ValueError: no rows"))
    mail.save("ops")
    ```
    """

    host: Annotated[str, AfterValidator(_refuse_other_hosts)] = Field(description="Host of the SMTP server.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Its port. Default: 587 for starttls, 465 for tls, 25 for none.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is encrypted: after it began, from its begin, or not at all.",
    )
    username: str | None = Field(
        default=None,
        min_length=1,
        description="Who logs in. Default: nobody, as some servers of a network allow.",
    )
    password: SecretStr | None = Field(default=None, description="Password of the username.")
    sender: Mailbox = Field(description="Address to send from, such as Data team <data@example.com>.")
    to: list[Mailbox] = Field(min_length=1, max_length=100, description="Addresses to send to.")
    cc: list[Mailbox] = Field(
        default_factory=list[str], max_length=100, description="Addresses that get a copy."
    )
    bcc: list[Mailbox] = Field(
        default_factory=list[str],
        max_length=100,
        description="Addresses that get a copy, without the others seeing it.",
    )
    timeout_seconds: TimeoutSeconds = 20.0

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("give username and password, or neither.")
        if self.password is not None and self.security == "none" and not is_loopback(self.host):
            raise ValueError(
                "a password would be sent for anybody to read: set security to starttls or tls, or leave it out."
            )
        return self

    def notify(self, message: Message) -> None:
        """Send a message; returns when the server has taken it.

        Raises:  NotificationFailed: the server did not take it, or not for every recipient.
        """
        from blocks_notify.mail_text import compose  # late: it imports the package for emails

        mail = compose(message, self.sender, self.to, self.cc)
        recipients = [split_address(one)[1] for one in (*self.to, *self.cc, *self.bcc)]
        with self._server() as server:
            for connect in (server.connect, server.encrypt, server.login):
                connect()
            server.send(mail, split_address(self.sender)[1], list(dict.fromkeys(recipients)))

    def check(self) -> CheckReport:
        """Find out whether the server can be reached and takes the login; nothing is sent."""
        checker = Checker()
        with self._server() as server:
            _ = (
                checker.step("connection", server.connect)
                and checker.step("encryption", server.encrypt)
                and checker.step("login", server.login)
                and checker.step("commands", server.greet)
            )
        return checker.report()

    def _server(self) -> MailServer:
        from blocks_notify.mail_delivery import MailServer  # late: it imports smtplib and ssl

        return MailServer(
            host=self.host,
            port=self.port or PORTS[self.security],
            security=self.security,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            timeout_seconds=self.timeout_seconds,
        )
