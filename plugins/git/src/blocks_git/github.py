"""`GitHub`: files of a repository at GitHub."""

from __future__ import annotations

import re
from typing import Self, cast
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from blocks_core.checks import Checker, CheckReport
from blocks_core.storage_fields import Prefix
from blocks_git.addresses import is_protected, problem_of_reference
from blocks_git.tree_storage import Source, TreeStorage

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", re.ASCII)
_PUBLIC = "https://api.github.com"


class GitHub(TreeStorage, slug="github", title="GitHub"):
    """Files of a GitHub repository: read, not written.

    GitHub's REST API is asked, so that no program is needed and only what is read is fetched. Public
    repositories need no token; with one, 5,000 requests an hour are free instead of 60. Links,
    submodules and what Git LFS keeps elsewhere are not followed.

    ```python
    from blocks_git import GitHub

    GitHub(repository="example/flows", reference="main", token="github_pat_example").save("flows")
    code = GitHub.load("flows").read("etl/daily.py")
    ```
    """

    repository: str = Field(description="Owner and name of the repository, such as example/flows.")
    reference: str | None = Field(
        default=None, description="Branch, tag or commit. Default: the repository's default branch."
    )
    folder: Prefix = Field(default="", description="Folder in the repository that paths are below.")
    token: SecretStr | None = Field(
        default=None,
        description="Access token of a person or an app that may read the repository's contents. Default: none, for "
        "public repositories.",
    )
    api_url: str = Field(
        default=_PUBLIC,
        description="Address of the API; for GitHub Enterprise Server, https://HOST/api/v3.",
    )
    refresh_seconds: float = Field(
        default=60.0, ge=0, le=86400, description="How long a commit is used before GitHub is asked again."
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("repository")
    @classmethod
    def _is_a_name(cls, repository: str) -> str:
        if not _NAME.fullmatch(repository):
            raise ValueError(
                "Give owner and name alone, such as 'example/flows', without address and '.git'."
            )
        return repository.removesuffix(".git")

    @field_validator("reference")
    @classmethod
    def _reference_is_one(cls, reference: str | None) -> str | None:
        if reference is not None and (problem := problem_of_reference(reference)):
            raise ValueError(problem)
        return reference

    @field_validator("api_url")
    @classmethod
    def _address_is_whole(cls, api_url: str) -> str:
        try:
            parts = urlsplit(api_url)
            is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_whole = False
        if not is_whole or "@" in api_url or "?" in api_url or "#" in api_url or not api_url.isprintable():
            raise ValueError(f"Give the API's address, such as {_PUBLIC}, without user or password.")
        return api_url.rstrip("/")

    @model_validator(mode="after")
    def _token_is_safe(self) -> Self:
        if self.token is not None and not is_protected(self.api_url):
            raise ValueError("A token is for https (for http on this machine itself only). Change api_url.")
        return self

    def check(self) -> CheckReport:
        """Find the repository and the reference, read a file, and tell how many requests are left."""
        from blocks_git.github_api import Api  # late: it imports httpx2

        checker, api = Checker(), cast("Api", self._source())
        if checker.step("repository", api.describe) and checker.step("reference", api.refresh):
            checker.step("contents", self._try_reading)
        checker.step("rate limit", api.requests_left)
        return checker.report()

    def _try_reading(self) -> str:
        files = list(self.list_files())
        smallest = min(files, key=lambda file: file.size_bytes, default=None)
        if smallest is not None:
            self.read(smallest.path)
        return f"{len(files)} files" if self.folder == "" else f"{len(files)} files below {self.folder}"

    def _open_source(self) -> Source:
        from blocks_git.github_api import Api  # late: it imports httpx2

        return Api(
            self.repository,
            self.reference,
            self.api_url,
            self.token,
            self.refresh_seconds,
            self.timeout_seconds,
        )

    def _folder(self) -> str:
        return self.folder

    def _location_of(self, path: str) -> str:
        host = self.api_url.removesuffix("/api/v3") if self.api_url != _PUBLIC else "https://github.com"
        return f"{host}/{self.repository}/blob/{self.reference or 'HEAD'}/{quote(path)}"
