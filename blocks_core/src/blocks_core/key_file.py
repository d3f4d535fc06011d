"""Keys in a file that only its owner may read: the default key provider.

{"format": 1, "primary": "k1f0…", "keys": [{"id": "k1f0…", "key": "<base64>", "created_at": "2026-…"}]}
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks_core.errors import KeysInvalid, KeysMissing
from blocks_core.keyring import KEY_BYTES, Keyring

_OWNER_ONLY = 0o600


class FileKeyProvider:
    """Keeps the keyring in a JSON file, mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Keyring:
        """Return the file's keys.

        Raises:  KeysMissing: there is no such file. KeysInvalid: it cannot be read, or others may read it.
        """
        try:
            self._refuse_readable_by_others()
            text = self.path.read_text("utf-8")
        except FileNotFoundError as error:
            raise KeysMissing(
                f"There is no key file {self.path}. Restore it from a backup, or set BLOCKS_HOME to the folder that "
                f"has it; without it no secret can be read."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise KeysInvalid(
                f"The key file {self.path} cannot be read ({error}). Make it a file that its owner can read."
            ) from error
        return self._parse(text)

    def create(self) -> Keyring:
        """Write a file of one new key, unless there is a file, and return the keys.

        Raises:  KeysInvalid: the file cannot be written.
        """
        key_id = f"k{secrets.token_hex(6)}"
        key = {
            "id": key_id,
            "key": b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps({"format": 1, "primary": key_id, "keys": [key]}, indent=2)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_new(text)
        except OSError as error:
            raise KeysInvalid(
                f"The key file {self.path} cannot be written ({error.strerror}). Make its folder writable, or choose "
                f"another with BLOCKS_HOME."
            ) from error
        return self.load()

    def _write_new(self, text: str) -> None:
        """Make the file appear whole or not at all, and never over another."""
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first: its key is the one
                os.link(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

    def _refuse_readable_by_others(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise KeysInvalid(
                f"The key file {self.path} may be read by others (mode {mode:04o}). Run: chmod 600 {self.path}"
            )

    def _parse(self, text: str) -> Keyring:
        try:
            content: dict[str, Any] = json.loads(text)
            keys = {str(key["id"]): b64decode(key["key"], validate=True) for key in content["keys"]}
            primary = str(content["primary"])
        except (ValueError, KeyError, TypeError, Base64Error):
            raise KeysInvalid(
                f"The key file {self.path} is damaged: it is not the JSON that Blocks writes. Restore it from a "
                f"backup."
            ) from None  # the cause would show a piece of the file
        return Keyring(primary=primary, keys=keys, origin=str(self.path))
