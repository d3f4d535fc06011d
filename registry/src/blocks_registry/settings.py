"""Where things are kept: environment variables, read when they are needed.

| variable | what | default |
|---|---|---|
| `BLOCKS_HOME` | folder of the embedded database and the key file | `~/.blocks` |
| `BLOCKS_URL` | `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE` | SQLite, `blocks.db` there |
| `BLOCKS_KEYS` | `file[:PATH]`, `env[:VARIABLE]`, `keyring`, or a plugin's word | `file`, `keys.json` there |
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from blocks_registry.errors import AddressInvalid

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class Settings:
    """Where the registry and its keys are."""

    home: Path
    url: str = field(repr=False)
    """It may hold a password."""
    keys: str = "file"
    """The key provider and its argument: `name` or `name:argument`."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings of this moment."""
        home = Path(os.environ.get("BLOCKS_HOME") or "~/.blocks").expanduser()
        return cls(
            home=home,
            url=os.environ.get("BLOCKS_URL") or f"{_SQLITE}{home / 'blocks.db'}",
            keys=os.environ.get("BLOCKS_KEYS") or "file",
        )

    @property
    def is_postgresql(self) -> bool:
        """Tell whether the URL names a database on a PostgreSQL server."""
        return self.url.startswith(_POSTGRESQL)

    @property
    def database_file(self) -> Path:
        """Return the file of the embedded database.

        Raises:  AddressInvalid: the URL names another kind of registry.
        """
        path = self.url.removeprefix(_SQLITE)
        if path == self.url or not path:
            scheme = self.url.partition(":")[0]
            raise AddressInvalid(
                f"The registry's URL begins with '{scheme}:', which this version cannot open. "
                f"Set BLOCKS_URL to sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or unset it to "
                f"use {self.home / 'blocks.db'}."
            )
        return Path(path).expanduser()
