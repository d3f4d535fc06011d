"""The whole story on real parts, in a temporary folder: what `make demo` runs.

An S3-protocol server and a small HTTP receiver in the place of Slack's run on loopback; all else is what a user
would do: the `block` command, saved blocks, a flow. Everything that is started is stopped at the end.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ACCESS_KEY = "AKDEMO4711"
SECRET_KEY = "demo/s3cret+key-that-nobody-sees"
SLACK_TOKEN = "T0000/B0000/demo-t0ken-that-nobody-sees"

console = Console(highlight=False)
step_number = 0


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="blocks-demo-") as folder,
        s3_server() as s3,
        slack_receiver() as slack,
    ):
        home = Path(folder) / "home"
        slack_url, messages = slack
        env = {
            "HOME": folder,
            "BLOCKS_HOME": str(home),
            "PATH": f"{BIN}:{os.environ.get('PATH', '')}",
            "PYTHONWARNINGS": "ignore",
        }
        if "TERM" in os.environ:
            env["TERM"] = os.environ["TERM"]
        register(env)
        create_blocks(env, s3, slack_url)
        train(env, home)
        fail(env, messages)
        prove(home)
        console.print()
        console.print(Panel(WHAT_NEXT, title="What to try next", expand=False))
        if sys.stdin.isatty() and sys.stdout.isatty():
            offer_browser(env)
    return 0


WHAT_NEXT = Text(
    "source .venv/bin/activate                    puts block on the path\n"
    "block --help                                 the command, with examples\n"
    "block server start --demo                    a filled registry in the browser\n"
    "block register --all                         all block types, in ~/.blocks\n"
    "block create secret api-key --secret value   asks for the value\n"
    "README.md                                    a tour of five minutes\n"
    "examples/pipeline.py                         the flow that ran just now"
)


def register(env: dict[str, str]) -> None:
    step("Register the block types of three plugins")
    for plugin in ("blocks_standard", "blocks_aws", "blocks_slack"):
        block(env, "register", "-m", plugin)


def create_blocks(env: dict[str, str], s3_url: str, slack_url: str) -> None:
    step("Create blocks; secrets come from standard input, never from arguments")
    block(
        env, "create", "aws-credentials", "demo", "--set", f"access_key_id={ACCESS_KEY}", "--set", "region=us-east-1",
        "--set", f"endpoint_url={s3_url}", "--secret", "secret_access_key", given=SECRET_KEY,
    )  # fmt: skip
    for name in ("data", "results"):
        block(env, "create", "s3", name, "--set", f"bucket=demo-{name}",
              "--set", "credentials=aws-credentials/demo")  # fmt: skip
    block(env, "create", "slack-webhook", "alerts", "--secret", "url", given=slack_url)
    block(env, "ls")
    block(env, "check", "s3/results")


def train(env: dict[str, str], home: Path) -> None:
    step("Run the flow: make data, split, train six models in parallel, evaluate")
    run(
        env | {"BLOCKS_LOG_LEVEL": "WARNING"},
        [sys.executable, "examples/pipeline.py"],
        shown="python examples/pipeline.py",
    )
    block(env, "run", "ls")
    run_id = json.loads(output(env, "block", "run", "ls", "-o", "json"))[0]["id"]
    run(env, [str(BIN / "block"), "run", "logs", run_id], shown=f"block run logs {run_id[:8]}", keep_last=4)
    step("Read the results back from S3")
    os.environ["BLOCKS_HOME"] = str(home)
    from blocks_core import Storage
    from blocks_flows.results import read_result

    storage = Storage.load("s3/results")
    details = json.loads(output(env, "block", "run", "inspect", run_id, "-o", "json"))
    for task_run in sorted(details["task_runs"], key=lambda found: found["map_index"]):
        if task_run["name"].startswith("evaluate_model["):
            score = read_result(storage, task_run["result_path"])
            console.print(
                f"  {task_run['name']}  R2 = {score:.6f}  {task_run['result_location']}",
                soft_wrap=True,
                markup=False,
            )


def fail(env: dict[str, str], messages: list[dict[str, Any]]) -> None:
    step("Run it with a negative alpha: the run fails, and Slack is told")
    code = run(env, [sys.executable, "examples/pipeline.py", "--alphas", "1.0", "-1.0"], fails=True,
               shown="python examples/pipeline.py --alphas 1.0 -1.0", keep_last=12)  # fmt: skip
    if code == 0 or not messages:
        sys.exit("The run was to fail and to send a message to Slack.")
    console.print()
    console.print(Panel(drawn(messages[-1]), title="Slack, #alerts", expand=False, width=100))


def prove(home: Path) -> None:
    step("Look for the secrets in everything that was stored")
    files = [file for file in home.rglob("*") if file.is_file() and file.name != "keys.json"]
    stored = b"".join(file.read_bytes() for file in files)
    for name, secret in (("the secret access key", SECRET_KEY), ("the Slack token", SLACK_TOKEN)):
        found = sum(stored.count(form) for form in forms(secret))
        console.print(f"  {name}: found {found} times in {len(files)} files, {len(stored):,} bytes")
        if found:
            sys.exit("A secret was stored in clear.")
    control = stored.count(ACCESS_KEY.encode())
    if not control:
        sys.exit("The search did not find what is there.")
    console.print("  the access key id, which is no secret: found, so the search works")


def offer_browser(env: dict[str, str]) -> None:
    """Serve what the demo made, until Ctrl-C."""
    try:
        console.input("\nLook at it in the browser? [bold]\\[Enter][/] to start, [bold]Ctrl-C[/] to end ")
    except (KeyboardInterrupt, EOFError):
        console.print()
        return
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    console.print("Open the link that comes now; Ctrl-C here ends the server and removes what the demo made.")
    server = subprocess.Popen([str(BIN / "block"), "server", "start", "--port", port], env=env)
    try:
        server.wait()
    except KeyboardInterrupt:  # the server has had it too, and ends by itself
        server.wait()


def forms(secret: str) -> set[bytes]:
    """Return how a secret may be written: plain, quoted, and in base64 at each of three offsets."""
    raw = secret.encode()
    shifted = {base64.b64encode(b"\0" * shift + raw)[(shift * 4 + 2) // 3 + 1 : -4] for shift in range(3)}
    return {raw, quote(secret, safe="").encode(), *shifted}


def step(title: str) -> None:
    global step_number
    step_number += 1
    console.print()
    console.rule(f"[bold]{step_number}  {title}", align="left")


def block(env: dict[str, str], *arguments: str, given: str | None = None) -> None:
    run(env, [str(BIN / "block"), *arguments], shown="block " + " ".join(arguments), given=given)


def run(
    env: dict[str, str],
    command: list[str],
    *,
    shown: str,
    given: str | None = None,
    fails: bool = False,
    keep_last: int = 0,
) -> int:
    console.print(
        f"[bold green]$[/] [bold]{shown}[/]" + (" [dim]< (a secret)[/]" if given else ""), soft_wrap=True
    )
    done = subprocess.run(
        command, env=env, input=given, text=True, check=False, cwd=HERE.parent,
        stdout=subprocess.PIPE if keep_last else None, stderr=subprocess.STDOUT if keep_last else None,
    )  # fmt: skip
    if keep_last:
        lines = done.stdout.splitlines()
        console.print("\n".join(["…", *lines[-keep_last:]]), markup=False, soft_wrap=True)
    if done.returncode and not fails:
        sys.exit(f"'{shown}' failed with exit code {done.returncode}.")
    return done.returncode


def output(env: dict[str, str], *command: str) -> str:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]], env=env, capture_output=True, text=True, check=True
    ).stdout


def drawn(message: dict[str, Any]) -> Text:
    """Draw a Block Kit message as text, of its preformatted part the end."""
    text = Text()
    attached = [part for each in message.get("attachments", []) for part in each.get("blocks", [])]
    for part in [*message.get("blocks", []), *attached]:
        if part["type"] == "header":
            text.append(part["text"]["text"] + "\n", style="bold red")
        elif part["type"] == "section":
            text.append(part["text"]["text"] + "\n" if "text" in part else "")
            for field in part.get("fields", []):
                text.append("  " + field["text"].replace("*", "").replace("\n", ": ") + "\n")
        elif part["type"] == "rich_text":
            lines = "".join(leaves(part)).splitlines()
            text.append("\n".join(["  …", *(f"  {line}" for line in lines[-6:])]) + "\n", style="dim")
    return text


def leaves(part: Any) -> Iterator[str]:
    """Yield the texts in a part of a message."""
    if isinstance(part, dict):
        if part.get("type") == "text":
            yield part["text"]
        for value in part.values():
            yield from leaves(value)
    elif isinstance(part, list):
        for item in part:
            yield from leaves(item)


@contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3 server on a free port of loopback, with two buckets."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        for bucket in ("demo-data", "demo-results"):
            with urlopen(Request(f"{url}/{bucket}", method="PUT")):
                pass
        yield url
    finally:
        server.stop()


@contextmanager
def slack_receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answer as Slack's incoming webhooks do, and keep the messages."""
    messages: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/{SLACK_TOKEN}", messages
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
