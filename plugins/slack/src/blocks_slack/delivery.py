"""The seam to slack_sdk: one request with its retries. Imported when the first message is sent.

slack_sdk writes the address, which is a secret, into its log lines; so its client gets a logger of its
own that says nothing. What happened is in the answer, or in the error.

Source:  https://docs.slack.dev/tools/python-slack-sdk/webhook (client, retry handlers),
         https://docs.slack.dev/apis/web-api/rate-limits (Retry-After).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, Request

from slack_sdk.http_retry import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
from slack_sdk.http_retry.builtin_handlers import ServerErrorRetryHandler
from slack_sdk.http_retry.handler import RetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.webhook import WebhookClient, WebhookResponse

DELIVERY_ERRORS = (OSError, HTTPException, ValueError, LookupError)
"""What is raised where no answer came, or none that can be read; the texts give reasons, not the address."""

MAX_WAIT_SECONDS = 60


class _RateLimit(RateLimitErrorRetryHandler):
    """Waits as long as `Retry-After` says; not where it says more than a minute, or no whole number."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or response.status_code != 429:
            return False
        seconds = retry_after({name: values[0] for name, values in response.headers.items()})
        return seconds is not None and seconds <= MAX_WAIT_SECONDS


class _Client(WebhookClient):
    """Follows no redirect: urllib would ask the new address without the message, whose answer may well be `ok`."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        # urllib counts the addresses that it was sent to, and takes an answer as it is when there are too many. The
        # client has no public way to choose (slack_sdk 3.48, looked at in November 2026); a test holds it.
        vars(req)["redirect_dict"] = dict.fromkeys(range(HTTPRedirectHandler.max_redirections), 1)
        return super()._perform_http_request_internal(url, req)


def post(url: str, body: Mapping[str, Any], *, timeout_seconds: float, retries: int) -> WebhookResponse:
    """Post a body and return the answer, after up to `retries` further attempts.

    Retried are 429, 500, 503 and connections that failed; not an answer that did not come in time, since
    the message may have been taken.

    Raises:  one of DELIVERY_ERRORS.
    """
    handlers: list[RetryHandler] = [
        _RateLimit(max_retry_count=retries),
        ConnectionErrorRetryHandler(max_retry_count=retries),
        ServerErrorRetryHandler(max_retry_count=retries),
    ]
    client = _Client(
        url,
        timeout=timeout_seconds,  # pyright: ignore[reportArgumentType] handed to socket, which takes fractions
        retry_handlers=handlers,
        logger=logging.Logger("silent", level=logging.CRITICAL + 1),  # tied to no other logger
    )
    return client.send_dict(dict(body))


def retry_after(headers: Mapping[str, Any]) -> int | None:
    """Return the seconds of a `Retry-After` header, or None where it has none.

    >>> retry_after({"retry-after": "30"})
    30
    """
    for name, value in headers.items():
        if name.lower() == "retry-after" and str(value).strip().isdecimal():
            return int(value)
    return None
