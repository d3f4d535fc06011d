"""`Apprise`: messages to any of the services that the package apprise knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, SecretStr

from blocks_core.capabilities import Notifier
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.secret import is_reference

if TYPE_CHECKING:
    from blocks_notify.apprise_delivery import Target

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://\S+")


def _refuse_other_urls(url: SecretStr) -> SecretStr:
    if not is_reference(url) and not _URL.fullmatch(url.get_secret_value()):
        raise ValueError(
            "a URL of apprise is a word for the service, :// and what the service needs, without a space."
        )
    return url


class Apprise(Notifier, slug="apprise"):
    """Messages to any of the more than a hundred services that the package apprise knows, by their URLs.

    A message is sent to each URL as text: title, text, facts, link and detail. A URL that fails hinders no other; the
    error names the service, and the host where that is no key itself, with the reason that apprise gives. For
    services with a block of their own, that block tells more and shows more. The URLs are secrets. Needs
    `pip install blocks-notify[apprise]`.

    ```python
    from blocks_core import Message
    from blocks_notify import Apprise

    phones = Apprise(urls=["ntfys://:8f0c4711@ntfy.example.com/alerts"])
    phones.notify(Message("Flow etl failed", level="error"))
    phones.save("phones")
    ```
    """

    urls: list[Annotated[SecretStr, AfterValidator(_refuse_other_urls)]] = Field(
        min_length=1,
        max_length=50,
        description="URLs of services as apprise writes them, such as ntfys://host/topic or tgram://token/chat; what "
        "they say of time-outs (rto, cto) counts.",
    )

    def notify(self, message: Message) -> None:
        """Send a message to each URL, one after the other.

        Raises:  NotificationFailed: one or more did not take it; it names these and the others. PackageMissing.
        """
        taken, failed = list[str](), list[str]()
        for index in range(len(self.urls)):
            target = self._target(index)
            try:
                target.send(message)
                taken.append(target.name)
            except NotificationFailed as error:
                failed.append(str(error))
        if failed:
            others = f" It was sent to {', '.join(taken)}." if taken else ""
            raise NotificationFailed(f"{' '.join(failed)}{others}")

    def check(self) -> CheckReport:
        """Find out whether apprise knows each service and can read its URL; no service is asked."""
        checker = Checker()
        for index in range(len(self.urls)):
            checker.step(f"url {index + 1}", lambda index=index: self._target(index).check())
        return checker.report()

    def _target(self, index: int) -> Target:
        from blocks_notify.apprise_delivery import Target  # late: it imports apprise

        number = f" (URL {index + 1} of {len(self.urls)})" if len(self.urls) > 1 else ""
        return Target(self.urls[index].get_secret_value(), number)
