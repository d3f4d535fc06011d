"""Where things are kept: two environment variables, read when they are needed.

| variable | what | default |
|---|---|---|
| `BLOCKS_HOME` | folder of the embedded database and the key file | `~/.blocks` |
| `BLOCKS_URL` | the registry | `sqlite:///` and the file `blocks.db` in the home folder |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from blocks_registry.errors import AddressInvalid

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Settings:
    """Where the registry and its keys are."""

    home: Path
    url: str

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings of this moment."""
        home = Path(os.environ.get("BLOCKS_HOME") or "~/.blocks").expanduser()
        return cls(home=home, url=os.environ.get("BLOCKS_URL") or f"{_SQLITE}{home / 'blocks.db'}")

    @property
    def key_file(self) -> Path:
        """Return where the file key provider keeps its keys."""
        return self.home / "keys.json"

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
                f"Set BLOCKS_URL to sqlite:///PATH, or unset it to use {self.home / 'blocks.db'}."
            )
        return Path(path).expanduser()
