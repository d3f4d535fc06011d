"""Where things are kept: environment variables, read when they are needed.

| variable | what | default |
|---|---|---|
| `BLOCKS_HOME` | folder of the embedded database and the key file | `~/.blocks` |
| `BLOCKS_URL` | `sqlite:///PATH`, `postgresql://USER:PASSWORD@HOST/DATABASE`, `https://HOST` | `blocks.db` there |
| `BLOCKS_KEYS` | `file[:PATH]`, `env[:VARIABLE]`, `keyring`, or a plugin's word | `file`, `keys.json` there |
| `BLOCKS_TOKEN`, `BLOCKS_TOKEN_FILE` | what a server asks for, or a file with it | `token` there |
| `BLOCKS_WAIT_SECONDS` | how long to wait for a server that is away | 10 |
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blocks_registry.errors import AddressInvalid, SettingInvalid

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")
_SERVER = ("http://", "https://")
_WAIT = "BLOCKS_WAIT_SECONDS"

SERVER_WAIT_SECONDS: Final = 10.0
_LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True)
class Settings:
    """Where the registry and its keys are."""

    home: Path
    url: str = field(repr=False)
    """It may hold a password."""
    keys: str = "file"
    """The key provider and its argument: `name` or `name:argument`."""
    server_wait_seconds: float = SERVER_WAIT_SECONDS
    """How long a client waits for a server that is away, such as one that is started anew."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings of this moment.

        Raises:  SettingInvalid.
        """
        home = Path(os.environ.get("BLOCKS_HOME") or "~/.blocks").expanduser()
        return cls(
            home=home,
            url=os.environ.get("BLOCKS_URL") or f"{_SQLITE}{home / 'blocks.db'}",
            keys=os.environ.get("BLOCKS_KEYS") or "file",
            server_wait_seconds=_seconds(_WAIT) if os.environ.get(_WAIT) else SERVER_WAIT_SECONDS,
        )

    @property
    def is_postgresql(self) -> bool:
        """Tell whether the URL names a database on a PostgreSQL server."""
        return self.url.startswith(_POSTGRESQL)

    @property
    def is_server(self) -> bool:
        """Tell whether the URL names a server, which has the database and the keys."""
        return self.url.startswith(_SERVER)

    @property
    def database_file(self) -> Path:
        """Return the file of the embedded database.

        Raises:  AddressInvalid: the URL names another kind of registry.
        """
        if self.is_server:
            raise AddressInvalid(
                "The registry's URL names a server, and this needs the database and its keys. Do it where that "
                "server runs, with its BLOCKS_URL and BLOCKS_HOME."
            )
        path = self.url.removeprefix(_SQLITE)
        if path == self.url or not path:
            scheme = self.url.partition(":")[0]
            raise AddressInvalid(
                f"The registry's URL begins with '{scheme}:', which this version cannot open. "
                f"Set BLOCKS_URL to sqlite:///PATH, postgresql://USER:PASSWORD@HOST:PORT/DATABASE or https://HOST of "
                f"a server, or unset it to use {self.home / 'blocks.db'}."
            )
        return Path(path).expanduser()


def _seconds(variable: str) -> float:
    try:
        found = float(os.environ[variable])
    except ValueError:
        found = -1.0
    if not 0 <= found <= _LONGEST_WAIT:  # nor what is no number
        raise SettingInvalid(
            f"The variable {variable} must be a number of seconds from 0 to {_LONGEST_WAIT:g}. Set it to one, or "
            f"unset it."
        )
    return found
