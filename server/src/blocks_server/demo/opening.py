"""Makes the demo's registry for a while."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks_registry.settings import Settings
from blocks_server.demo.filling import fill


@contextmanager
def demo_registry() -> Generator[Settings]:
    """Fill a registry in a temporary folder, which is removed at the end, and give its settings.

    Meanwhile the folder is this process's `BLOCKS_HOME`: what blocks keep by default, such as files, is gone with it.

    Raises:  DatabaseUnavailable, TokenRefused: there is no room for it.
    """
    before = os.environ.get("BLOCKS_HOME")
    with TemporaryDirectory(prefix="blocks-demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        settings = Settings(home, f"sqlite:///{home / 'blocks.db'}")
        os.environ["BLOCKS_HOME"] = folder
        try:
            fill(settings)
            yield settings
        finally:
            if before is None:
                del os.environ["BLOCKS_HOME"]
            else:
                os.environ["BLOCKS_HOME"] = before
