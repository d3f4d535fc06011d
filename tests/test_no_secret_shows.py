"""A secret shows nowhere: planted secrets are searched for in all that a process writes, keeps and starts.

The servers are the worst there can be: they repeat whatever they are sent, in answers, headers, redirects and
in what is no answer at all.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import os
import pickle
import pprint
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from fake_google import FakeGoogle
from pydantic import SecretStr
from rich.console import Console

from blocks_aws import S3, AwsCredentials, AwsSecret
from blocks_core.block import Block
from blocks_core.capabilities import Notifier, SecretSource, Storage
from blocks_core.current import use_library
from blocks_core.messages import Message
from blocks_gcp import GcpCredentials, GcpSecret
from blocks_notify import (
    DiscordWebhook,
    MattermostWebhook,
    OpsgenieWebhook,
    PagerDutyWebhook,
    TeamsWebhook,
    TwilioSMS,
    Webhook,
)
from blocks_registry.opening import open_library
from blocks_slack import SlackWebhook
from blocks_standard import JSON, RemoteFileSystem, Secret
from blocks_vault import VaultSecret

BLOCK = str(Path(sys.executable).parent / "block")
VENDORS = (
    "boto3",
    "fsspec",
    "s3fs",
    "aiobotocore.session",
    "slack_sdk.webhook",
    "httpx2",
    "httpcore2",
    "urllib3",
    "google.auth.transport.requests",
    "hvac",
)
ANSWERS = ("echo", "403", "404", "500", "redirect", "garbage", "bad-header", "hang", "drop")


def planted(name: str) -> str:
    """Return a secret's value with a core that stands nowhere else, and characters that quoting changes."""
    return f"a+/={core_of(name)}=/+%z"


def core_of(name: str) -> str:
    return f"Kanarie{name}Zq7xVw"


def forms_of(core: str) -> set[str]:
    """Return a core as it is, and in hexadecimal and base64; neither URLs nor JSON write it in another way."""
    raw = core.encode()
    shifted = [
        base64.b64encode(b"\0" * shift + raw).decode()[(shift * 4 + 2) // 3 + 1 : -4] for shift in range(3)
    ]
    return {core, raw.hex(), *shifted}


NAMES = ("Secret", "Token", "Slack", "Path", "Query", "Header", "Ftp", "Plain", "Google", "Access", "Vault")
FORMS = {name: forms_of(core_of(name)) for name in NAMES}


def assert_hidden(where: str, *texts: str | bytes) -> None:
    for text in texts:
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        for name, forms in FORMS.items():
            for form in forms:
                place = text.find(form)
                assert place < 0, f"{where} shows {name}: {text[max(0, place - 200) : place + 60]}"


# The servers


class Echo(BaseHTTPRequestHandler):
    """Repeats what it is sent; the first part of the path, or the bucket, says how."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        seen = f"{self.command} {self.path} {dict(self.headers)}"
        token = self.headers.get("x-amz-security-token", "") + self.headers.get("Authorization", "")
        how = self.path.split("/")[1].split("?")[0]
        if how == "hang":
            time.sleep(0.2)
        if how in ("hang", "drop"):
            self.close_connection = True
        elif how == "garbage":
            self.wfile.write(f"\x16 {seen}\r\n\r\n".encode())
            self.close_connection = True
        elif how == "bad-header":
            self.wfile.write(
                f"HTTP/1.1 200 {self.path}\r\nX {token}\r\nContent-Length: {token}\r\n\r\n".encode()
            )
            self.close_connection = True
        elif how == "redirect":
            self._send(307, seen, Location=f"http://127.0.0.1:1/{self.path}?token={token}")
        elif how in ("403", "404", "500"):
            code = {"403": "AccessDenied", "404": "NoSuchBucket", "500": "InternalError"}[how]
            xml = f"<Error><Code>{code}</Code><Message>{seen}</Message><Token>{token}</Token></Error>"
            self._send(int(how), xml, X_Echo=token)
        else:
            self._send(400, seen, X_Echo=token)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_OPTIONS = _answer

    def _send(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())
        self.close_connection = True  # what of the request's body is left unread is no request

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class FtpEcho(StreamRequestHandler):
    """Refuses every password, and repeats it."""

    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        for line in self.rfile:
            word = line.split()[0]
            answer = {b"USER": b"331 go on", b"QUIT": b"221 bye"}.get(word, b"530 refused: " + line.strip())
            self.wfile.write(answer + b"\r\n")


class FtpServer(ThreadingTCPServer):
    daemon_threads = True  # not waited for: fsspec leaves connections open


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Keep quiet: clients that do not wait are meant to be there."""


@pytest.fixture(scope="module")
def google() -> Iterator[FakeGoogle]:
    """A Google that gives tokens with something to look for."""
    google = FakeGoogle()
    google.token_core = core_of("Access")
    yield google
    google.close()


@pytest.fixture(scope="module")
def servers(google: FakeGoogle) -> Iterator[dict[str, str]]:
    """Addresses: of the HTTP server, plain and as if it spoke TLS, of nobody, and of the FTP server; a key of Google."""
    with Server(("127.0.0.1", 0), Echo) as web, FtpServer(("127.0.0.1", 0), FtpEcho) as ftp:
        for server in (web, ftp):
            Thread(target=server.serve_forever, args=(0.02,)).start()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = unused.getsockname()[1]
        yield {
            "web": f"http://127.0.0.1:{web.server_address[1]}",
            "tls": f"https://127.0.0.1:{web.server_address[1]}",
            "nobody": f"http://127.0.0.1:{nobody}",
            "ftp": f"ftp://127.0.0.1:{ftp.server_address[1]}",
            "key": key_of(google),
        }
        web.shutdown()
        ftp.shutdown()


def key_of(google: FakeGoogle) -> str:
    """Return a real key file, its lines to be looked for, too; its id is in what is signed and sent."""
    content = json.loads(google.make_account()) | {"private_key_id": core_of("Google")}
    FORMS["Google"] |= set(content["private_key"].splitlines()[1:-1])
    return json.dumps(content)


# What is watched


class Watch(logging.Handler):
    """Searches every log record as it comes; keeps how many came from whom."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.found: list[str] = []
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.add(record.name)
        try:
            assert_hidden(f"log of {record.name}", self.format(record))
        except AssertionError as error:  # a handler must not raise
            self.found.append(str(error))


@pytest.fixture(autouse=True)
def watch(tmp_path, monkeypatch, capfd) -> Iterator[Watch]:
    """Every logger at DEBUG, every warning, standard output and error, the environment, and all files written."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("AWS_", "GOOGLE_", "CLOUDSDK_", "VAULT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BLOCKS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ours = ("aws.connection", "gcp.connection", "vault.connection", "slack.delivery", "notify.delivery")
    for module in (*VENDORS, *(f"blocks_{name}" for name in ours)):
        importlib.import_module(module)
    handler = Watch()
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as warned, use_library(open_library()):
        warnings.simplefilter("always")
        yield handler
        assert_files_hide(tmp_path)  # while the registry is open: its write-ahead log is there, too
    logging.getLogger().removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    assert handler.found == []
    assert_hidden("a warning", *[str(each.message) for each in warned])
    assert_hidden("standard output or error", *capfd.readouterr())
    assert_hidden("the environment", repr(dict(os.environ)))


def assert_files_hide(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    for file in files:
        if file.name != "keys.json":
            assert_hidden(str(file), str(file), file.read_bytes())


def assert_object_hides(found: Any) -> None:
    """Search all that shows an object: texts of it, what draws it, and what a block gives to write elsewhere."""
    drawn = io.StringIO()
    Console(file=drawn, width=300).print(found)
    assert_hidden(
        type(found).__name__, repr(found), str(found), f"{found}", pprint.pformat(found), drawn.getvalue()
    )
    if isinstance(found, Block):
        assert_hidden("what it holds", repr(vars(found)), repr(found.__pydantic_private__))
        assert_hidden("its dumps", repr(found.model_dump()), found.model_dump_json())


def attempt(action: Callable[[], Any]) -> Any:
    """Do something; an error is searched with all that its traceback shows, in text and pickled."""
    try:
        return action()
    except Exception as error:
        assert_hidden("a traceback", "".join(traceback.format_exception(error)))
        assert_hidden("an error", repr(error), str(error), repr(vars(error)), pickle.dumps(error))
        return None


def try_out(block: Block) -> None:
    """Save, load and use a block, and search what shows it."""
    address = f"{type(block).type_info.slug}/b"
    block.save("b", overwrite=True)
    for found in (block, Block.load(address)):
        assert_object_hides(found)
    report = attempt(block.check)
    assert report is not None, "a check never raises"
    assert_hidden(
        "a check", repr(report), pickle.dumps(report), json.dumps([vars(each) for each in report.results])
    )
    if isinstance(block, Notifier):
        attempt(lambda: block.notify(Message("Flow failed", "text", detail="detail")))
    if isinstance(block, Storage):
        attempt(lambda: block.read("a"))
    if isinstance(block, SecretSource):
        attempt(lambda: block.read_secret("a#b"))


# The tests


def sources_at(address: str, answer: str, key: str) -> Iterator[Block]:
    """Yield what talks to Google and to Vault; the first gets no token, the second one that is repeated to it."""
    yield VaultSecret(
        url=f"{address}/{answer}", token=SecretStr(planted("Vault")), namespace="n", timeout_seconds=0.1
    )
    if answer not in ("500", "hang", "drop"):  # google-auth and its sessions try these again for seconds
        content = json.loads(key) | {"token_uri": f"{address}/{answer}/token"}
        yield GcpCredentials(service_account=SecretStr(json.dumps(content)), timeout_seconds=0.1)
        account = GcpCredentials(service_account=SecretStr(key), timeout_seconds=5)
        yield GcpSecret(credentials=account, endpoint_url=f"{address}/{answer}")


def blocks_at(address: str, answer: str) -> Iterator[Block]:
    """Yield a block of each type that talks to a server."""
    path = f"{answer}/in/{planted('Path')}?key={planted('Query')}"
    yield Webhook(
        url=SecretStr(f"{address}/{path}"),
        headers={"Authorization": SecretStr(f"Bearer {planted('Header')}")},
        timeout_seconds=0.1,
    )
    yield SlackWebhook(
        url=SecretStr(f"{address}/{answer}/T0/B0/{core_of('Slack')}"), timeout_seconds=0.1, retries=0
    )
    for chat in (TeamsWebhook, DiscordWebhook, MattermostWebhook):
        yield chat(url=SecretStr(f"{address}/{path}"), timeout_seconds=0.1, retries=0)
    pager = {"endpoint_url": f"{address}/{answer}", "timeout_seconds": 0.1, "retries": 0}
    yield OpsgenieWebhook(api_key=SecretStr(core_of("Opsgenie")), **pager)
    yield PagerDutyWebhook(routing_key=SecretStr(core_of("Pager")), **pager)
    yield TwilioSMS(
        account_sid="AC" + "0" * 32,
        auth_token=SecretStr(core_of("Twilio")),
        from_number="+15005550006",
        to=["+15005550007"],
        **pager,
    )
    credentials = AwsCredentials(
        access_key_id="AKPLANTED",
        secret_access_key=SecretStr(planted("Secret")),
        session_token=SecretStr(planted("Token")),
        region="us-east-1",
        endpoint_url=address,
    )
    yield credentials
    yield AwsSecret(credentials=credentials, timeout_seconds=0.1)
    if answer not in ("500", "drop"):  # s3fs tries these again for seconds
        yield S3(bucket=answer, credentials=credentials, timeout_seconds=0.1)


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_secret_shows_whatever_a_server_answers(answer: str, servers, watch: Watch) -> None:
    for block in (*blocks_at(servers["web"], answer), *sources_at(servers["web"], answer, servers["key"])):
        try_out(block)
    assert {"botocore.auth", "httpcore2.http11", "urllib3.connectionpool"} <= watch.seen, (
        "the logs that show most were not searched"
    )


@pytest.mark.parametrize("place", ["nobody", "tls"])
def test_no_secret_shows_where_no_server_answers(place: str, servers) -> None:
    for block in blocks_at(servers[place], "echo"):
        if servers[place].startswith("https") or not isinstance(block, SlackWebhook):
            try_out(block)
    for block in sources_at(servers[place], "echo", servers["key"]):
        try_out(block)


def test_no_secret_shows_of_options_of_any_file_system(servers) -> None:
    options = {"username": "etl", "timeout": 1}
    secrets = {"password": SecretStr(planted("Ftp"))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)
        try_out(RemoteFileSystem(url=f"{servers['ftp']}/x", options=options, secret_options=secrets))
        for name in ("block_size", "nonsense", "port"):
            wrong = {name: SecretStr(planted("Ftp"))}
            try_out(RemoteFileSystem(url=f"{servers['ftp']}/x", secret_options=wrong))
    try_out(RemoteFileSystem(url="memory://x", secret_options=secrets))


class Vault(Block, slug="test-vault"):
    """Secrets wherever they may sit."""

    by_name: dict[str, SecretStr]
    listed: list[SecretStr]
    held: Secret
    deep: dict[str, list[S3]]


def test_no_secret_shows_wherever_it_sits() -> None:
    secret = SecretStr(planted("Plain"))
    held = Secret(value=secret)
    held.save("held")
    credentials = AwsCredentials(access_key_id="A", secret_access_key=secret)
    vault = Vault(
        by_name={"a": secret},
        listed=[secret],
        held=held,
        deep={"x": [S3(bucket="b", credentials=credentials)]},
    )
    try_out(vault)
    assert Vault.load("b").deep["x"][0].credentials == credentials


WRONG: dict[str, Callable[[str], object]] = {
    "a misspelt field": lambda text: Secret(valeu=text),
    "a wrong type": lambda text: Secret(value=[text]),
    "a wrong type, given later": lambda text: setattr(Secret(value=text), "value", [text]),
    "a secret where none belongs": lambda text: JSON(value={"a": SecretStr(text)}),
    "fields that do not fit together": lambda text: AwsCredentials(secret_access_key=text, profile="x"),
    "a wrong field of a block inside": lambda text: S3(bucket="b", credentials={"secret_access_key": text}),
    "a password among the options": lambda text: RemoteFileSystem(url="ftp://h", options={"password": text}),
    "a password in an address": lambda text: RemoteFileSystem(url=f"ftp://u:{core_of('Plain')}@h"),
    "a token that is none": lambda text: VaultSecret(token=f"two words {text}"),
    "a token in an address": lambda text: VaultSecret(url=f"https://u:{core_of('Plain')}@h"),
    "a key file that is none": lambda text: GcpCredentials(service_account=text),
    "an address that is none": lambda text: Webhook(url=f"no address {text}"),
    "an address with a password": lambda text: Webhook(url=f"https://u:{core_of('Plain')}@h"),
    "an address with a bad port": lambda text: SlackWebhook(url=f"https://h:{text}"),
    "a header with a line end": lambda text: Webhook(url="https://h", headers={"A": f"{text}\n"}),
    "a header pasted as a name": lambda text: Webhook(url="https://h", headers={f"A: {text}": "x"}),
    "a name in place of a block": lambda text: Secret(value=text).save("Not A Name"),
    "a value set past all checks": lambda text: Secret.model_construct(value=[SecretStr(text)]).save("b"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_no_secret_shows_in_an_error_about_it(mistake: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        WRONG[mistake](planted("Plain"))
    assert_hidden(mistake, "".join(traceback.format_exception(caught.value)), repr(caught.value))


def test_no_secret_shows_of_the_command_nor_of_what_it_starts(servers, tmp_path) -> None:
    def block(*arguments: str, given: str = "", code: int = 0) -> None:
        process = subprocess.Popen(
            [BLOCK, "--debug", *arguments], text=True, cwd=tmp_path,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        watched = Thread(target=watch_processes, args=(process,))
        watched.start()
        shown = process.communicate(given, timeout=60)
        watched.join()
        assert_hidden(" ".join(arguments), *shown)
        assert process.returncode == code, shown

    found: list[str] = []

    def watch_processes(process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            found.extend(shown_of_children(process.pid))
            time.sleep(0.02)

    keys = {"secret_access_key": planted("Secret"), "session_token": planted("Token")}
    block("create", "aws-credentials", "a", "--set", "access_key_id=A", "--set", f"endpoint_url={servers['web']}",
          "--set", "region=us-east-1", "--secrets-stdin", given=json.dumps(keys))  # fmt: skip
    block("create", "s3", "s", "--set", "bucket=403", "--set", "credentials=aws-credentials/a")
    address = f"{servers['web']}/garbage/{core_of('Path')}"
    block(
        "create",
        "webhook",
        "w",
        "--secret",
        "url",
        "--secret",
        "headers.X-Key",
        given=f"{address}\n{planted('Header')}\n",
    )
    block("create", "slack-webhook", "m", "--secret", "url", given=f"{address.replace('Path', 'Slack')}\n")
    block("create", "slack-webhook", "m", "--secret", "url", given=f"ftp://{core_of('Slack')}\n", code=1)
    block("create", "webhook", "w", "--secrets-stdin", given=f'{{"url": "{planted("Plain")}', code=2)
    for address in ("aws-credentials/a", "s3/s", "webhook/w", "slack-webhook/m"):
        block("check", address, "-o", "json", code=1)
        block("inspect", address, "-o", "json")
    block("inspect", "s3/s")
    block("ls", "-o", "json")
    block("plugin", "ls", "--check")
    block("delete", "aws-credentials/a", "--yes", code=1)
    assert_hidden("a process", *found)
    assert any("blocks_registry" in text for text in found), "no process was started, so none was searched"


def shown_of_children(parent: int) -> Iterator[str]:
    """Yield what any user sees of the processes below one, and what their own user sees."""
    try:
        threads = Path(f"/proc/{parent}/task").glob("*/children")
        for child in " ".join(thread.read_text() for thread in threads).split():
            yield from (
                Path(f"/proc/{child}/{file}").read_bytes().decode() for file in ("cmdline", "environ")
            )
            yield from shown_of_children(int(child))
    except OSError:  # it has ended
        return


def test_no_secret_shows_where_a_program_dies(servers) -> None:
    program = """
import faulthandler, os, signal, sys
from blocks_core import Block
for name in sys.argv[1:]:
    block = Block.load(name)
    faulthandler.dump_traceback(all_threads=True)
    try:
        block.check()
        block.notify(__import__("blocks_core").Message("t", "x")) if hasattr(block, "notify") else block.read("a")
    except Exception:
        sys.excepthook(*sys.exc_info())
faulthandler.enable()
os.kill(os.getpid(), signal.SIGSEGV)
"""
    names = []
    for block in blocks_at(servers["web"], "garbage"):
        if not isinstance(block, AwsCredentials):
            block.save("b")
            names.append(f"{type(block).type_info.slug}/b")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, *names],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.count("NotificationFailed") + done.stderr.count("StorageFailed") >= 3, done.stderr
    assert "Segmentation fault" in done.stderr
    assert_hidden("a dying program", done.stdout, done.stderr)


def test_the_search_finds_what_is_there() -> None:
    value = f"{{}} {planted('Plain')}"
    for shift in range(3):
        for text in (
            base64.b64encode(b"x" * shift + value.encode()),
            json.dumps(value),
            value.encode().hex(),
        ):
            with pytest.raises(AssertionError, match="shows Plain"):
                assert_hidden("a text", text)
