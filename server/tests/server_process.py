"""`block server start` as a process of its own, on a free port, until the end of the block."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from blocks_core.testing.receiver import free_port

BLOCK = Path(sys.executable).parent / "block"


@dataclass
class ServerProcess:
    """A server that runs."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


@contextmanager
def started(home: Path, *options: str, scheme: str = "http", **environment: str) -> Iterator[ServerProcess]:
    """Start a server with a home of its own, and stop it at the end."""
    port = free_port()
    log = home / "server.log"
    env = {key: value for key, value in os.environ.items() if not key.startswith("BLOCKS_")} | {
        "HOME": str(home),
        "BLOCKS_HOME": str(home),
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BLOCK, "server", "start", "--port", str(port), *options],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_port(port, process, log)
        yield ServerProcess(f"{scheme}://127.0.0.1:{port}", process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = monotonic() + 60
    while process.poll() is None and monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0 and "startup complete" in log.read_text():
                return
        sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")
