"""The seam to apprise: one URL. Imported when the first message is sent.

apprise answers True or False, and writes the reason into its log, from where it is taken. At DEBUG it logs URLs and
bodies, and so do the packages below it: `quiet` keeps these out of every log while a message is under way.

Source:  https://appriseit.com/library/ (Apprise, AppriseAsset), https://appriseit.com/getting-started/universal-syntax/.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from blocks_core.errors import NotificationFailed, PackageMissing
from blocks_core.messages import Level, Message
from blocks_notify.cutting import cut, tail
from blocks_notify.fields import SHORTEST_KEY
from blocks_notify.quiet import Call, hidden_in_logs

_MAX_TITLE = 250
_MAX_TEXT = 4_000
_MAX_FACTS = 100
_MAX_FACT = 1_000
_MAX_DETAIL = 8_000
_MAX_REASONS = 3

_TYPES: dict[Level, str] = {"info": "info", "warning": "warning", "error": "failure"}


class Target:
    """A service by its URL."""

    def __init__(self, url: str, number: str) -> None:
        self._url, self._number = url, number
        self._scheme = url.partition("://")[0].lower()
        self._apprise = _package()
        self._call = Call(tuple(_keys_in(url)), withholding=True)
        with self._quiet():
            self._service = self._made()

    @property
    def name(self) -> str:
        """Return the service, and the host where that is no key itself."""
        host = str(getattr(self._service, "host", None) or "")
        tokens: dict[str, Any] = getattr(self._service, "template_tokens", {})
        of_host = tokens.get("host", {"private": True})
        named = host and host == urlsplit(self._url).hostname and not of_host.get("private")
        return f"{self._scheme}://{host if named else '…'}{self._number}"

    def check(self) -> str:
        """Return what apprise makes of the URL.

        Raises:  NotificationFailed: nothing.
        """
        return f"{self.name}: apprise can read it as {self._known().service_name}; nothing was sent"

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:  NotificationFailed: with the reason that apprise gives.
        """
        service = self._known()
        title, body = render(message)
        with self._quiet():
            sender = self._apprise.Apprise(asset=service.asset)
            sender.add(service)
            try:
                taken = bool(
                    sender.notify(
                        title=title, body=body, notify_type=_TYPES[message.level], body_format="text"
                    )
                )
            except Exception as error:  # noqa: BLE001 the code of a hundred services
                self._call.warnings.append(type(error).__name__)
                taken = False
        if not taken:
            raise NotificationFailed(f"{self.name} did not take the message{self._reasons()}")

    def _known(self) -> Any:
        if self._service is None:
            raise NotificationFailed(
                f"{self.name} is no URL that apprise can use{self._reasons()} Compare it with the page of the "
                f"service at https://appriseit.com/services/."
            )
        return self._service

    def _made(self) -> Any:
        """Return apprise's object for the URL, or None."""
        asset = self._apprise.AppriseAsset(secure_logging=True, async_mode=False)
        try:
            return self._apprise.Apprise.instantiate(self._url, asset=asset)
        except Exception as error:  # noqa: BLE001 the code of a hundred services
            self._call.warnings.append(type(error).__name__)
            return None

    def _reasons(self) -> str:
        found = [" ".join(warning.split())[:200].rstrip(".") for warning in self._call.warnings]
        kept = list(dict.fromkeys(found))[:_MAX_REASONS]
        return f": {'; '.join(kept)}." if kept else ", and apprise gives no reason."

    @contextmanager
    def _quiet(self) -> Generator[None]:
        # Whatever a service's package logs, in this call: apprise's own and all that were imported by now.
        with hidden_in_logs(self._call, ["apprise", *logging.root.manager.loggerDict]):
            yield


def render(message: Message) -> tuple[str, str]:
    """Return a message as a title and a text."""
    return cut(" ".join(message.title.split()), _MAX_TITLE), "\n".join(_parts(message)) or message.level


def _parts(message: Message) -> Iterator[str]:
    if message.text.strip():
        yield cut(message.text, _MAX_TEXT)
    kept = list(message.facts.items())[:_MAX_FACTS]
    yield from (f"{cut(name, _MAX_FACT)}: {cut(fact, _MAX_FACT)}" for name, fact in kept)
    if len(message.facts) > len(kept):
        yield f"… and {len(message.facts) - len(kept)} more facts"
    if message.link:
        yield cut(message.link, _MAX_FACT)
    if message.detail.strip():
        yield tail(message.detail, _MAX_DETAIL)


def _keys_in(url: str) -> Iterator[str]:
    """Yield the parts of a URL that may be keys: all of them, as in some the host is one, but the host alone."""
    rest = url.partition("://")[2]
    yield url
    yield rest
    for part in re.split(r"[/?&=:@;,]", rest):
        if len(part) >= SHORTEST_KEY:
            yield part
            yield unquote(part)


@cache
def _package() -> Any:
    """Return apprise with its services, which it imports when the first URL is read: a matter of seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that services need, nothing to do with us
        try:
            import apprise  # late: it is an extra
        except ModuleNotFoundError as error:
            raise PackageMissing(
                'Messages to this block need the package apprise. Run "pip install blocks-notify[apprise]".'
            ) from error
        package: Any = apprise
        package.Apprise.instantiate("json://localhost")
    return package
