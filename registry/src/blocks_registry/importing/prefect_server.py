"""Prefect's API, as far as its block documents: a few requests of the standard library.

Not httpx2, which the registry would need for nothing else: the requests are few and small, urllib needs no package,
and it is as easily kept from following a redirect with the key.

Source:  https://docs.prefect.io/v3/api-ref/rest-api/server/block-documents, prefect 3.8.8 (`server/api`).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener
from uuid import uuid4

from blocks_registry.errors import SourceRefused, SourceUnreadable
from blocks_registry.importing.found import MAX_FILE_BYTES, Found
from blocks_registry.importing.prefect_answers import found_document

_MAX_PAGES = 10_000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _NoRedirect(HTTPRedirectHandler):
    """Leaves a redirect an error: the key must go to no other address."""

    def redirect_request(self, *args: Any, **options: Any) -> None:
        """Make no further request."""


class PrefectServer:
    """Prefect's API at an address; `authorization` is the header's whole value, or None."""

    def __init__(
        self,
        url: str,
        authorization: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self._url = check_url(url)
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._opener = _opener(self._url)

    def documents(self) -> list[Found]:
        """Return all block documents with their secrets, unnamed ones included.

        Raises:  SourceUnreadable, SourceRefused.
        """
        found: dict[str, Found] = {}
        for page in self._pages():
            new = {document.id: document for document in map(self._document, page)}
            if not new.keys() - found.keys():
                break
            found |= new
        expected = self._post("block_documents/count", {"block_documents": {"is_anonymous": None}})
        if not isinstance(expected, int):
            raise self._unexpected("no number of blocks")
        if expected != len(found):
            raise SourceUnreadable(
                f"Prefect's API says that it has {expected} blocks and gave {len(found)}: they were "
                f"changed while they were read. Try again."
            )
        return list(found.values())

    def _pages(self) -> Iterator[list[Any]]:
        offset = 0
        for _ in range(_MAX_PAGES):
            page = self._post(
                "block_documents/filter",
                {
                    "include_secrets": True,
                    "block_documents": {"is_anonymous": None},
                    "sort": "BLOCK_TYPE_AND_NAME_ASC",
                    "offset": offset,
                },
            )
            if not isinstance(page, list):
                raise self._unexpected("no list of blocks")
            blocks = cast("list[Any]", page)
            if not blocks:
                return
            yield blocks
            offset += len(blocks)

    def _document(self, answer: Any) -> Found:
        try:
            references = cast("Mapping[str, Any]", answer["block_document_references"])
            return found_document(
                _text(answer["block_type"]["slug"]),
                _text(answer["name"]),
                cast("Mapping[str, Any]", answer["data"]),
                {field: _text(held["block_document"]["id"]) for field, held in references.items()},
                document_id=_text(answer["id"]),
                anonymous=answer["is_anonymous"] is True,
            )
        except (AttributeError, KeyError, TypeError, RecursionError):
            pass  # and not from it: the error may show a piece of the answer
        raise self._unexpected("a block that lacks what Prefect's blocks have")

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            return self._ask(path, body)
        except SourceRefused as error:
            if error.status != 403 or "Prefect-Csrf-Client" in self._headers:
                raise
            if not self._get_csrf_token():
                raise
        return self._ask(path, body)

    def _get_csrf_token(self) -> bool:
        """Get what a server that protects itself against forged requests asks for; tell whether it gave one."""
        client = str(uuid4())
        try:
            token = self._ask(f"csrf-token?client={client}", None)["token"]
        except (SourceUnreadable, LookupError, TypeError):
            return False  # it does not: the refusal before it says what is wrong
        if not _is_header(token):
            return False
        self._headers |= {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client}
        return True

    def _ask(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._url}/{path}", data=data, headers=self._headers)  # noqa: S310 http(s), checked
        status, said = 0, ""
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                raw = answer.read(self._max_bytes + 1)
        except HTTPError as error:
            status = error.code
            error.close()
        except (OSError, HTTPException, ValueError) as error:
            said = _reason(error)
        else:
            return self._parsed(raw)
        if status:
            raise self._refusal(status)  # not from the cause, which has the request with the key
        raise SourceUnreadable(
            f"No answer came from Prefect's API at {self._url} ({said}). Is the server running, and is "
            f"this its address?"
        )

    def _parsed(self, raw: bytes) -> Any:
        if len(raw) > self._max_bytes:
            raise SourceUnreadable(
                f"Prefect's API at {self._url} gave an answer of more than {self._max_bytes // 2**20} MiB, which is "
                f"not read."
            )
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            pass  # and not from it: the error holds the answer
        raise self._unexpected("something that is no JSON, or was cut off, such as a web page")

    def _unexpected(self, what: str) -> SourceUnreadable:
        return SourceUnreadable(
            f"What answers at {self._url} is not Prefect's API, or not as this version knows it: it gave {what}. The "
            f"address ends in /api, such as http://127.0.0.1:4200/api."
        )

    def _refusal(self, status: int) -> SourceUnreadable:
        said = f"Prefect's API at {self._url} answered HTTP {status}"
        if status in (401, 403):
            return SourceRefused(
                f"{said}: it does not accept the key, or the key may not read secrets. Set PREFECT_API_KEY or "
                f"PREFECT_API_AUTH_STRING, or give --api-key to be asked.",
                status,
            )
        if status == 404:
            return SourceUnreadable(f"{said}. The address ends in /api, such as http://127.0.0.1:4200/api.")
        if 300 <= status < 400:
            return SourceUnreadable(
                f"{said}, a redirect, which is not followed with a key. Give the final address."
            )
        if status >= 500:
            return SourceUnreadable(f"{said}. Its own log says why; try again later.")
        return SourceUnreadable(f"{said}. Is it a server of Prefect 3?")


def check_url(url: str) -> str:
    """Return the address of an API without a slash at its end.

    Raises:  SourceUnreadable: it is none, or holds a password; the message does not repeat it.
    """
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            problem = "it has a user or a password, which others can see: set PREFECT_API_AUTH_STRING instead"
        elif parts.scheme not in ("http", "https") or not parts.hostname:
            problem = (
                "it must begin with http:// or https:// and name a host, such as http://127.0.0.1:4200/api"
            )
        elif parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
            problem = "it has a part after ? or #, or characters that no address has"
        _ = parts.port
    except ValueError:
        problem = "copy it again"
    if problem:
        raise SourceUnreadable(f"What was given as the address of Prefect's API cannot be used: {problem}.")
    return url.rstrip("/")


def authorization(*, api_key: str | None = None, auth_string: str | None = None) -> str | None:
    """Return the value of the header Authorization, as Prefect's own client makes it; the second goes first.

    Raises:  SourceRefused: it has characters that no key has; the message does not repeat it.
    """
    for secret in (auth_string, api_key):
        if secret and not _is_header(secret):
            raise SourceRefused(
                "The key for Prefect's API has characters that no key has, such as a line end: copy it again."
            )
    if auth_string:
        return f"Basic {b64encode(auth_string.encode()).decode()}"
    return f"Bearer {api_key}" if api_key else None


def _opener(url: str) -> OpenerDirector:
    proxies = [ProxyHandler({})] if urlsplit(url).hostname in _LOOPBACK else []
    return build_opener(_NoRedirect(), *proxies)


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip() != ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _reason(error: Exception) -> str:
    """Return why there was no answer; never a text that the other side may have written."""
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, TimeoutError):
        return "it takes too long"
    if isinstance(inner, OSError) and inner.strerror and not isinstance(error, HTTPException):
        return inner.strerror
    return type(inner).__name__
