"""Files that nobody else can read, for what takes a secret only by the name of a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def private_file(content: bytes) -> Generator[str]:
    """Give the path of a file for a while: in memory where the system can, so that no disk ever has it."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("blocks", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with TemporaryDirectory(prefix="blocks-") as folder:  # mode 0700
            path = Path(folder) / "content"
            path.write_bytes(content)
            yield str(path)
