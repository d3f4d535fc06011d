"""A planted plugin, a home of its own for each test, and two ways to run the command `block`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from select import select
from textwrap import dedent
from time import monotonic

import pytest
from click.testing import CliRunner, Result

PLANTED = "pl4nted-s3cret/ü+"

DEMO = '''
"""Block types that use every way of holding things."""

from typing import Any

from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr, field_validator

from blocks_core import Block, CheckReport, Credentials
from blocks_core.checks import Checker
from blocks_core.errors import StorageFailed


class DemoLogin(Credentials, slug="demo-login"):
    """Who one is to the demo service."""

    user: str = Field(description="Name of the user, [bold]or[/bold] \\x1b[2J its id.")
    password: SecretStr = Field(description="Password.")

    def identity(self) -> str:
        return self.user

    def check(self) -> CheckReport:
        checker = Checker()
        checker.step("identity", lambda: f"it is {self.user}")
        if self.user == "locked":
            checker.step("write", self._fail)
        if self.user == "leaky":
            raise RuntimeError(f"no luck with {self.password.get_secret_value()}")
        return checker.report()

    def _fail(self) -> str:
        raise StorageFailed(f"refused with {self.password.get_secret_value()}")


class Server(BaseModel):
    host: str
    port: int = 22
    token: SecretStr | None = None


class DemoStore(Block, slug="demo-store", version=2):
    """Keeps things."""

    bucket: str = Field(description="Name of the bucket.")
    retries: int = 3
    ratio: float = 1.0
    secure: bool = True
    tags: list[str] = []
    login: DemoLogin | None = None
    anyone: Credentials | None = None
    logins: list[DemoLogin] = []
    servers: list[Server] = []
    primary: Server | None = None
    headers: dict[str, SecretStr] = {}
    blob: SecretBytes | None = None
    pin: Secret[int] | None = None
    raw: bytes | None = None
    free: Any = None
    either: SecretStr | int | None = None

    @field_validator("headers")
    @classmethod
    def _not_leaky(cls, value):
        if "leaky" in value:
            raise RuntimeError("cannot use " + value["leaky"].get_secret_value())
        if "refused" in value:
            raise ValueError("cannot use " + value["refused"].get_secret_value())
        return value


Both = DemoLogin
imported_not_defined = Block
'''

Plant = Callable[..., Path]


@pytest.fixture(scope="session")
def planted_secret() -> str:
    """A value that must show up nowhere."""
    return PLANTED


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, for this process and those it starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("BLOCKS_HOME", str(folder))
    for name in ("BLOCKS_URL", "BLOCKS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder


def _plant(
    folder: Path, distribution: str, entry_points: str, modules: Mapping[str, str], version: str = "1.0"
) -> Path:
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    info.joinpath("entry_points.txt").write_text(dedent(entry_points))
    for name, source in modules.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source), "utf-8")
    return folder


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes an installed distribution of files: (distribution, entry points, modules) -> its folder."""

    def make(distribution: str, entry_points: str, modules: Mapping[str, str] | None = None) -> Path:
        return _plant(tmp_path / "site", distribution, entry_points, modules or {})

    return make


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an installed plugin with the types `demo-login` and `demo-store`."""
    folder = tmp_path_factory.mktemp("demo")
    _plant(
        folder,
        "demo-plugin",
        """
        [blocks.types]
        demo-login = demo_blocks:DemoLogin
        demo-store = demo_blocks:DemoStore
        """,
        {"demo_blocks/__init__.py": DEMO},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    sys.modules.pop("demo_blocks", None)


@pytest.fixture
def block(home: Path, demo: Path) -> Callable[..., Result]:
    """Runs the command in this process, the demo plugin installed."""
    from blocks_registry.cli import main

    def run(*words: str, stdin: str | bytes | None = None, code: int | None = 0) -> Result:
        result = CliRunner().invoke(main, list(words), input=stdin)
        assert code is None or result.exit_code == code, result.output
        assert PLANTED not in result.output
        return result

    return run


@pytest.fixture
def process(home: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a process of its own, given folders on its path."""

    def run(
        *words: str,
        path: Path | None = None,
        stdin: str = "",
        code: int | None = 0,
        cwd: Path = tmp_path,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("block")), *words],
            env=os.environ | ({"PYTHONPATH": str(path)} if path else {}) | dict(environment or {}),
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        assert PLANTED not in done.stdout + done.stderr
        return done

    return run


_LAUNCHER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the one that sends interruptions to the command, then becomes the command."""


@pytest.fixture
def terminal(home: Path) -> Callable[..., tuple[int, str]]:
    """Runs the command on a terminal and types an answer to its question -> exit code and what was shown."""

    def run(*words: str, question: str, answer: bytes, path: Path | None = None) -> tuple[int, str]:
        here, there = pty.openpty()
        running = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(Path(sys.executable).with_name("block")), *words],
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
            env=os.environ | ({"PYTHONPATH": str(path)} if path else {}),
        )
        os.close(there)
        try:
            shown = _converse(here, question.encode(), answer)
            return running.wait(30), shown.decode()
        finally:
            running.kill()
            running.wait()
            os.close(here)

    return run


def _converse(terminal: int, question: bytes, answer: bytes) -> bytes:
    shown, answered, deadline = b"", False, monotonic() + 60
    while monotonic() < deadline:
        ready, _, _ = select([terminal], [], [], 0.5)
        if ready:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # how Linux says that the other end is closed
                break
        if question in shown and (not answered or (answer == b"\x03" and not ready)):
            os.write(
                terminal, answer
            )  # an interruption is lost where it comes just before the read: press again
            answered = True
    return shown
