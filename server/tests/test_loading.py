"""Loads by name, which the server answers without the framework: the same as the framework would."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest
import urllib3
from pydantic import SecretStr
from served import Served, serving

from blocks_core.document import Draft
from blocks_core.library import Library
from blocks_registry import Settings
from blocks_registry.access import Role, open_access
from blocks_registry.remote_wire import PROTOCOL_HEADER, REQUEST_HEADER
from blocks_standard import Secret

PATH = "/api/v1/blocks/secret/mail/load"
UNUSUAL = f"{PATH}?version=1"
"""Has a query, so the framework answers it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loading")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Served]:
    with serving(home) as found:
        library = Library(found.registry())
        library.register(Secret)
        library.save(Secret(value=SecretStr("open-sesame")), "mail")
        library.save(Secret(value=SecretStr("other")), "dev-mail")
        yield found


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what happens soon."""
    end = monotonic() + 30
    while not is_so():
        assert monotonic() < end
        sleep(0.02)


def headers_of(answer: urllib3.BaseHTTPResponse) -> dict[str, str]:
    """Return the headers, but for those that differ each time."""
    found = {name.lower(): value for name, value in answer.headers.items()}
    assert len(found.pop(REQUEST_HEADER.lower())) == 32
    found.pop("date", None)
    return found


def test_a_load_is_answered_as_the_framework_answers_it(served: Served) -> None:
    quick, usual = served.ask("GET", PATH), served.ask("GET", UNUSUAL)
    assert quick.status == usual.status == 200
    assert quick.data == usual.data
    assert b"open-sesame" in quick.data
    assert headers_of(quick) == headers_of(usual)


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (None, PATH, 401),
        (Role.VIEWER, PATH, 403),
        (Role.EDITOR, PATH, 403),
        (Role.RUNNER, "/api/v1/blocks/secret/no-such/load", 404),
        (Role.RUNNER, "/api/v1/blocks/no-such/mail/load", 404),
    ],
)
def test_a_refusal_is_the_same_as_the_framework_s(
    served: Served, role: Role | None, path: str, status: int
) -> None:
    quick, usual = served.ask("GET", path, role=role), served.ask("GET", f"{path}?any=1", role=role)
    assert quick.status == usual.status == status
    assert json.loads(quick.data) == json.loads(usual.data)
    assert headers_of(quick) == headers_of(usual)
    assert b"open-sesame" not in quick.data


def test_another_protocol_and_a_claim_that_is_none_are_refused(served: Served) -> None:
    for headers in ({PROTOCOL_HEADER: "999"}, {"Blocks-Actor": "no json"}):
        quick, usual = served.ask("GET", PATH, headers=headers), served.ask("GET", UNUSUAL, headers=headers)
        assert quick.status == usual.status >= 400
        assert json.loads(quick.data) == json.loads(usual.data)


@pytest.mark.parametrize(
    "path", ["/api/v1/blocks/secret/../load", "/api/v1/blocks/secret/%2e%2e/load", f"{PATH}/", PATH.upper()]
)
def test_what_only_looks_like_a_load_goes_the_usual_way(served: Served, path: str) -> None:
    answer = served.ask("GET", path)
    assert answer.status in (404, 422)
    assert b"open-sesame" not in answer.data


def test_a_list_holds_for_it(served: Served) -> None:
    registry = served.registry(Role.RUNNER, "secret/dev-*")
    assert registry.load("secret", "dev-mail").root.content.secrets
    answer = served.ask(
        "GET",
        PATH,
        role=None,
        headers={"Authorization": f"Bearer {served.token(Role.RUNNER, 'secret/dev-*')}"},
    )
    assert answer.status == 404
    assert b"open-sesame" not in answer.data


def test_each_is_in_the_audit_in_the_log_and_in_the_figures(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """The log and the figures are written once the answer has left, so they are waited for."""

    def counted() -> bool:
        figures = served.ask("GET", "/metrics", role=None).data.decode().splitlines()
        return any(
            line.startswith("blocks_requests_total") and "{slug}/{name}/load" in line for line in figures
        )

    with caplog.at_level(logging.INFO, "blocks_server.requests"):
        assert served.ask("GET", PATH, role=Role.RUNNER).status == 200
        until(lambda: any(f"GET {PATH} 200" in line and "the-runner" in line for line in caplog.messages))
        until(counted)
    assert "open-sesame" not in caplog.text
    rows = served.registry().audit(subject="secret/mail")
    assert any(row.action == "block.resolved" and row.detail["token"] == "the-runner" for row in rows)


def test_a_token_that_another_process_took_back_loads_nothing_soon_after(served: Served, home: Path) -> None:
    """The other process is a second `Access` on the same database, which this one hears nothing from."""
    other = open_access(Settings(home, f"sqlite:///{home / 'blocks.db'}"))
    headers = {"Authorization": f"Bearer {other.tokens.create('taken-back', Role.RUNNER).text}"}
    assert served.ask("GET", PATH, role=None, headers=headers).status == 200
    other.revoke("taken-back")
    other.close()
    until(lambda: served.ask("GET", PATH, role=None, headers=headers).status == 401)


def test_many_at_once_are_each_given_their_own(served: Served) -> None:
    registry = served.registry(Role.RUNNER)
    values = {"mail": "open-sesame", "dev-mail": "other"}

    def load(number: int) -> bool:
        name = ("mail", "dev-mail")[number % 2]
        (secret,) = registry.load("secret", name).root.content.secrets.values()
        return secret.data == values[name]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(load, range(400)))


def test_a_load_that_cannot_be_recorded_gives_nothing(served: Served, home: Path) -> None:
    """Also where it was read in the event loop: the row of the audit comes first. Then it goes on."""
    version = served.registry().save(_draft(served), overwrite=True).version
    for _ in range(2):  # the second is known well enough to be read in the event loop
        assert served.ask("GET", "/api/v1/blocks/secret/mail/load", role=Role.RUNNER).status == 200
    with closing(sqlite3.connect(home / "blocks.db", isolation_level=None)) as other:
        other.execute("CREATE TRIGGER no_rows BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        try:
            refused = served.ask("GET", "/api/v1/blocks/secret/dev-mail/load", role=Role.RUNNER)
            assert refused.status >= 500
            assert b'"other"' not in refused.data
            assert served.ask("GET", PATH, role=Role.RUNNER).status == 200  # has its row, and is counted
        finally:
            other.execute("DROP TRIGGER no_rows")
    assert served.ask("GET", "/api/v1/blocks/secret/dev-mail/load", role=Role.RUNNER).status == 200
    assert served.registry().read("secret", "mail").version == version


def test_the_loop_answers_while_a_load_waits_for_a_writer(served: Served, home: Path) -> None:
    """A block that nobody loaded yet needs a row, for which the file is locked; all others are answered."""
    served.registry().save(_draft(served, "unread"))
    assert served.ask("GET", PATH, role=Role.RUNNER).status == 200
    with (
        closing(sqlite3.connect(home / "blocks.db", isolation_level=None)) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(served.ask, "GET", "/api/v1/blocks/secret/unread/load", role=Role.RUNNER)
        for _ in range(20):
            assert served.ask("GET", PATH, role=Role.RUNNER).status == 200
            assert served.ask("GET", "/healthz", role=None).status == 200
        assert not waiting.done()
        other.execute("COMMIT")
        assert waiting.result(30).status == 200


def _draft(served: Served, name: str = "mail") -> Draft:
    return Library(served.registry()).draft(Secret(value=SecretStr("open-sesame")), name)
