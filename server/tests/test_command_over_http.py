"""The command with a server's address in BLOCKS_URL: what it does beside a database it does over HTTP, also with TLS."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from server_process import BLOCK, started

from blocks_core.testing.receiver import free_port, self_signed

PLANTED = "canary-7e57ed"


@dataclass(frozen=True)
class Client:
    """Somebody far from the database, with a home of their own."""

    url: str
    token: str
    folder: Path

    def run(self, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("BLOCKS_")}
        variables = {"HOME": str(self.folder), "BLOCKS_URL": self.url, "BLOCKS_TOKEN": self.token}
        return subprocess.run(
            [BLOCK, *arguments],
            env={**kept, **variables, "BLOCKS_WAIT_SECONDS": "1", "COLUMNS": "200", **environment},
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def done(self, *arguments: str, typed: str = "") -> str:
        """Return what a command prints that is to succeed, and that must not show the planted secret."""
        found = self.run(*arguments, typed=typed)
        assert found.returncode == 0, found.stderr
        assert PLANTED not in found.stdout + found.stderr
        return found.stdout + found.stderr


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("server")
    with started(home) as server:
        token = (home / "admin-token").read_text().strip()
        client = Client(server.url, token, tmp_path_factory.mktemp("client"))
        client.done("register", "-m", "blocks_standard")
        yield client


def test_a_block_goes_through_its_whole_life(client: Client) -> None:
    client.done("create", "secret", "life", "--secret", "value", typed=PLANTED)
    client.done("create", "secret", "life", "--secret", "value", "--overwrite", typed=f"{PLANTED}-2")
    assert "secret/life" in client.done("ls")
    assert "secret/life" in client.done("inspect", "secret/life")
    assert len(json.loads(client.done("history", "secret/life", "-o", "json"))) == 2
    assert "value" in client.done("diff", "secret/life", "1", "2")
    assert "version 3" in client.done("restore", "secret/life", "1", "--yes")
    assert "secret/new-life" in client.done("rename", "secret/life", "new-life")
    assert "block.renamed" in client.done("audit", "ls")
    client.done("delete", "secret/new-life", "--yes")
    assert "secret/new-life" not in client.done("ls")


def test_blocks_are_declared_exported_and_checked(client: Client) -> None:
    (client.folder / "blocks.yaml").write_text(
        "block: string/greeting\nfields:\n  value: hello\n---\nblock: local-file-system/files\nfields: {}\n"
    )
    planned = client.run("apply", "-f", "blocks.yaml", "--yes")
    assert planned.returncode == 0, planned.stderr
    assert "greeting" in client.done("export", "string/greeting")
    assert client.run("check", "local-file-system/files").returncode == 0


@pytest.mark.parametrize("arguments", [("keys", "status"), ("token", "ls")])
def test_what_needs_the_keys_themselves_says_where_it_is_done(client: Client, arguments) -> None:
    refused = client.run(*arguments)
    assert refused.returncode == 1
    assert "Do it where that server runs" in refused.stderr


def test_a_wrong_token_and_none_are_told_apart_with_the_remedy(client: Client) -> None:
    wrong = client.run("ls", BLOCKS_TOKEN="blk_" + "x" * 43)
    assert (wrong.returncode, "There is no such token" in wrong.stderr) == (1, True)
    none = client.run("ls", BLOCKS_TOKEN="")
    assert (none.returncode, "BLOCKS_TOKEN is not set" in none.stderr) == (1, True)
    assert "block token create" in none.stderr


def test_a_token_lies_in_a_file_that_only_its_owner_reads(client: Client) -> None:
    file = client.folder / "token-file"
    file.write_text(client.token)
    file.chmod(0o644)
    refused = client.run("ls", BLOCKS_TOKEN="", BLOCKS_TOKEN_FILE=str(file))
    assert f"chmod 600 {file}" in refused.stderr
    file.chmod(0o600)
    assert client.run("ls", BLOCKS_TOKEN="", BLOCKS_TOKEN_FILE=str(file)).returncode == 0


def test_a_server_that_is_away_is_waited_for_and_named(client: Client) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    away = client.run("ls", BLOCKS_URL=url)
    assert away.returncode == 1
    assert f"The server at {url} cannot be reached" in away.stderr
    assert "Nothing was changed" in away.stderr
    assert "Traceback" not in away.stderr


def test_a_server_with_a_certificate_is_trusted_by_who_knows_it_and_by_nobody_else(tmp_path: Path) -> None:
    cert = self_signed(tmp_path)
    home = tmp_path / "server"
    home.mkdir()
    options = ("--certificate", str(cert), "--private-key", str(cert))
    with started(home, *options, scheme="https") as server:
        token = (home / "admin-token").read_text().strip()
        client = Client(server.url, token, tmp_path)
        untrusted = client.run("ls")
        assert untrusted.returncode == 1
        assert "cannot be trusted, or speaks no TLS" in untrusted.stderr
        assert "SSL_CERT_FILE" in untrusted.stderr
        assert token not in untrusted.stderr
        trusted = client.run("ls", SSL_CERT_FILE=str(cert))
        assert trusted.returncode == 0, trusted.stderr
        plain = client.run("ls", BLOCKS_URL=server.url.replace("https", "http"))
        assert plain.returncode == 1
        assert "Traceback" not in plain.stderr
