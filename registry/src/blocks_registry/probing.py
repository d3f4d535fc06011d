"""Whether an offered type can be imported, tried in a process of its own: importing may do anything.

    python -P -m blocks_registry.probing SLUG DISTRIBUTION FILE

writes the reason to the file where it cannot, and nothing where it can.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from blocks_core.catalog import load_type
from blocks_core.discovery import Offer, read_offers
from blocks_core.errors import BlocksError

_WORKERS = 4


def probe(offers: Sequence[Offer], *, timeout_seconds: float = 60.0) -> list[str]:
    """Return for each offered type why it cannot be imported; empty where it can."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(_WORKERS) as workers:
        files = [Path(folder) / str(index) for index in range(len(offers))]
        return list(workers.map(_probe, offers, files, repeat(timeout_seconds)))


def _probe(offer: Offer, file: Path, timeout_seconds: float) -> str:
    command = [
        sys.executable,
        "-P",
        "-m",
        "blocks_registry.probing",
        offer.name,
        offer.distribution,
        str(file),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"importing '{offer.target}' took longer than {timeout_seconds:g} seconds"
    if file.is_file():
        return file.read_text("utf-8")
    return f"importing '{offer.target}' ended the process (exit code {done.returncode})"


def main(slug: str, distribution: str, file: str) -> None:
    """Import one offered type and write why it cannot be."""
    problem = ""
    for offer in read_offers("blocks.types"):
        if (offer.name, offer.distribution) == (slug, distribution):
            try:
                load_type(offer)
            except BlocksError as error:
                problem = str(error)
    Path(file).write_text(problem, "utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main(*sys.argv[1:])
