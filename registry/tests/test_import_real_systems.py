"""The importers against a real Prefect and a real Airflow, where environment variables name their environments.

    python3 -m venv prefect && prefect/bin/pip install prefect==3.8.8 'fastapi<0.151' prefect-aws prefect-slack
    python3 -m venv airflow && airflow/bin/pip install apache-airflow==3.3.2
    BLOCKS_TEST_PREFECT=prefect BLOCKS_TEST_AIRFLOW=airflow pytest registry/tests/test_import_real_systems.py

Together these take minutes to install and half a minute to run: what they answer is recorded beside this file, and the
other tests are held to the records.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from import_stage import Stage
from prefect_stand_in import MARKER, RECORDED

from blocks_registry.importing.airflow_connections import parse_uri
from blocks_registry.importing.found import is_blank

PREFECT, AIRFLOW = os.environ.get("BLOCKS_TEST_PREFECT"), os.environ.get("BLOCKS_TEST_AIRFLOW")
needs_prefect = pytest.mark.skipif(
    not PREFECT, reason="BLOCKS_TEST_PREFECT names no environment with Prefect"
)
needs_airflow = pytest.mark.skipif(
    not AIRFLOW, reason="BLOCKS_TEST_AIRFLOW names no environment with Airflow"
)

PASSWORD = f"admin:{MARKER}-of-the-server"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with a password, CSRF tokens, a key of its own and small pages, and blocks of many kinds on it."""
    home, programs = tmp_path_factory.mktemp("prefect"), Path(str(PREFECT)).absolute() / "bin"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    url = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_API_AUTH_STRING": PASSWORD,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
        "PREFECT_SERVER_API_DEFAULT_LIMIT": "7",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_ENCRYPTION_KEY": key,
    }
    environment.pop("PYTHONPATH", None)
    with (home / "server.log").open("wb") as log:
        command = [str(programs / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"{url}/health", server)
        script = [str(programs / "python"), str(RECORDED / "plant_prefect.py")]
        planted = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
        assert "planted" in planted.stdout, planted.stderr
        yield {"url": url, "database": str(home / "prefect.db"), "key": key}
    finally:
        server.terminate()
        server.wait(30)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + 120
    while monotonic() < deadline and server.poll() is None:
        try:
            urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            sleep(0.2)
    raise AssertionError(f"no server at {url}")


@needs_prefect
def test_a_real_prefect_is_imported_by_api_and_by_its_file_alike(
    stage: Stage, prefect: dict[str, str]
) -> None:
    words = ("prefect", "--url", prefect["url"], "--keep-unmapped", "--yes")
    by_api = stage.rows(*words, PREFECT_API_AUTH_STRING=PASSWORD)
    assert {row["state"] for row in by_api.values()} == {"new"}
    assert "aws-credentials/prod" not in by_api or stage.load("s3/anon-creds").credentials is not None
    assert stage.load("secret/api-key").get() == "pl4nted-secret"
    stage.assert_sealed()
    assert set(stage.states(*words, PREFECT_API_AUTH_STRING=PASSWORD).values()) == {"unchanged"}
    words = ("prefect", "--database", prefect["database"], "--keep-unmapped", "--yes")
    by_file = stage.states(*words, PREFECT_SERVER_ENCRYPTION_KEY=prefect["key"])
    assert set(by_file) == set(by_api)
    assert set(by_file.values()) == {"unchanged"}


@needs_prefect
def test_a_real_prefect_says_what_was_recorded(stage: Stage, prefect: dict[str, str], tmp_path: Path) -> None:
    """The plan for the real server is the one for the record, as far as the same packages are installed."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database:
        database.executescript((RECORDED / "prefect_blocks.sql").read_text("utf-8"))
    recorded = stage.rows("prefect", "--database", str(tmp_path / "prefect.db"), "--plan")
    real = stage.rows("prefect", "--url", prefect["url"], "--plan", PREFECT_API_AUTH_STRING=PASSWORD)
    assert real == {source: recorded[source] for source in real}


@needs_prefect
def test_a_real_prefect_refuses_a_wrong_password_and_a_wrong_key(
    stage: Stage, prefect: dict[str, str]
) -> None:
    words = ("prefect", "--url", prefect["url"], "--plan")
    for given in ({}, {"PREFECT_API_KEY": f"{MARKER}-wrong"}, {"PREFECT_API_AUTH_STRING": f"x:{MARKER}"}):
        assert "does not accept the key" in stage.run(*words, code=1, **given).stderr
    words = ("prefect", "--database", prefect["database"], "--plan")
    assert "no Fernet key" in stage.run(*words, code=1).stderr  # this server keeps none in its file
    wrong = urlsafe_b64encode(bytes(32)).decode()
    assert "opens none of" in stage.run(*words, code=1, PREFECT_SERVER_ENCRYPTION_KEY=wrong).stderr


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a program of Airflow's environment on a database of its own."""
    home, programs = tmp_path_factory.mktemp("airflow"), Path(str(AIRFLOW)).absolute() / "bin"
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    }
    environment.pop("PYTHONPATH", None)

    def run(program: str, *words: str) -> str:
        command = [str(programs / program), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("airflow", "db", "migrate")
    return run


@needs_airflow
def test_a_real_airflow_exports_what_was_recorded(airflow: Any, tmp_path: Path) -> None:
    airflow("airflow", "connections", "import", str(RECORDED / "airflow_connections.json"))
    for suffix, words in (
        (".json", ()),
        (".yaml", ("--file-format", "yaml")),
        (".env", ("--file-format", "env")),
        ("_as_json.env", ("--file-format", "env", "--serialization-format", "json")),
    ):
        file = tmp_path / f"export{suffix}"
        airflow("airflow", "connections", "export", str(file), *words)
        assert file.read_text("utf-8") == (RECORDED / f"airflow_connections{suffix}").read_text("utf-8")


URIS = """
import json, sys
from airflow.models.connection import Connection

def fields(one):
    extra = json.loads(one.extra) if one.extra else {}
    return {"type": one.conn_type, "login": one.login, "password": one.password, "host": one.host,
            "port": one.port, "schema": one.schema, "extra": extra}

for given in json.loads(sys.argv[1]):
    uri = Connection(conn_id="x", **given).get_uri()
    print("URI", json.dumps([uri, fields(Connection(conn_id="x", uri=uri))]))
"""


@needs_airflow
def test_uris_of_a_real_airflow_are_read_as_it_reads_them(airflow: Any) -> None:
    draw = random.Random(8)

    def text() -> str | None:
        letters = "ab/:@?#[]%&=+ ü€😀'\"\\\n{}"
        return draw.choice([None, "", "".join(draw.choice(letters) for _ in range(draw.randint(1, 8)))])

    given = [
        {
            "conn_type": draw.choice(["aws", "google_cloud_platform", "postgres", "http"]),
            "login": text(),
            "password": text(),
            "host": draw.choice(
                [None, "db.example.com", "https://api.example.com", "a/b", "2001:db8::1", "under_score"]
            ),
            "port": draw.choice([None, 1, 65535]),
            "schema": text(),
            "extra": json.dumps(
                draw.choice([{}, {"a": text() or "x"}, {"b": [1, {"c": text()}]}, {"d": "true"}])
            ),
        }
        for _ in range(300)
    ]
    lines = [
        line
        for line in airflow("python", "-c", URIS, json.dumps(given)).splitlines()
        if line.startswith("URI ")
    ]
    assert len(lines) == len(given)
    for line in lines:
        uri, theirs = json.loads(line.removeprefix("URI "))
        found = parse_uri("x", uri)
        ours = {"type": found.type, **found.fields}
        assert _without_blanks(ours) == _without_blanks(theirs), uri


def _without_blanks(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not is_blank(value)}
