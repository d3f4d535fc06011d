"""Times a server beside Prefect 3's: loads by name, creates, one client, a fresh process, pages, memory.

Run it with `.venv/bin/python bench/server.py [ROUNDS] [--documents 100000]`; with 100,000 documents it takes some ten
minutes. Both servers run all the time, each on a SQLite file in a folder that is removed, and take turns, so that
ratios are those of one round. The clients are processes of their own (`server_turns.py`), the same for both; what
they cost is printed. Budgets are at the end: where one is broken, the bench ends with 1.

Prefect gets an environment of its own, as in `engine.py`; where it cannot be had, the bench says so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from engine import PREFECT_FOLDER, Verdict, prefect_python, show_verdicts
from pydantic import SecretStr

from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_core.testing.receiver import free_port
from blocks_registry import Settings, open_local_registry
from blocks_registry.access import Role, open_access
from blocks_registry.remote_wire import draft_json
from blocks_standard import Secret

ROUNDS = 5
DOCUMENTS = 1_000
CONNECTIONS = 32
SECONDS = 3.0
NAMES = 100
WRITERS, CREATES, PREFECT_CREATES = 8, 400, 80
WARM, PREFECT_WARM = 500, 60
FRESH = 5
PAGES = 20
BATCH = 1_000
STARTS_SECONDS = 120
TURNS = Path(__file__).with_name("server_turns.py")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
FRESH_OURS = "from blocks_standard import Secret; Secret.load('n0').get()"
FRESH_PREFECT = "from prefect.blocks.system import Secret; Secret.load('n0').get()"


@dataclass
class Server:
    """A server that runs, and how its clients talk to it."""

    way: str
    python: str
    port: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    """Of a program that is its client."""
    headers: list[str]
    loads: list[list[Any]]
    creates: list[list[Any]] = field(default_factory=list[list[Any]])
    idle_mib: float = 0.0

    def turn(self, **told: Any) -> dict[str, float]:
        """Have a client do something; return its figures, and what the server did for one request."""
        before = self.processor()
        told |= {"port": self.port, "headers": self.headers, "environment": self.environment, "way": self.way}
        done = subprocess.run(
            [self.python, str(TURNS)], input=json.dumps(told) + "\n", text=True, capture_output=True
        )
        if done.returncode:
            raise SystemExit(f"{self.way}: {done.stderr[-2000:]}")
        return json.loads(done.stdout) | {"server_seconds": self.processor() - before}

    def processor(self) -> float:
        """Return the seconds of the processor that its processes used."""
        total = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[3]) == self.process.pid:  # the session
                total += (int(words[11]) + int(words[12])) / CLOCK_TICKS
        return total

    def memory_mib(self) -> float:
        """Return what its processes hold in memory."""
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == self.process.pid:
                    lines = (folder / "status").read_text().splitlines()
                    total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
            except OSError:
                continue
        return total / 1024


def ask(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Return what a server answers."""
    data = None if body is None else json.dumps(body).encode()
    asked = Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    with urlopen(asked, timeout=30) as answer:
        found = answer.read()
    return json.loads(found) if found[:1] in (b"{", b"[") else found


def ask_patiently(method: str, url: str, body: Any) -> Any:
    """Return what a server answers that may say that its database is locked, as Prefect's does while it starts."""
    while True:
        try:
            return ask(method, url, body)
        except HTTPError as error:
            if error.code != 503:
                raise
            sleep(0.5)


@contextmanager
def started(
    command: list[str], environment: dict[str, str], health: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a session of its own until the end of the block."""
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = perf_counter() + STARTS_SECONDS
        while True:
            try:
                ask("GET", health)
                break
            except (URLError, OSError):
                if process.poll() is not None or perf_counter() > end:
                    raise RuntimeError(f"it does not start: {' '.join(command)}") from None
                sleep(0.1)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def ours(folder: Path, documents: int) -> Iterator[Server]:
    """Our server, with so many documents, and a token that may all."""
    settings = Settings(folder, f"sqlite:///{folder}/blocks.db")
    registry, access = open_local_registry(settings), open_access(settings)
    library = Library(registry)
    library.register(Secret)
    draft = library.draft(Secret(value=SecretStr("hidden")), "any")
    for start in range(0, documents, BATCH):
        names = range(start, min(start + BATCH, documents))
        registry.change([Put(replace(draft, name=f"n{number}")) for number in names])
    token = access.tokens.create("bench", Role.ADMIN).text
    access.close()
    registry.close()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"BLOCKS_HOME": str(folder), "BLOCKS_URL": settings.url}
    command = [str(Path(sys.executable).with_name("block")), "server", "start", "--port", str(port)]
    with started(command, environment, f"{url}/readyz") as process:
        yield Server(
            "blocks",
            sys.executable,
            port,
            process,
            environment | {"BLOCKS_URL": url, "BLOCKS_TOKEN": token},
            [f"Authorization: Bearer {token}"],
            [["GET", f"/api/v1/blocks/secret/n{number}/load", None] for number in range(NAMES)],
            [
                ["POST", "/api/v1/blocks", draft_json(replace(draft, name=f"made-{number}"))]
                for number in range(CREATES * ROUNDS * 4)
            ],
        )


@contextmanager
def prefect(folder: Path, python: str) -> Iterator[Server]:
    """Prefect's server, which asks nobody for a token and records no read."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    command = [python, "-m", "prefect", "server", "start", "--port", str(port)]
    with started(command, environment, f"{api}/health") as process:
        kind = ask("GET", f"{api}/block_types/slug/secret")
        schema = ask(
            "POST",
            f"{api}/block_schemas/filter",
            {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}},
        )
        body = {"block_type_id": kind["id"], "block_schema_id": schema[0]["id"], "data": {"value": "hidden"}}
        for number in range(NAMES):
            ask_patiently("POST", f"{api}/block_documents/", body | {"name": f"n{number}"})
        load = "/api/block_types/slug/secret/block_documents/name/n{}?include_secrets=true"
        yield Server(
            "prefect",
            python,
            port,
            process,
            environment,
            [],
            [["GET", load.format(number), None] for number in range(NAMES)],
            [
                ["POST", "/api/block_documents/", body | {"name": f"made-{number}"}]
                for number in range(PREFECT_CREATES * ROUNDS * 4)
            ],
        )


def fresh(server: Server) -> list[float]:
    """Return the seconds of whole processes that load one block."""
    taken: list[float] = []
    for _ in range(FRESH if server.way == "blocks" else 2):
        code = FRESH_OURS if server.way == "blocks" else FRESH_PREFECT
        start = perf_counter()
        subprocess.run(
            [server.python, "-c", code], env=os.environ | server.environment, check=True, capture_output=True
        )
        taken.append(perf_counter() - start)
    return taken


def take_turns(servers: list[Server], rounds: int) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Return the figures of each server and act, round by round; in each round the other server is first."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for server in servers:
        server.turn(act="hammer", requests=server.loads, connections=CONNECTIONS, seconds=1.0)
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            is_ours = server.way == "blocks"
            count = CREATES if is_ours else PREFECT_CREATES
            creates, server.creates = server.creates[:count], server.creates[count:]
            acts = {
                "loads": {"requests": server.loads, "connections": CONNECTIONS, "seconds": SECONDS},
                "creates": {"requests": creates, "connections": WRITERS},
            }
            for name, told in acts.items():
                found.setdefault((server.way, name), []).append(server.turn(act="hammer", **told))
            times = WARM if is_ours else PREFECT_WARM
            found.setdefault((server.way, "warm"), []).append(server.turn(act="warm", times=times))
            found.setdefault((server.way, "fresh"), []).append({"seconds": min(fresh(server))})
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def pages(server: Server, documents: int) -> dict[str, list[float]]:
    """Return the milliseconds that pages take, those of the API and those that people look at."""
    url = f"http://127.0.0.1:{server.port}"
    token = {"Authorization": server.headers[0].partition(": ")[2]}
    middle = f"secret/n{documents // 2}"
    paths = {
        "API, first 100": ("/api/v1/blocks?limit=100", token),
        "API, 100 in the middle": (f"/api/v1/blocks?limit=100&after={middle}", token),
        "API, one that is looked for": (f"/api/v1/blocks?q=n{documents - 1}", token),
        "API, one block": (f"/api/v1/blocks/{middle}", token),
    }
    cookie = session_of(server)
    if cookie:
        paths |= {
            "dashboard": ("/", cookie),
            "list of blocks": ("/blocks", cookie),
            "list, last changed first": ("/blocks?sort=saved", cookie),
            "list, what is to be upgraded": ("/blocks?stored=outdated", cookie),
            "list, one that is looked for": (f"/blocks?q=n{documents - 1}", cookie),
            "list, nothing is found": ("/blocks?q=no-such-block", cookie),
            "one block": (f"/blocks/{middle}", cookie),
            "its form": (f"/blocks/{middle}/edit", cookie),
            "its versions": (f"/blocks/{middle}/versions", cookie),
            "audit": ("/audit", cookie),
        }
    found: dict[str, list[float]] = {}
    for name, (path, headers) in paths.items():
        try:
            ask("GET", url + path, headers=headers)
        except HTTPError as error:
            print(f"{name}: {path} answers {error.code}", file=sys.stderr)
            continue
        for _ in range(PAGES):
            start = perf_counter()
            ask("GET", url + path, headers=headers)
            found.setdefault(name, []).append((perf_counter() - start) * 1000)
    return found


def session_of(server: Server) -> dict[str, str]:
    """Return the header of a browser that is logged in; {} where there are no pages yet."""
    if find_spec("blocks_server.pages.sessions") is None:
        return {}
    from blocks_server.pages.sessions import COOKIE

    access = open_access(
        Settings(
            Path(server.environment["BLOCKS_HOME"]),
            f"sqlite:///{server.environment['BLOCKS_HOME']}/blocks.db",
        )
    )
    opened = access.logins.open_by_token(server.environment["BLOCKS_TOKEN"])
    access.close()
    return {"Cookie": f"{COOKIE}={opened.cookie}"}


def judge(
    found: dict[tuple[str, str], list[dict[str, float]]],
    shown: dict[str, list[float]],
    idle_mib: float,
    missing: str,
) -> list[Verdict]:
    """Compare with the budgets."""

    def median(name: str, key: str, way: str = "blocks") -> float:
        return statistics.median(each[key] for each in found[way, name])

    pairs = zip(found["blocks", "loads"], found.get(("prefect", "loads"), []), strict=False)
    ratios = [a["rate"] / b["rate"] for a, b in pairs]
    slowest = max((statistics.median(taken), name) for name, taken in shown.items()) if shown else (None, "")
    return [
        Verdict(f"loads by name, {CONNECTIONS} connections", "loads/s", 2_000, None, median("loads", "rate")),
        Verdict(
            "loads by name : Prefect 3",
            "times as many",
            40,
            None,
            statistics.median(ratios) if ratios else None,
            missing,
        ),
        Verdict("a warm load of one client, p50", "ms", None, 3, median("warm", "p50_ms")),
        Verdict(f"{WRITERS} writers", "creates/s", 200, None, median("creates", "rate")),
        Verdict(
            "writers' requests that failed",
            "",
            None,
            0,
            sum(each["failed"] for each in found["blocks", "creates"]),
        ),
        Verdict("idle memory", "MiB", None, 120, idle_mib),
        Verdict("a fresh process that loads", "s", None, 0.30, median("fresh", "seconds")),
        Verdict(f"the slowest page ({slowest[1]}), p50", "ms", None, 100, slowest[0], "no pages"),
    ]


def show(
    found: dict[tuple[str, str], list[dict[str, float]]], shown: dict[str, list[float]], servers: list[Server]
) -> None:
    """Print what was measured: medians of all rounds, and the best one."""
    names = {
        "loads": f"loads, {CONNECTIONS} connections",
        "creates": f"creates, {WRITERS} connections",
        "warm": "one client, warm loads",
    }
    print(f"{'':34}      /s     best   p50 ms   p99 ms  server's processor, ms  client's")
    for (way, act), rounds in sorted(found.items(), key=lambda each: (each[0][1], each[0][0])):
        if act not in names:
            continue
        middle = {
            key: statistics.median(each[key] for each in rounds) for key in ("rate", "p50_ms", "p99_ms")
        }
        work = statistics.median(each["server_seconds"] / count_of(each, act, way) for each in rounds) * 1000
        client = statistics.median(each.get("client_ms", 0.0) for each in rounds)
        best = max(each["rate"] for each in rounds)
        print(
            f"{f'{names[act]}, {way}':34} {middle['rate']:7,.0f}  {best:7,.0f}  {middle['p50_ms']:7.2f}  "
            f"{middle['p99_ms']:7.1f}  {work:22.2f}  {client:8.2f}{failures(rounds)}"
        )
    for server in servers:
        taken = [each["seconds"] for each in found[server.way, "fresh"]]
        print(
            f"{server.way}: a fresh process that loads {statistics.median(taken):.3f} s (best {min(taken):.3f}), "
            f"memory idle {server.idle_mib:.0f} MiB, now {server.memory_mib():.0f} MiB"
        )
    print(f"\n{'pages':34}   p50 ms     best")
    for name, taken in shown.items():
        print(f"{name:34}  {statistics.median(taken):7.1f}  {min(taken):7.1f}")


def failures(rounds: list[dict[str, float]]) -> str:
    failed = sum(each.get("failed", 0) for each in rounds)
    return f"  {failed:,.0f} failed" if failed else ""


def count_of(each: dict[str, float], act: str, way: str) -> float:
    """Return how many requests a turn sent."""
    if act == "creates":
        return CREATES if way == "blocks" else PREFECT_CREATES
    if act == "warm":
        return WARM if way == "blocks" else PREFECT_WARM
    return each["rate"] * SECONDS


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, help="how often each takes its turn")
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="that our registry has")
    parser.add_argument("--prefect-environment", type=Path, default=PREFECT_FOLDER, metavar="FOLDER")
    parser.add_argument("--skip", action="append", default=[], choices=("prefect",), help="leave out")
    return parser.parse_args()


def main() -> None:
    """Compare, and end with an error where a budget is broken."""
    chosen, begun, missing = read_arguments(), perf_counter(), "skipped"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("ours", "prefect"):
            (folder / name).mkdir()
        servers = [stack.enter_context(ours(folder / "ours", chosen.documents))]
        if "prefect" not in chosen.skip:
            try:
                python = prefect_python(chosen.prefect_environment)
                servers.append(stack.enter_context(prefect(folder / "prefect", python)))
            except RuntimeError as error:
                missing = str(error)
        for server in servers:
            server.idle_mib = server.memory_mib()
        shown = pages(servers[0], chosen.documents)
        found = take_turns(servers, chosen.rounds)
        show(found, shown, servers)
        verdicts = judge(found, shown, servers[0].idle_mib, missing)
    show_verdicts(verdicts)
    print(f"\n{perf_counter() - begun:.0f} seconds")
    if any(each.kept is False for each in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
