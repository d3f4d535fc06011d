"""The API's description and the API itself are one: requests are made from the one and sent to the other, by schemathesis.

No answer is a failure of the server, and none has a status, a type or a form that the description does not name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import BLOCK, ServerProcess, started

PROGRAM = Path(sys.executable).parent / "schemathesis"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
EXAMPLES = os.environ.get("BLOCKS_SCHEMATHESIS_EXAMPLES", "8")
OF_ONE_BLOCK = '[parameters]\n"path.slug" = "secret"\n"path.name" = "mail"\nversion = 1\nold = 1\nnew = 1\n'
CHANGING = ("--exclude-method", "DELETE", "--exclude-path-regex", "/rename$")
"""What would take away the block that all others are asked about."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("home")
    with started(home) as server:
        env = {**os.environ, "BLOCKS_URL": server.url, "BLOCKS_TOKEN": token_of(server)}
        for line, typed in (
            ("register -m blocks_standard", ""),
            ("create secret mail --secret value", "canary-7e57ed"),
        ):
            subprocess.run([BLOCK, *line.split()], env=env, input=typed, text=True, check=True)
        yield server


def token_of(server: ServerProcess) -> str:
    return (server.log.parent / "admin-token").read_text().strip()


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (OF_ONE_BLOCK, CHANGING),
        ("", ("--include-method", "DELETE")),
        ("", ("--include-path-regex", "/rename$")),
    ],
    ids=["of-one-block", "delete", "rename"],
)
def test_no_answer_is_a_failure_or_is_not_described(
    server: ServerProcess, config: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(config)
    done = subprocess.run(
        [
            *(
                PROGRAM,
                "run",
                f"{server.url}/openapi.json",
                "--header",
                f"Authorization: Bearer {token_of(server)}",
            ),
            *("--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "1"),
            *options,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "Traceback" not in server.output()
