"""No secret in use is in anything that a run shows, records or sends, in whatever form a program writes it."""

from __future__ import annotations

import json
import logging
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, quote_plus

import pytest
from pydantic import AfterValidator, SecretStr

from blocks_core import Block, SecretRef, use_library
from blocks_core.masking import HIDDEN
from blocks_core.testing import memory_library
from blocks_flows import Flow, flow, get_run_logger, task
from blocks_flows.errors import FlowInvalid, ParametersInvalid
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.journal import close_journal
from blocks_flows.results import read_header

CORE = "Kanarie8Zq7xVw"
"""Stands nowhere else, and is the same in URLs and JSON."""
SECRET = f'a+/="{CORE}\\ %z\u00fc'


class Login(Block, slug="test-login"):
    """Has a secret."""

    password: SecretStr


def forms() -> dict[str, str]:
    """Return the secret as programs write it."""
    raw = SECRET.encode()
    encoded = {f"base64 after {n}": b64encode(b"x" * n + raw + b"y").decode() for n in range(3)}
    return {
        "plain": SECRET,
        "URL": quote(SECRET, safe=""),
        "query": quote_plus(SECRET),
        "JSON": json.dumps({"k": SECRET}),
        "JSON in UTF-8": json.dumps({"k": SECRET}, ensure_ascii=False),
        "Python": repr({"k": SECRET}),
        **encoded,
    }


def traces() -> set[str]:
    """Return what no text may have in it: the core, and what base64 makes of it at each of its three places."""
    core = CORE.encode()
    found = {CORE}
    for shift in range(3):
        whole = b64encode(b"\0" * shift + core).decode()
        found.add(whole[(shift * 8 + 5) // 6 : (shift + len(core)) * 8 // 6])
    return found


def assert_hidden(what: str, text: str) -> None:
    assert not [trace for trace in traces() if trace in text], f"{what} shows the secret"


@pytest.fixture(autouse=True)
def login() -> Iterator[Login]:
    with use_library(memory_library()):
        Login(password=SecretStr(SECRET)).save("prod")
        yield Login.load("prod")


@pytest.fixture
def searched(home: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Search, when all is done, whatever was printed and every file that was written."""
    yield
    close_journal()
    assert_hidden("the output", "".join(capfd.readouterr()))
    files = [file for file in home.rglob("*") if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert b"Flow" in content or file.suffix != ".db"
        assert_hidden(file.name, content.decode("latin-1"))


@pytest.mark.parametrize("form", forms())
def test_a_failure_shows_no_form_of_a_secret(form: str, searched: None, inbox, records, last_run) -> None:
    text = forms()[form]

    @task(on_failure=inbox)
    def broken():
        get_run_logger().error("about to fail with %s", text)
        logging.getLogger("blocks_flows.elsewhere").warning("%r", {"k": text})
        raise RuntimeError(f"refused: {text}")

    with Flow("graph", on_failure=inbox) as graph:
        broken()
    state = graph.run()
    assert state.is_failed()

    @flow(name="function", on_failure=inbox)
    def function():
        raise ValueError(text)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 its text is the secret
        function()
    assert str(caught.value) == text
    assert len(inbox.messages) == 3
    for message in inbox.messages:
        assert_hidden("an alert", repr(message))
        assert HIDDEN in message.text
    run = last_run()
    assert HIDDEN in run["state_message"]
    assert_hidden("a state", state.message + repr(state.result[graph.tasks[0]]))


def test_an_exception_whose_text_is_cut_is_masked_before(searched: None, records, last_run) -> None:
    for length in range(1970, 2001):

        @flow
        def function(length: int = length) -> None:
            raise ValueError("." * length + SECRET)

        with pytest.raises(ValueError, match="Kanarie"):
            function()
        message = last_run()["state_message"]
        assert not any(SECRET[:size] in message for size in range(6, len(SECRET)))


@pytest.mark.parametrize("cut", range(0, len(SECRET), 5))
def test_a_secret_that_is_printed_in_pieces_is_masked(cut: int, searched: None, records, last_run) -> None:
    @task(log_stdout=True)
    def loud():
        sys.stdout.write(f"key={SECRET[:cut]}")
        sys.stdout.flush()
        sys.stdout.writelines([SECRET[cut:], " end\n"])
        for character in SECRET:
            print(character, end="", flush=True)
        print(" last", end="")

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        loud()
    assert f.run().is_successful()
    lines = [row["message"] for row in records.logs(last_run()["id"])]
    assert f"key={HIDDEN} end" in lines
    assert f"{HIDDEN} last" in lines


def test_the_lines_of_a_key_that_is_printed_are_masked(searched: None, login, records, last_run) -> None:
    Login(password=SecretStr(f"-----BEGIN-----\n{CORE}\nMIIEvQIBADAN\n-----END-----\n")).save("key")

    @task(log_stdout=True)
    def loud():
        print(Login.load("key").password.get_secret_value())

    with Flow("f") as f:
        loud()
    f.run()
    assert "MIIEvQIBADAN" not in "".join(row["message"] for row in records.logs(last_run()["id"]))


def test_parameters_are_recorded_without_secrets_and_stay_json(searched: None, login, last_run) -> None:
    Login(password=SecretStr("20262026")).save("number")
    Login(password=SecretStr('", "')).save("punctuation")

    @flow
    def etl(url, options, number, ref, login, plain):
        pass

    etl(
        url=f"postgres://u:{SECRET}@h",
        options={SECRET: [SECRET, {"deep": SecretStr(SECRET)}], "p": Path(f"/tmp/x{SECRET}")},
        number=20262026,
        ref=SecretRef("env:BLOCKS_TEST_NOWHERE"),
        login=login,
        plain=["a", "b"],
    )
    assert last_run()["parameters"] == {
        "url": f"postgres://u:{HIDDEN}@h",
        "options": {HIDDEN: [HIDDEN, {"deep": HIDDEN}], "p": f"/tmp/x{HIDDEN}"},
        "number": HIDDEN,
        "ref": HIDDEN,
        "login": {"block": "test-login/prod"},
        "plain": ["a", "b"],
    }


def test_names_from_templates_have_no_secrets(searched: None, login, inbox, records, last_run) -> None:
    @task(task_run_name="get {url} {key._secret_value}", on_failure=inbox)
    def get(url, key):
        raise ValueError

    @flow(flow_run_name="load {url}", tags=["nightly", SECRET])
    def load(url):
        get.submit(url, SecretStr(f"unsaved {CORE}")).wait()

    load(f"https://{SECRET}@h")
    run = last_run()
    assert run["name"] == f"load https://{HIDDEN}@h"
    assert run["tags"] == ["nightly", HIDDEN]
    assert [row["name"] for row in records.task_runs(run["id"])] == [f"get https://{HIDDEN}@h {HIDDEN}"]
    assert f"get https://{HIDDEN}@h" in inbox.messages[0].title

    @flow(flow_run_name="{url:" + SECRET + "}")
    def odd(url):
        pass

    with pytest.raises(FlowInvalid) as caught:
        odd(1)
    assert "cannot be made" in str(caught.value)


def refuse(value: SecretStr) -> SecretStr:
    raise ValueError(f"cannot use {value.get_secret_value()}")


def test_refused_parameters_do_not_repeat_secrets(login) -> None:
    @flow
    def etl(key: Annotated[SecretStr, AfterValidator(refuse)]):
        pass

    with pytest.raises(ParametersInvalid) as caught:
        etl(SecretStr(f"fresh-{CORE}"))
    assert_hidden("an error", str(caught.value))
    assert HIDDEN in str(caught.value)


def test_the_record_of_a_result_has_no_secret(searched: None, login, shelf, records, last_run) -> None:
    class LeakyShelf(type(shelf), slug="test-leaky-shelf"):
        """Tells too much of where it is."""

        def location(self, path: str) -> str:
            return f"ftp://u:{SECRET}@h/{path}"

    leaky = LeakyShelf()

    @task(persist_result=True, result_storage=leaky)
    def make():
        return {"password": SECRET}

    with Flow("f") as f:
        make()
    assert f.run().is_successful()
    [row] = records.task_runs(last_run()["id"])
    assert row["result_location"] == f"ftp://u:{HIDDEN}@h/{row['result_path']}"
    [(path, content)] = leaky.files.items()
    assert path == row["result_path"]
    assert_hidden("a header", content.partition(b"\n")[0].decode())
    assert read_header(leaky, path).size > 0


def test_a_reference_that_a_task_resolves_is_masked_from_then_on(
    monkeypatch: pytest.MonkeyPatch, searched: None, records, last_run
) -> None:
    monkeypatch.setenv("BLOCKS_TEST_REF", f"from-env-{CORE}")

    @task(log_stdout=True)
    def use(login: Login):
        value = login.password.get_secret_value()
        assert value == f"from-env-{CORE}"
        print("using", value)

    @flow
    def etl(login: Login):
        use(login)

    etl(Login(password=SecretRef("env:BLOCKS_TEST_REF")))
    assert f"using {HIDDEN}" in [row["message"] for row in records.logs(last_run()["id"])]
    assert last_run()["parameters"] == {"login": {"block": "test-login"}}


def test_a_handler_of_somebody_else_gets_masked_records(searched: None, records, last_run) -> None:
    class Collector(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.seen.append(self.format(record))

    @task
    def work():
        logger = get_run_logger()
        logger.warning("with %s", SECRET)
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.exception("it failed")
        logger.info("%d rows", SECRET)

    collector, logger = Collector(), logging.getLogger("blocks_flows")
    with Flow("f") as f:
        work()
    f.run()
    logger.addHandler(collector)
    try:
        assert f.run().is_successful()
    finally:
        logger.removeHandler(collector)
    assert_hidden("another handler", "\n".join(collector.seen))
    assert f"with {HIDDEN}" in collector.seen
    lines = [row["message"] for row in records.logs(last_run()["id"])]
    assert "%d rows (its arguments do not fit it: TypeError)" in lines
