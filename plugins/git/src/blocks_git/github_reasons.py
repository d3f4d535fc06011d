"""What GitHub's refusals mean and what to do about them; without a package for HTTP.

Source:  https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api,
         https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from blocks_core.errors import StorageFailed
from blocks_core.masking import without
from blocks_git.errors import RateLimited

MAX_SAID = 300


@dataclass(frozen=True)
class Refusal:
    """An answer of GitHub that is none of what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    has_token: bool
    """Whether one was sent."""

    def said(self, secrets: Iterable[str]) -> str:
        """Return the answer for a message: status and sentence."""
        sentence = "".join(c if c.isprintable() else " " for c in self._sentence())
        shown = without(sentence, secrets)[:MAX_SAID]
        return f"HTTP {self.status}: {shown}" if shown else f"HTTP {self.status}"

    def waits_until(self, now: datetime) -> datetime | None:
        """Return when GitHub is to be asked again, where it asks to wait; None where it does not."""
        if self.status not in (403, 429):
            return None
        after = self.headers.get("retry-after", "")
        if after.isdecimal():
            return now + timedelta(seconds=min(int(after), 86400))
        reset = self.headers.get("x-ratelimit-reset", "")
        if self.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal() and len(reset) < 12:
            return datetime.fromtimestamp(int(reset), UTC)
        if self.status == 429 or "rate limit" in self._sentence().lower():
            return now + timedelta(minutes=1)
        return None

    def error(self, place: str, what: str, secrets: Iterable[str]) -> StorageFailed:
        """Return the error for it.

        Args:    place: the repository's address. what: such as `commit 'main'`. secrets: what is not to be shown.
        """
        said = self.said(secrets)
        until = self.waits_until(datetime.now(UTC))
        if until is not None:
            remedy = (
                "Wait, or ask more seldom."
                if self.has_token
                else "Wait, or give a token: it may ask 5,000 times."
            )
            return RateLimited(
                f"{place}: GitHub takes no more requests until {until:%Y-%m-%d %H:%M:%S} UTC ({said}). {remedy}",
                until,
            )
        return StorageFailed(f"{place}: {what} was not read ({said}). {self._remedy()}")

    def _remedy(self) -> str:
        if self.status == 401:
            return "GitHub did not accept the token: it is wrong, expired or revoked. Give a new one."
        if "x-github-sso" in self.headers:
            return "The organisation asks for single sign-on. Authorise the token for it."
        if self.status == 404 and not self.has_token:
            return "There is no such thing, or the repository is private. Check its name, or give a token."
        if self.status == 404:
            return "There is no such thing, or the token may not read it. Check its name and the token's permissions."
        if self.status == 409:
            return "The repository is empty. Push a commit first."
        if self.status == 422:
            return "There is no such branch, tag or commit. Check reference."
        if self.status == 403:
            return "The token may not read it. Give it the permission to read the repository's contents."
        if self.status >= 500:
            return "That is an error of GitHub, or it is busy. Try again later."
        return "What answered is no API of GitHub. Check api_url and the proxy."

    def _sentence(self) -> str:
        try:
            found: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        return str(cast("dict[str, Any]", found).get("message", "")) if isinstance(found, dict) else ""
