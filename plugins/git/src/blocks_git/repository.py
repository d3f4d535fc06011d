"""`Git`: files of a repository at any remote that git reaches."""

from __future__ import annotations

from typing import Self, cast

from pydantic import Field, SecretStr, field_validator, model_validator

from blocks_core.checks import Checker, CheckReport
from blocks_core.storage_fields import Prefix
from blocks_git.addresses import is_protected, problem_of_reference, problem_of_url, scheme_of
from blocks_git.remote import Remote, Wanted
from blocks_git.tree_storage import Source, TreeStorage


class Git(TreeStorage, slug="git"):
    """Files of a Git repository, at any remote: read, not written.

    The program git fetches one commit, without its history, into a cache; reads are from there. For
    `refresh_seconds` the same commit is used, then the remote is asked for the newest one. Links,
    submodules and what Git LFS keeps elsewhere are not followed.

    ```python
    from blocks_git import Git

    Git(url="https://git.example.com/data/flows.git", reference="main").save("flows")
    code = Git.load("flows").read("etl/daily.py")
    ```
    """

    url: str = Field(
        description="Address of the repository: https, ssh, git or file, or git@host:path; it is shown, so it "
        "holds no password."
    )
    reference: str | None = Field(
        default=None,
        description="Branch, tag, or a commit's whole hash. Default: the remote's own branch (HEAD).",
    )
    folder: Prefix = Field(default="", description="Folder in the repository that paths are below.")
    username: str = Field(
        default="git", min_length=1, description="Name that goes with the password; many services ignore it."
    )
    password: SecretStr | None = Field(default=None, description="Password or access token, for https.")
    ssh_private_key: SecretStr | None = Field(
        default=None,
        description="Private key without a passphrase, for ssh. Default: ssh's own keys and agent.",
    )
    known_hosts: str | None = Field(
        default=None,
        description="Lines of a known_hosts file with the host's key, for ssh. Default: those that ssh knows.",
    )
    refresh_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86400,
        description="How long a commit is used before the remote is asked again.",
    )
    timeout_seconds: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        description="How long one call of git may take, such as fetching a commit.",
    )
    cache_folder: str | None = Field(
        default=None,
        description="Folder to keep fetched commits in. Default: 'cache/git' in the Blocks home (BLOCKS_HOME, else "
        "~/.blocks).",
    )

    @field_validator("url")
    @classmethod
    def _address_is_safe(cls, url: str) -> str:
        if problem := problem_of_url(url):
            raise ValueError(problem)
        return url

    @field_validator("reference")
    @classmethod
    def _reference_is_one(cls, reference: str | None) -> str | None:
        if reference is not None and (problem := problem_of_reference(reference)):
            raise ValueError(problem)
        return reference

    @field_validator("username")
    @classmethod
    def _is_a_name(cls, username: str) -> str:
        if not username.isprintable() or ":" in username:
            raise ValueError("it has a control character or a colon.")
        return username

    @model_validator(mode="after")
    def _secrets_fit_the_address(self) -> Self:
        if self.password is not None and not is_protected(self.url):
            raise ValueError(
                "A password is for https (for http on this machine itself only). Change url, or leave it out."
            )
        if (self.ssh_private_key or self.known_hosts) and scheme_of(self.url) != "ssh":
            raise ValueError("ssh_private_key and known_hosts are for ssh. Change url, or leave them out.")
        return self

    def check(self) -> CheckReport:
        """Ask the remote, find the reference, and look at the files."""
        checker, remote = Checker(), cast("Remote", self._source())
        if checker.step("remote", remote.ask) and checker.step("reference", remote.refresh):
            checker.step("files", self._count_files)
        return checker.report()

    def _count_files(self) -> str:
        count = len(list(self.list_files()))
        return f"{count} files" if self.folder == "" else f"{count} files below {self.folder}"

    def _open_source(self) -> Source:
        return Remote(
            Wanted(
                self.url,
                self.reference,
                self.username,
                self.password,
                self.ssh_private_key,
                self.known_hosts,
                self.refresh_seconds,
                self.timeout_seconds,
                self.cache_folder,
            )
        )

    def _folder(self) -> str:
        return self.folder

    def _location_of(self, path: str) -> str:
        return f"git+{self.url}@{self.reference or 'HEAD'}/{path}"
