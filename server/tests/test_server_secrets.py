"""Planted secrets: values of blocks, tokens, login codes, keys. No log, metric, header or error holds one."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_stage import ACCOUNT, FORMS, PLANTED, fields, fill, save, shows_secret
from fastapi import APIRouter
from served import Served, serving
from server_process import ServerProcess, started

from blocks_registry.access import Role
from blocks_registry.remote_wire import API
from blocks_server.logs import LogFormat, set_up_logs

router = APIRouter()


@router.get("/of-a-test/broken/{secret}")
def fail(secret: str) -> None:
    raise ValueError(f"what nobody foresaw, and it repeats {secret} and {PLANTED}")


@dataclass
class Watched:
    """A server whose logs are kept: what it writes, and every record of every package as it was before any mask."""

    served: Served
    written: io.StringIO
    heard: io.StringIO
    secrets: list[str]

    def everything(self) -> str:
        return self.written.getvalue() + self.heard.getvalue()


@pytest.fixture(params=["console", "json"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    form: LogFormat = request.param
    written, heard = io.StringIO(), io.StringIO()
    everything = logging.StreamHandler(heard)
    root = logging.getLogger()
    level = root.level
    with serving(tmp_path, routers=[router]) as served:
        set_up_logs(form, written)
        root.addHandler(everything)
        root.setLevel(logging.DEBUG)
        for name in ("blocks_server", "uvicorn"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        try:
            fill(served)
            yield Watched(served, written, heard, [])
        finally:
            root.removeHandler(everything)
            root.setLevel(level)
            for name in ("blocks_server", "uvicorn"):
                logging.getLogger(name).handlers.clear()


def keys_of(home: Path) -> list[str]:
    """Return all that the key file keeps from others: its longer words that are no ids and no dates."""
    text = (home / "keys.json").read_text()

    def words(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in ("id", "primary", "created_at"):
                    yield from words(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from words(inner)
        elif isinstance(value, str) and len(value) >= 40:
            yield value

    return list(words(json.loads(text)))


def test_no_log_and_no_metric_holds_a_secret(watched: Watched, tmp_path: Path) -> None:
    served = watched.served
    tokens = {role: served.token(role) for role in Role}
    code = served.service.access.logins.new_code("the-admin")
    session = served.service.access.logins.open_by_code(code).cookie
    name = save(served)
    for role in Role:
        for method, path, body in (
            ("PUT", f"{API}/blocks/{ACCOUNT}/{name}", fields()),
            ("PUT", f"{API}/blocks/{ACCOUNT}/{name}", {"content": {"data": {"password": PLANTED}}}),
            ("POST", f"{API}/blocks", {"slug": PLANTED, "name": PLANTED, **fields()}),
            ("GET", f"{API}/blocks/{ACCOUNT}/{name}/load", None),
            ("POST", f"{API}/blocks/{ACCOUNT}/{name}/reveal", {}),
            ("POST", f"{API}/blocks/{ACCOUNT}/{name}/check", None),
            ("POST", f"{API}/tokens", {"name": f"made-by-{role}", "role": "viewer"}),
        ):
            answer = served.ask(method, path, body, role=role)
            if path.endswith("/tokens") and answer.status == 201:
                tokens["made"] = answer.json()["token"]
    for bearer in (*tokens.values(), code, session):
        served.ask("GET", f"{API}/blocks/{ACCOUNT}/{bearer}")
        served.ask(
            "GET", f"/login/{bearer}?code={bearer}", role=None, headers={"Cookie": f"session={bearer}"}
        )
        served.ask("GET", f"{API}/server", role=None, headers={"Authorization": f"Bearer {bearer}x"})
    broken = served.ask("GET", f"/of-a-test/broken/{tokens[Role.ADMIN]}")
    assert (broken.status, broken.json()["code"]) == (500, "Unforeseen")
    assert not shows_secret(broken.data.decode())

    metrics = served.ask("GET", "/metrics", role=None).data.decode()
    logs = watched.written.getvalue()
    assert "/load 200" in logs
    assert "ValueError" in logs
    assert broken.headers["X-Request-Id"] in logs
    assert 'route="/api/v1/blocks/{slug}/{name}/load"' in metrics
    assert ACCOUNT not in metrics
    secrets = [*FORMS, *tokens.values(), code, session, *keys_of(tmp_path)]
    assert len(secrets) >= 12
    for secret in secrets:
        assert secret not in logs
        assert secret not in metrics
    for secret in (
        *FORMS,
        code,
        session,
        *keys_of(tmp_path),
    ):  # the client logs addresses, and ours had tokens
        assert not any(
            secret in line
            for line in watched.heard.getvalue().splitlines()
            if "/login" not in line and API not in line
        )


def test_why_a_database_failed_is_in_the_log_and_not_in_the_answer(watched: Watched, tmp_path: Path) -> None:
    """Only who runs the server can do something about it."""
    watched.served.token(Role.ADMIN)
    (tmp_path / "keys.json").write_text("{}")
    answer = watched.served.ask("PUT", f"{API}/blocks/{ACCOUNT}/theirs", fields())
    text = answer.data.decode()
    assert answer.status == 500
    assert str(tmp_path) not in text
    logs = watched.written.getvalue()
    assert str(tmp_path / "keys.json") in logs
    assert answer.headers["X-Request-Id"] in logs


def test_the_process_and_its_files_show_no_secret(tmp_path: Path) -> None:
    """Neither the list of processes, nor what it prints, nor a file but those that are meant to hold one."""
    with started(tmp_path, "--log-format", "json") as server:
        token = (tmp_path / "admin-token").read_text().strip()
        assert (tmp_path / "admin-token").stat().st_mode & 0o777 == 0o600
        run(server, token, "register", "-m", "blocks_standard")
        shown = run(server, token, "create", "secret", "planted", "--secret", "value", typed=PLANTED)
        shown += run(server, token, "ls") + run(server, token, "inspect", "secret/planted")
        shown += run(server, token, "history", "secret/planted") + run(server, token, "audit", "ls")
        processes = b"".join(
            file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()
        )
        environment = Path(f"/proc/{server.pid}/environ").read_bytes()
    shown += server.output()
    for text in (shown, processes.decode(errors="replace"), environment.decode(errors="replace")):
        assert not shows_secret(text)
        assert token not in text
    meant = {"admin-token", "keys.json"}
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name not in meant:
            data = file.read_bytes()
            assert token.encode() not in data, file
            assert not any(form.encode() in data for form in FORMS), file


def run(server: ServerProcess, token: str, *arguments: str, typed: str = "") -> str:
    done = subprocess.run(
        [Path(sys.executable).parent / "block", *arguments],
        env={**os.environ, "HOME": "/nonexistent", "BLOCKS_URL": server.url, "BLOCKS_TOKEN": token},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
