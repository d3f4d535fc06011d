"""`SMB`: files on a share of Windows, Samba, or any server that speaks SMB."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, SecretStr, field_validator

from blocks_core.errors import StorageFailed
from blocks_core.secret import is_reference
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_fields import Prefix
from blocks_core.storage_streams import Failing, WriteStream
from blocks_smb.reasons import ShareError

_HOST = re.compile(r"[^\s/\\@:]+|[0-9A-Fa-f:]+")
_SHARE = re.compile(r'[^\\/:*?"<>|\x00-\x1f]+')


class SMB(FileSystemStorage, slug="smb", title="SMB"):
    """Files on a share of Windows, Samba, or any server that speaks SMB 2 or 3.

    A file is written beside its place and renamed over it, so that no reader sees half of it. All that is
    sent is signed, and encrypted where `encrypt` is set or the server asks for it. Characters that no name
    on Windows may have are kept as Linux mounts and macOS keep them.

    ```python
    from blocks_smb import SMB

    share = SMB(host="files.example.com", share="finance", username="etl", password="hunter2")
    share.write("2026/report.csv", b"a,b")
    share.save("finance")
    ```
    """

    host: str = Field(min_length=1, description="Name or address of the server.")
    port: int = Field(default=445, ge=1, le=65535, description="Port of the server.")
    share: str = Field(min_length=1, description="Name of the share, such as finance or D$.")
    prefix: Prefix = Field(default="", description="Folder in the share, put before every path.")
    username: str = Field(min_length=1, description="Who logs on: a name, or one such as etl@example.com.")
    password: SecretStr = Field(min_length=1, description="The user's password.")
    domain: str | None = Field(
        default=None,
        min_length=1,
        pattern=r"^[^\\/@\s]+$",
        description="Domain of the user, such as EXAMPLE. Default: that of the server, or none.",
    )
    encrypt: bool = Field(
        default=False,
        description="Refuse servers that do not encrypt; all that is sent is signed in any case.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError(
                "Give the server's name alone, such as 'files.example.com': the share, the port and the user have "
                "fields of their own."
            )
        return host

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: str) -> str:
        if not _SHARE.fullmatch(share) or share.strip(". ") == "":
            raise ValueError(
                "Give the share's name alone, such as 'finance'; a folder in it goes into prefix."
            )
        return share

    @field_validator("username")
    @classmethod
    def _is_a_user(cls, username: str) -> str:
        if "\\" in username:
            raise ValueError(
                "Give the user's name alone, such as 'etl'; what is before the backslash goes into domain."
            )
        return username

    @field_validator("password")
    @classmethod
    def _is_a_password(cls, password: SecretStr) -> SecretStr:
        if not is_reference(password) and "\x00" in password.get_secret_value():
            raise ValueError("A password has no NUL character. Copy it again.")
        return password

    def _filesystem(self) -> Any:
        from blocks_smb.connections import (  # late, as the next: it imports smbprotocol
            Login,
            open_connections,
        )
        from blocks_smb.files import ShareFiles

        user = f"{self.domain}\\{self.username}" if self.domain else self.username
        login = Login(
            host=self.host,
            port=self.port,
            username=user,
            password=self.password.get_secret_value(),
            encrypt=self.encrypt,
            timeout_seconds=self.timeout_seconds,
        )
        return ShareFiles(self.host, self.share, open_connections(login))

    def _root(self) -> str:
        return self.prefix

    def _location_prefix(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"smb://{host}{'' if self.port == 445 else f':{self.port}'}/{self.share}"
        return f"{place}/{self.prefix}" if self.prefix else place

    def _expect_file(self, full: str) -> None:
        """Ask nothing: the server says itself that a file is not there."""

    def _has_folders(self) -> bool:
        return True

    def _put_bytes(self, full: str, data: bytes) -> None:
        self._open().pipe_file(full, data)  # writes beside the place, on one handle that it renames

    def _put_file(self, from_path: str, full: str) -> None:
        self._open().put_file(from_path, full)

    def _opened_for_writing(self, full: str, failing: Failing, location: str) -> WriteStream:
        raw = self._open().open(full, "wb")
        return WriteStream(raw, failing, location, done=_nothing, undo=_nothing)

    def _translate(self, error: Exception, location: str) -> StorageFailed:
        if isinstance(error, ShareError):
            return StorageFailed(f"{location}: {error}")
        return super()._translate(error, location)


def _nothing() -> None:
    """Do nothing: closing a file gives it its name, and discarding it leaves nothing."""
