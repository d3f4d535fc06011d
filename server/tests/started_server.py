"""`block server start` as a process of its own on a port that stays, to be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import urllib3
from server_process import BLOCK

from blocks_core.testing.receiver import free_port
from blocks_registry import RemoteRegistry
from blocks_registry.remote_transport import Transport


@dataclass
class StartedServer:
    """One server, whichever process it is now."""

    home: Path
    database_url: str
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The first token, of an admin."""
        return (self.home / "admin-token").read_text().strip()

    def start(self, *options: str, wait: bool = True, **environment: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BLOCK, "server", "start", "--port", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "BLOCKS_HOME": str(self.home),
                    "BLOCKS_URL": self.database_url,
                    **environment,
                },
            )
        if wait:
            self.await_status(200)

    def said(self) -> str:
        """Return the end of what it printed."""
        return self.log.read_text()[-3000:]

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        """Return the exit code, which is negative where a signal ended it."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL, self.said()

    def stop(self) -> None:
        """Stop it if it runs, and see that it ends well."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            assert self.wait() == 0, self.said()

    def end(self) -> None:
        """End it however it is, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", f"{self.url}{path}", retries=False, timeout=30)

    def await_status(self, status: int, path: str = "/readyz", seconds: float = 60) -> dict[str, object]:
        """Wait until it answers so, and return what it says."""
        assert self.process is not None
        end = monotonic() + seconds
        last = "nothing"
        while monotonic() < end:
            assert self.process.poll() is None, self.said()
            try:
                answer = self.get(path)
            except urllib3.exceptions.HTTPError as error:
                last = repr(error)
            else:
                last = f"{answer.status} {answer.data!r}"
                if answer.status == status:
                    found: dict[str, object] = json.loads(answer.data)
                    return found
            sleep(0.02)
        raise AssertionError(f"{path} answered {last} until the end\n{self.said()}")

    def registry(self, *, token: str = "", wait_seconds: float = 60, url: str = "") -> RemoteRegistry:
        text = token or self.token
        return RemoteRegistry(Transport(url or self.url, lambda: text, wait_seconds=wait_seconds))
