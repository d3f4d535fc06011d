"""GitHub's REST API over httpx2: the commit of a reference, its tree, the contents of files.

Imported when a block is first used. The token goes to the API's own host and nowhere else: redirects, which GitHub
answers for a repository that was renamed, are followed by hand. httpcore2 logs what comes back, where a server may
repeat the token: its lines are withheld.

Source:  https://docs.github.com/en/rest/commits/commits#get-a-commit (the media type sha),
         https://docs.github.com/en/rest/git/trees#get-a-tree (truncated), .../git/blobs#get-a-blob (raw),
         https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api (redirects, ETag),
         https://docs.github.com/en/rest/rate-limit/rate-limit
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from traceback import format_exception
from typing import Any, cast
from urllib.parse import quote, urljoin

import httpx2
from pydantic import SecretStr

from blocks_core.errors import StorageFailed
from blocks_core.masking import without
from blocks_core.unlogged import unlogged
from blocks_git.addresses import is_commit, origin_of
from blocks_git.github_reasons import Refusal
from blocks_git.trees import Tree, TreeEntry

MAX_REDIRECTS = 3
MAX_ANSWER_BYTES = 32 << 20
"""Of what is no file: GitHub sends 7 MB at most."""

_JSON = "application/vnd.github+json"
_SHA = "application/vnd.github.sha"
_RAW = "application/vnd.github.raw+json"


class Api:
    """Gives the tree of a repository's reference, and the contents of its files."""

    def __init__(
        self,
        repository: str,
        reference: str | None,
        api_url: str,
        token: SecretStr | None,
        refresh_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._repository, self._reference = repository, reference
        self._url, self._token = api_url, token
        self._refresh_seconds = refresh_seconds
        self._client = httpx2.Client(timeout=timeout_seconds, follow_redirects=False)
        weakref.finalize(self, self._client.close)
        self._lock = Lock()
        self._tree: Tree | None = None
        self._asked_at = 0.0
        self._tag: str | None = None
        """Of the answer that named the commit: with it, the same answer costs nothing."""

    def tree(self) -> Tree:
        """Return the tree: as GitHub has it now, or some seconds ago.

        Raises:  StorageFailed.
        """
        with self._lock:
            if self._tree is None or self._is_old():
                self._renew()
            assert self._tree is not None
            return self._tree

    def refresh(self) -> str:
        """Ask GitHub now, and return the commit that the reference leads to.

        Raises:  StorageFailed.
        """
        with self._lock:
            self._renew()
            assert self._tree is not None
            return self._tree.commit

    def describe(self) -> str:
        """Return the repository's name and whether it is public.

        Raises:  StorageFailed.
        """
        found = self._json(f"/repos/{self._repository}", "the repository")
        return (
            f"{found.get('full_name', self._repository)} ({'private' if found.get('private') else 'public'})"
        )

    def requests_left(self) -> str:
        """Return how many requests are free yet, and until when.

        Raises:  StorageFailed.
        """
        with self._answered("/rate_limit", _JSON, "the rate limit", accepted=(200, 404)) as response:
            if response.status_code == 404:  # GitHub Enterprise Server, where it is switched off
                return "no limit"
            core = self._parsed(response, "the rate limit").get("resources", {}).get("core", {})
        until = datetime.fromtimestamp(int(core.get("reset", 0)), UTC)
        return f"{core.get('remaining')} of {core.get('limit')} requests left until {until:%H:%M} UTC"

    def pieces(self, tree: Tree, file: TreeEntry, location: str) -> Generator[bytes]:
        """Yield the content of a file of a tree.

        Raises:  StorageFailed.
        """
        path = f"/repos/{self._repository}/git/blobs/{file.id}"
        with self._answered(path, _RAW, location) as response:
            yield from response.iter_bytes(1 << 20)

    def _is_old(self) -> bool:
        if is_commit(self._reference or ""):
            return False
        return time.monotonic() - self._asked_at >= self._refresh_seconds

    def _renew(self) -> None:
        commit = self._commit()
        if self._tree is None or (commit is not None and self._tree.commit != commit):
            assert commit is not None
            self._tree = Tree(commit, self._entries(commit, ""))
        self._asked_at = time.monotonic()

    def _commit(self) -> str | None:
        """Return the commit that the reference leads to, or None where it is the same as before."""
        what = f"the commit of '{self._reference or 'HEAD'}'"
        path = f"/repos/{self._repository}/commits/{quote(self._reference or 'HEAD', safe='/')}"
        known = {"If-None-Match": self._tag} if self._tag and self._tree else {}
        with self._answered(path, _SHA, what, accepted=(200, 304), **known) as response:
            if response.status_code == 304:
                return None
            commit = self._body(response).decode("ascii", "replace").strip()
            if not is_commit(commit):
                raise self._not_github(what)
            self._tag = response.headers.get("etag")
            return commit

    def _entries(self, tree: str, folder: str) -> Iterator[TreeEntry]:
        """Yield what is in a tree, by one request where its answer is whole; else folder by folder."""
        what = f"the list of files of {folder or 'the repository'}"
        path = f"/repos/{self._repository}/git/trees/{tree}"
        found = self._json(f"{path}?recursive=1", what)
        is_whole = not found.get("truncated")
        if not is_whole:
            found = self._json(path, what)
            if found.get("truncated"):
                raise StorageFailed(
                    f"{self._place()}: {folder or 'the top'} has more files than GitHub lists. Use a block of the "
                    f"type git."
                )
        for entry in self._listed(found, what):
            name = f"{folder}/{entry.get('path')}" if folder else str(entry.get("path"))
            if entry.get("type") != "tree":
                size = int(entry.get("size") or 0)
                yield TreeEntry(name, str(entry.get("mode")), str(entry.get("sha")), size)
            elif not is_whole:
                yield from self._entries(str(entry.get("sha")), name)

    def _listed(self, found: dict[str, Any], what: str) -> list[dict[str, Any]]:
        listed: object = found.get("tree")
        if not isinstance(listed, list) or not all(
            isinstance(item, dict) for item in cast("list[Any]", listed)
        ):
            raise self._not_github(what)
        return cast("list[dict[str, Any]]", listed)

    def _json(self, path: str, what: str) -> dict[str, Any]:
        with self._answered(path, _JSON, what) as response:
            return self._parsed(response, what)

    def _parsed(self, response: httpx2.Response, what: str) -> dict[str, Any]:
        try:
            found: object = json.loads(self._body(response))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._not_github(what)
        return cast("dict[str, Any]", found)

    @contextmanager
    def _answered(
        self, path: str, accept: str, what: str, accepted: tuple[int, ...] = (200,), **headers: str
    ) -> Generator[httpx2.Response]:
        """Ask, and give the answer if its status is one of those accepted; its body is not read yet.

        Raises:  StorageFailed, RateLimited.
        """
        url = f"{self._url}{path}"
        try:
            with unlogged("httpcore2"):
                for _ in range(MAX_REDIRECTS + 1):
                    with self._client.stream("GET", url, headers=self._headers(accept) | headers) as response:
                        if response.status_code in (301, 302, 307, 308):
                            url = self._followed(url, response, what)
                            continue
                        if response.status_code not in accepted:
                            raise self._refusal(response).error(self._place(), what, self._secrets())
                        yield response
                        return
            raise StorageFailed(
                f"{self._place()}: {what} was not read: GitHub leads in a circle. Check repository."
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error, what) from (None if self._leaks(error) else error)

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "blocks-git"}
        if self._token is not None:
            token = self._token.get_secret_value()
            if not token.isascii() or not token.isprintable() or " " in token:
                raise StorageFailed(f"{self._place()} was not asked: the token is none. Copy it again.")
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _followed(self, url: str, response: httpx2.Response, what: str) -> str:
        """Return where a redirect leads, if the token may go there."""
        found = urljoin(url, response.headers.get("location", ""))
        try:
            is_same = origin_of(found) == origin_of(url)
        except ValueError:
            is_same = False
        if not is_same:
            raise StorageFailed(
                f"{self._place()}: {what} was not read: the answer leads to another host. Check api_url and "
                f"the proxy."
            )
        return found

    def _refusal(self, response: httpx2.Response) -> Refusal:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Refusal(response.status_code, headers, self._body(response), self._token is not None)

    def _body(self, response: httpx2.Response) -> bytes:
        found = bytearray()
        for piece in response.iter_bytes():
            found += piece
            if len(found) > MAX_ANSWER_BYTES:
                raise self._not_github("an answer")
        return bytes(found)

    def _unreachable(self, error: Exception, what: str) -> StorageFailed:
        said = without(str(error), self._secrets())
        if isinstance(error, httpx2.TimeoutException):
            return StorageFailed(
                f"{self._place()}: {what} was not read: there was no answer in time. Check the network, and "
                f"try again."
            )
        return StorageFailed(
            f"{self._place()}: {what} was not read: the connection failed ({type(error).__name__}: {said}). Check "
            f"api_url, the network and the proxy (HTTPS_PROXY), and try again."
        )

    def _not_github(self, what: str) -> StorageFailed:
        return StorageFailed(
            f"{self._place()}: {what} was not read: what answered is no API of GitHub. Check api_url and the proxy."
        )

    def _leaks(self, error: Exception) -> bool:
        shown = "".join(format_exception(error))
        return without(shown, self._secrets()) != shown

    def _secrets(self) -> list[str]:
        return [self._token.get_secret_value()] if self._token is not None else []

    def _place(self) -> str:
        return f"{self._url}/repos/{self._repository}"
