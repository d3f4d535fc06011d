"""The seam to smtplib: one conversation with a server. Imported when the first email is sent.

smtplib logs nothing, and writes what it says to the output only where it is told to, which is never.

Source:  https://docs.python.org/3/library/smtplib.html, RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (login).
"""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from types import TracebackType
from typing import Literal, Self

from blocks_core.errors import NotificationFailed
from blocks_core.masking import without

_ERRORS = (smtplib.SMTPException, OSError, ValueError)

_TEMPORARY = "Try again later."
_REMEDIES = {
    421: _TEMPORARY,
    450: _TEMPORARY,
    451: _TEMPORARY,
    452: _TEMPORARY,
    530: "The server asks for a login or for encryption: give username and password, and check security.",
    534: "The server asks for another way to log in: make a password for applications.",
    535: "Check username and password; some services ask for a password that is made for applications.",
    550: "Check the addresses, and whether the server sends to them from this sender.",
    552: "Send less.",
    553: "Check the sender's address.",
    554: "Check the sender's address, and whether this machine may use the server.",
}


class MailServer:
    """A conversation with an SMTP server, for a `with` statement; none of its errors has the password."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str | None,
        password: str | None,
        timeout_seconds: float,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._username, self._password = username, password
        self._timeout_seconds = timeout_seconds
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        """Begin nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye, if anything was begun."""
        if self._connection is not None:
            with suppress(*_ERRORS):
                self._connection.quit()
            self._connection.close()

    def connect(self) -> str:
        """Connect, encrypted from the begin where that was asked for, and be greeted.

        Raises:  NotificationFailed.
        """
        with self._failing("was not reached"):
            if self._security == "tls":
                self._connection = smtplib.SMTP_SSL(
                    self._host, self._port, timeout=self._timeout_seconds, context=_context()
                )
            else:
                self._connection = smtplib.SMTP(self._host, self._port, timeout=self._timeout_seconds)
            self._connection.ehlo_or_helo_if_needed()
        return f"{self._place} answers"

    def encrypt(self) -> str:
        """Begin encryption where that comes after the greeting.

        Raises:  NotificationFailed: the server does not, or its certificate is not trusted.
        """
        if self._security == "starttls":
            with self._failing("did not begin encryption"):
                self._open.starttls(context=_context())
                self._open.ehlo()
        if self._security == "none":
            return "none, as security says"
        return "encrypted, and the certificate is that of the host"

    def login(self) -> str:
        """Log in, if there is a username.

        Raises:  NotificationFailed.
        """
        if self._username is None or self._password is None:
            return "none, as no username is given"
        username, password = self._username, self._password
        with self._failing("did not take the login"):
            self._open.login(username, password)
        return "the server took username and password"

    def greet(self) -> str:
        """Have the server say that it takes commands.

        Raises:  NotificationFailed.
        """
        with self._failing("takes no commands"):
            code, words = self._open.noop()
            if code != 250:
                raise smtplib.SMTPResponseException(code, words)
        return "the server takes commands; nothing was sent"

    def send(self, mail: EmailMessage, sender: str, recipients: Sequence[str]) -> None:
        """Send a message to each recipient, at once.

        Raises:  NotificationFailed: the server took it for none or not for all of them; it names these.
        """
        with self._failing("did not take the message"):
            try:
                refused = self._open.send_message(mail, from_addr=sender, to_addrs=recipients)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
        if refused:
            raise NotificationFailed(self._refusal(refused, recipients))

    @property
    def _open(self) -> smtplib.SMTP:
        assert self._connection is not None, "connect first"
        return self._connection

    @property
    def _place(self) -> str:
        return f"{self._host}:{self._port}"

    def _refusal(self, refused: dict[str, tuple[int, bytes]], recipients: Sequence[str]) -> str:
        """Return who does not get a message, why, and who does."""
        reasons = "; ".join(f"{who}: {self._words(code, said)}" for who, (code, said) in refused.items())
        taken = [who for who in recipients if who not in refused]
        others = f" It was sent to {', '.join(taken)}." if taken else ""
        remedy = _remedy_for(next(iter(refused.values()))[0])
        return f"The mail server {self._place} refused recipients ({reasons}).{others} {remedy}"

    @contextmanager
    def _failing(self, what: str) -> Generator[None]:
        try:
            yield
        except _ERRORS as error:
            said, remedy = _described(error, self._words)
            masked = self._masked(said)
            leaks = masked != said or self._leaks(error)
            raise NotificationFailed(f"The mail server {self._place} {what}: {masked}. {remedy}") from (
                None if leaks else error
            )

    def _words(self, code: int, said: bytes | str) -> str:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        return f"{code} {' '.join(self._masked(text).split())[:200]}".strip()

    def _leaks(self, error: Exception) -> bool:
        said = f"{error} {error.args!r}"
        return self._masked(said) != said

    def _masked(self, text: str) -> str:
        return without(text, _secret_forms(self._username, self._password))


def _secret_forms(username: str | None, password: str | None) -> Iterator[str]:
    if password:
        yield password
        yield b64encode(f"\0{username}\0{password}".encode()).decode()


def _described(error: Exception, words: Callable[[int, bytes | str], str]) -> tuple[str, str]:
    """Return what an error says, and what to do about it."""
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"it refused the sender ({words(error.smtp_code, error.smtp_error)})", _remedy_for(
            error.smtp_code
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return words(error.smtp_code, error.smtp_error), _remedy_for(error.smtp_code)
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message})",
            "Check the host's name, or give the file of its authority in the variable SSL_CERT_FILE.",
        )
    if isinstance(error, ssl.SSLError):
        return f"{type(error).__name__}: {error.reason or error}", "Check port and security."
    if isinstance(error, TimeoutError):
        return "timed out", "Check host, port and security, and the network."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return str(error).rstrip("."), "Check port and security."
    return f"{type(error).__name__}: {error}", "Check host, port and security, and the network."


def _remedy_for(code: int) -> str:
    if code in _REMEDIES:
        return _REMEDIES[code]
    return _TEMPORARY if 400 <= code < 500 else "Check the addresses and what the server allows."


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
