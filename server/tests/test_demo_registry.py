"""The demo's registry has something of everything, is the demo's alone, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blocks_core.block import Block
from blocks_core.testing.receiver import free_port
from blocks_core.upgrade_plans import find_outdated
from blocks_registry.access import Role, open_access
from blocks_registry.checking import run_check
from blocks_registry.opening import open_library, open_rotation
from blocks_server.demo import DEMO_ROLES, demo_registry

COMMAND = [str(Path(sys.executable).parent / "block"), "server", "start", "--demo", "--port"]
LINK = re.compile(r"http://127\.0\.0\.1:\d+/login\?code=\S+")
SECRET = b"demo-secret-of"


def test_it_has_something_of_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS_HOME", str(tmp_path))
    with demo_registry() as settings:
        library = open_library(settings)
        registry = library.registry
        assert {one.slug for one in registry.find()} >= {
            "s3",
            "secret",
            "slack-webhook",
            "sales-report",
            "process",
        }
        assert registry.users("aws-credentials", "warehouse") == ["s3/raw-events", "s3/results"]
        assert [one.version for one in registry.history("aws-credentials", "warehouse")] == [3, 2, 1]
        assert {one.actor.name for one in registry.usages("s3", "raw-events")} >= {"nightly-import"}
        assert registry.find(labels={"stage": "trial"})
        assert [one.name for one, _ in find_outdated(library, registry.find())] == ["quarterly"]
        assert run_check(library.load(Block, "local-file-system/reports")).ok
        assert not run_check(library.load(Block, "local-file-system/finance-share")).ok
        library.close()
        access = open_access(settings)
        tokens = {one.name: one for one in access.tokens.all()}
        assert {one.role for one in tokens.values()} == {*Role}
        assert {tokens[name].role for name in DEMO_ROLES} == {*DEMO_ROLES.values()}
        assert tokens["old-laptop"].state == "revoked"
        access.close()
        rotation = open_rotation(settings)
        assert len(rotation.status().keys) == 2
        rotation.close()
        for file in settings.home.rglob("*"):
            assert not file.is_file() or SECRET not in file.read_bytes()
    assert not settings.home.exists()
    assert os.environ["BLOCKS_HOME"] == str(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_the_command_serves_it_tells_how_to_log_in_and_removes_it(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [*COMMAND, str(free_port())],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        while len(LINK.findall("".join(said))) < len(DEMO_ROLES) and (line := process.stdout.readline()):
            said.append(line)
        assert len({*LINK.findall("".join(said))}) >= len(DEMO_ROLES), said
        while "startup complete" not in said[-1] and (line := process.stdout.readline()):
            said.append(line)
        process.send_signal(signal.SIGINT)
        said.append(process.communicate(timeout=60)[0])
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert "demo-secret-of" not in "".join(said)
    assert not [*tmp_path.iterdir()]


def test_it_is_no_name_for_a_database_of_ones_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "4217", "--database", "sqlite:///here.db"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--demo" in done.stderr
    assert not [*tmp_path.iterdir()]
