"""Requests to Cloud Storage: each carries a token that is fresh, is tried again where that may help, and fails
with what Google said.

gcsfs renews tokens in the thread that all requests share, without a time limit, and not where they are refused; it
waits half a minute before it says that nobody answers, and tells no missing bucket from a missing object. So its
requests are made here.

Source:  https://cloud.google.com/storage/docs/retry-strategy (what is tried again),
         https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

# gcsfs comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from traceback import format_exception
from typing import Any, cast

import aiohttp
from gcsfs.core import GCSFileSystem
from yarl import URL

from blocks_core.errors import CredentialsRefused
from blocks_core.masking import without
from blocks_gcp.connection import Connection
from blocks_gcp.storage_reasons import NO_BUCKET, BucketMissing, ServiceError, TokenRefused

ATTEMPTS = 4
SECONDS_AFTER_FAILURE = 0.4
"""Doubled after each."""

NETWORK_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError)
"""What is raised where no answer came, or none that is whole."""

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class BucketRequests(GCSFileSystem):
    """gcsfs, with requests of its own."""

    connect: Callable[[], Connection] | None = None
    """Returns what has the tokens; it may block. None: nobody's."""

    _connection: Connection | None = None

    async def _request(
        self,
        method: str,
        path: str,
        *args: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        **options: Any,
    ) -> tuple[int, Any, None, bytes]:
        options.pop("cache_type", None)
        options.pop("cache_source", None)
        status, found, body = await self.exchange(
            method,
            self._format_path(path, args),
            headers={"Accept-Encoding": "identity", **(headers or {})},
            params=self._get_params(options),
            json=json,
            data=data,
        )
        return status, found, None, body

    async def _set_session(self) -> Any:
        session: Any = await super()._set_session()
        # aiohttp would send a piece of an upload again, whatever became of the first one. 2026-11-27,
        # https://github.com/aio-libs/aiohttp/issues/10790; may go when there is a public way to switch that off.
        session._retry_connection = False
        return session

    async def exchange(
        self, method: str, url: str, *, attempts: int = ATTEMPTS, **options: Any
    ) -> tuple[int, Any, bytes]:
        """Send a request and return the answer's status, headers and body.

        Raises:  FileNotFoundError, ServiceError, TokenRefused, ConnectionError, TimeoutError.
        """
        for attempt in range(1, attempts + 1):
            try:
                async with self.responding(method, url, **options) as response:
                    return response.status, response.headers, await response.read()
            except (*NETWORK_ERRORS, ServiceError) as error:
                self.give_up_after(attempt, error, attempts)
            await pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def responding(self, method: str, url: str, **options: Any) -> AsyncGenerator[Any]:
        """Send a request once, or twice where its token was refused, and give the answer, its body not read yet.

        Raises:  as `exchange`, and one of NETWORK_ERRORS.
        """
        refused: str | None = None
        session = await self._set_session()
        headers, data = dict(options.pop("headers", {})), options.pop("data", None)
        while True:
            sent = await self._token_headers(refused)
            async with session.request(
                method,
                URL(url, encoded=True),  # letter by letter: else some of a key's are sent as they are
                headers=headers | sent,
                data=BytesIO(data) if data else data,  # sent in parts, so that others get a turn
                timeout=self.requests_timeout,
                **options,
            ) as response:
                if response.status == 401 and sent and refused is None:
                    refused = sent.get("authorization", "").partition(" ")[2]
                    continue
                if response.status >= 400:
                    raise self._error_of(response.status, await response.read(), url)
                yield response
                return

    def give_up_after(self, attempt: int, error: Exception, attempts: int = ATTEMPTS) -> None:
        """Raise the error for one that another attempt would not help, or that was the last.

        Raises:  ServiceError; ConnectionError, TimeoutError: without their cause where that repeats a secret.
        """
        if isinstance(error, ServiceError):
            if error.status not in _AGAIN or attempt >= attempts:
                raise error
        elif attempt >= attempts:
            shown = "".join(format_exception(error))
            leaks = without(shown, self._secrets()) != shown
            kind = TimeoutError if isinstance(error, asyncio.TimeoutError) else ConnectionError
            said = without(str(error) or type(error).__name__, self._secrets())
            raise kind(said) from (None if leaks else error)

    @property
    def address(self) -> str:
        """Return the address of the service."""
        return str(self._location)

    def parameters(self, **given: Any) -> dict[str, str]:
        """Return what goes into an address: what is given, and who pays."""
        return dict(cast("Any", self)._get_params(given))

    def _error_of(self, status: int, body: bytes, url: str) -> OSError:
        shown = without(body[:20_000].decode("utf-8", "replace"), self._secrets())
        if NO_BUCKET in shown:
            return BucketMissing(status, shown.encode())
        if status == 404:
            return FileNotFoundError(url.partition("?")[0])
        return ServiceError(status, shown.encode())

    def _secrets(self) -> Iterable[str]:
        return tuple(self._connection.secrets()) if self._connection else ()

    async def _token_headers(self, refused: str | None) -> dict[str, str]:
        if self.connect is None:
            return {}
        if self._connection is None or refused is not None or not self._connection.is_fresh():
            return await asyncio.to_thread(self._renewed, self.connect, refused)
        return self._connection.headers()

    def _renewed(self, connect: Callable[[], Connection], refused: str | None) -> dict[str, str]:
        try:
            self._connection = connect()
            return self._connection.headers(refused)
        except CredentialsRefused as error:
            self._connection = None  # what is put right is read with the next request
            raise TokenRefused(str(error)) from error


async def pause(attempt: int) -> None:
    """Wait before the next attempt."""
    await asyncio.sleep(SECONDS_AFTER_FAILURE * 2 ** (attempt - 1))
