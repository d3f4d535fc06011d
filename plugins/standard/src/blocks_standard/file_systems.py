"""`LocalFileSystem` and `RemoteFileSystem`: files in a folder of this machine, or wherever fsspec reaches."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, JsonValue, SecretStr, ValidationInfo, field_validator

from blocks_core.errors import StorageFailed, did_you_mean
from blocks_core.names import suggest
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_defaults import Pieces
from blocks_core.storage_streams import Failing, WriteStream

_PROTOCOL = re.compile(r"([a-z][a-z0-9+.-]*)://")
_LOCAL = frozenset({"file", "local"})
_OBJECT_STORES = frozenset(
    {"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "oss", "r2", "s3", "s3a", "tos"}
)
"""Protocols of stores that make a write whole and have no folders."""
_REVISIONS = frozenset({"git", "github", "gitlab", "hf"})
"""Protocols whose addresses have names of branches where others have passwords."""
_SECRET_OPTIONS = frozenset(
    {
        "access_token",
        "account_key",
        "api_key",
        "client_secret",
        "connection_string",
        "passphrase",
        "passwd",
        "password",
        "sas_token",
        "secret",
        "secret_key",
        "token",
    }
)
_PACKAGES = {"smbclient": "smbprotocol"}
"""Where the package to install is not called like the module that is missing."""


def _as_text(value: object) -> object:
    return os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else value


class LocalFileSystem(FileSystemStorage, slug="local-file-system"):
    """Files in a folder of this machine.

    A file is written beside its place, brought to the disk and renamed, so that no reader and no crash
    sees half of it. Links that lead out of the folder are refused. Another machine, such as a worker,
    finds the files only where it has the same folder mounted.

    ```python
    from blocks_standard import LocalFileSystem

    files = LocalFileSystem(base_path="/srv/results")
    files.write("2026/report.csv", b"a,b")
    files.save("results")
    ```
    """

    base_path: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None,
        description="Folder that holds the files, from the root or from ~. Default: the folder 'storage' in the "
        "Blocks home (BLOCKS_HOME, else ~/.blocks) of the machine that uses the block.",
    )
    create: bool = Field(
        default=True,
        description="Make the folder when it is not there; off, a share that is not mounted is an error.",
    )

    @field_validator("base_path")
    @classmethod
    def _is_absolute(cls, base_path: str | None) -> str | None:
        if base_path is None or base_path.startswith("~") or os.path.isabs(base_path):
            return base_path
        raise ValueError(
            "it depends on the folder that a program is started in. Write it from the root, such as "
            "/srv/results, or from the home folder, such as ~/results."
        )

    def _filesystem(self) -> Any:
        from blocks_standard.disk import DiskFiles  # late, as every file system of this module

        return DiskFiles(self._base(), create=self.create)

    def _root(self) -> str:
        return "."

    def _location_prefix(self) -> str:
        return str(self._base())

    def _has_folders(self) -> bool:
        return True

    def _base(self) -> Path:
        if self.base_path is None:
            return Path(os.environ.get("BLOCKS_HOME") or "~/.blocks").expanduser() / "storage"
        return Path(self.base_path).expanduser()


class RemoteFileSystem(FileSystemStorage, slug="remote-file-system"):
    """Files wherever fsspec reaches: SFTP, WebDAV, HTTP, GitHub, memory and many more.

    The protocol at the start of the address decides; most need a package, which the first use names if
    it is missing. For Amazon S3 there is a block of its own in blocks-aws, for local folders there is
    local-file-system.

    ```python
    from blocks_standard import RemoteFileSystem

    files = RemoteFileSystem(
        url="sftp://files.example.com/outgoing",
        options={"username": "etl"},
        secret_options={"password": "hunter2"},
    )
    files.save("partner")
    ```
    """

    url: str = Field(
        description="Address of the folder, such as sftp://files.example.com/outgoing; it is shown, so it holds "
        "no password."
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict[str, JsonValue],
        description="Options of the protocol's fsspec implementation, such as username.",
    )
    secret_options: dict[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="Options that are secrets, such as password.",
    )

    @field_validator("url")
    @classmethod
    def _address_is_safe(cls, url: str) -> str:
        problem = _problem_of(url)
        if problem:
            raise ValueError(problem)
        return url

    @field_validator("options")
    @classmethod
    def _options_are_safe(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        shown = sorted(_SECRET_OPTIONS.intersection(options))
        if shown:
            raise ValueError(f"options are shown: put {', '.join(shown)} into secret_options.")
        return options

    @field_validator("options", "secret_options")
    @classmethod
    def _options_are_given_once(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        other = "options" if info.field_name == "secret_options" else "secret_options"
        twice = sorted(set(value).intersection(info.data.get(other, ())))
        if twice:
            raise ValueError(f"{', '.join(twice)} is in {other} too. Give it once.")
        return value

    def _filesystem(self) -> Any:
        from fsspec import available_protocols  # late: 0.07 s

        protocol = self._protocol()
        if protocol not in available_protocols():
            raise StorageFailed(
                f"{self.url}: fsspec knows no protocol '{protocol}'"
                f"{did_you_mean(suggest(protocol, available_protocols()))}. Mend the address, or pip install the "
                f"package that brings the protocol."
            )
        try:
            return self._opened_by_fsspec()
        except ImportError as error:
            package = _package_of(error) or f"'fsspec[{protocol}]'"
            raise StorageFailed(
                f"{self.url}: the protocol '{protocol}' needs a package that is not installed ({error}): "
                f"pip install {package}."
            ) from error

    def _opened_by_fsspec(self) -> Any:
        import fsspec.core  # late, as above; and it is not typed

        secrets = {name: secret.get_secret_value() for name, secret in self.secret_options.items()}
        ours: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        return cast("Any", fsspec.core).url_to_fs(self.url, **{**self.options, **secrets, **ours})[0]

    def _root(self) -> str:
        with self._failing(self.url):
            return str(cast("Any", self._open())._strip_protocol(self.url)).rstrip("/")

    def _location_prefix(self) -> str:
        return self.url.rstrip("/") if not self.url.endswith("://") else self.url

    def _has_folders(self) -> bool:
        return self._protocol() not in _OBJECT_STORES

    def _put_file(self, from_path: str, full: str) -> None:
        if self._protocol() == "memory":  # its copy is seen while it grows; a write is not
            self._put_bytes(full, Path(from_path).read_bytes())
        else:
            super()._put_file(from_path, full)

    def _opened_for_reading(self, full: str) -> Any:
        if self._protocol() != "memory":  # which gives one open file to all
            return super()._opened_for_reading(full)
        return io.BytesIO(self._open().cat_file(full))

    def _opened_for_writing(self, full: str, failing: Failing, location: str) -> WriteStream:
        if self._protocol() != "memory":
            return super()._opened_for_writing(full, failing, location)
        pieces = Pieces()  # as above: what is not whole is not to be seen
        return WriteStream(
            pieces,
            failing,
            location,
            done=lambda: self._put_bytes(full, b"".join(pieces.found)),
            undo=pieces.close,
        )

    def _protocol(self) -> str:
        return self.url.partition("://")[0]


def _package_of(error: ImportError) -> str:
    """Return the package to install for a module that is missing; fsspec wraps the error that names it."""
    cause = error if error.name else error.__cause__
    module = cause.name or "" if isinstance(cause, ImportError) else ""
    return _PACKAGES.get(module, module.partition(".")[0])


def _problem_of(url: str) -> str | None:
    """Return why an address is refused, without repeating it, or None."""
    match = _PROTOCOL.match(url)
    if not match:
        return "it must start with a protocol, such as sftp://files.example.com/outgoing."
    protocol = match[1]
    if protocol in _LOCAL:
        return "for folders of this machine, use a block of the type local-file-system."
    if "::" in url:
        return "chained protocols (::) are not supported: name the last one's address alone."
    if not url.isprintable():
        return "it has control characters: copy it again."
    try:
        parts = urlsplit(url)
        password, _ = (None, None) if protocol in _REVISIONS else (parts.password, parts.port)
    except ValueError:  # also where a password has a '/', so that what is before it looks like a port
        return "it is no address: copy it again. A password goes into secret_options, not into the address."
    if password:
        return "it has a password, and addresses are shown: put the password into secret_options."
    if parts.query or parts.fragment:
        return (
            "it has a part after ? or #, which often is a key, and addresses are shown: give it in options or "
            "secret_options."
        )
    return None
