"""Times trivial tasks and flow runs of ours, recorded, beside Prefect 3, beside dask, and beside a bare thread pool.

Run it with `.venv/bin/python bench/engine.py [ROUNDS]`; it takes some ten minutes. Each way has a process of its own
(`engine_turns.py`), its database in a folder that is removed, and is warm before it is timed. They
take turns, each round in the other order; ratios are those of one round. Printed are medians of all rounds, what the
processor did for one task in all processes of a way, and the budgets: where one is broken, it ends with 1.

Prefect gets an environment of its own, made with uv at first (`--prefect-environment`); where it cannot be had, or
an executor is not built, the bench says so, and that budget is neither kept nor broken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Self

ROUNDS = 5
LARGE_ROUNDS = 2
MEMORY_ROUNDS = 3
SMALL, LARGE = 10_000, 100_000
PREFECT_TASKS = 500
DASK_TASKS = 1_000
PREFECT = ("prefect==3.8.8", "fastapi<0.151")  # with a later FastAPI its server does not start
PREFECT_FOLDER = (
    Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "blocks-bench" / "prefect"
)
TURNS = Path(__file__).with_name("engine_turns.py")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
NOT_BUILT = "not built: blocks_flows.executors has no DaskExecutor"


@dataclass(frozen=True)
class Turn:
    """What is timed: which way runs what, and how many of it."""

    way: str
    name: str
    count: int

    @property
    def label(self) -> str:
        """Return what it is called in tables."""
        return f"{self.way}, {self.name}, {self.count:,}"


GRAPH = Turn("blocks", "graph", SMALL)
FUNCTION = Turn("blocks", "function", SMALL)
LARGE_GRAPH = Turn("blocks", "graph", LARGE)
LARGE_FUNCTION = Turn("blocks", "function", LARGE)
POOL = Turn("pool", "mapped", SMALL)
LARGE_POOL = Turn("pool", "mapped", LARGE)
PREFECT_FUNCTION = Turn("prefect", "function", PREFECT_TASKS)
DASK_CLIENT = Turn("dask", "client", DASK_TASKS)
DASK_EXECUTOR = Turn("dask", "executor", DASK_TASKS)
TASKS = (
    *(POOL, GRAPH, FUNCTION, Turn("masked", "graph", SMALL), PREFECT_FUNCTION, DASK_CLIENT, DASK_EXECUTOR),
    *(LARGE_POOL, LARGE_GRAPH, LARGE_FUNCTION),
)
RUNS = (
    *(Turn("blocks", f"{what} {form}", 100) for what in ("empty", "one") for form in ("function", "graph")),
    Turn("masked", "one function", 100),
    *(Turn("prefect", f"{what} function", 5) for what in ("empty", "one")),
)


@dataclass
class Figures:
    """What was measured of one turn, round by round."""

    seconds: list[list[float]] = field(default_factory=list[list[float]])
    """Of each run in a round."""
    processor: list[float] = field(default_factory=list[float])
    """Seconds in a round, of all processes of the way."""


@dataclass(frozen=True)
class Verdict:
    """A budget and what was measured; without a figure, why there is none."""

    what: str
    unit: str
    at_least: float | None
    at_most: float | None
    measured: float | None
    reason: str = ""

    @property
    def kept(self) -> bool | None:
        """Tell whether the budget was kept; None where it was not measured."""
        if self.measured is None:
            return None
        above = self.at_least is None or self.measured >= self.at_least
        return above and (self.at_most is None or self.measured <= self.at_most)


class Way:
    """A process that runs flows or tasks in one way; its pid is the id of its session."""

    def __init__(self, name: str, python: str, folder: Path, *, warm: bool = True) -> None:
        folder.mkdir()
        command = [python, str(TURNS), name, str(folder), "warm" if warm else "cold"]
        self._errors = (folder / "errors.txt").open("w+")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        self.turns: list[str] = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(subprocess.TimeoutExpired, OSError):
            self._process.communicate(timeout=60)  # the end of its input is the end of its work
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._errors.close()

    def take(self, name: str, count: int) -> list[float]:
        """Run something and return the seconds of each run."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([name, count]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def processor(self) -> float:
        """Return the seconds of the processor that all processes of its session had so far; 0 without a /proc."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                stat = path.read_text().rpartition(")")[2].split()
                if int(stat[3]) == self._process.pid:
                    ticks += int(stat[11]) + int(stat[12])
        return ticks / CLOCK_TICKS

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["it said nothing"]
            raise RuntimeError(f"the process ended: {said[-1][:300]}")
        return json.loads(line)


def prefect_python(folder: Path) -> str:
    """Return the Python of an environment that has Prefect; it is made where there is none.

    Raises:  RuntimeError: it cannot be had.
    """
    python = folder / "bin" / "python"
    if (
        python.exists()
        and subprocess.run([python, "-c", "import prefect"], capture_output=True).returncode == 0
    ):
        return str(python)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise RuntimeError("uv is not installed, which makes its environment: pip install uv")
    print(f"Prefect is installed into {folder}.", file=sys.stderr, flush=True)
    for command in (
        [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *PREFECT],
    ):
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"uv could not install it: {made.stderr.strip()[-300:]}")
    return str(python)


def open_ways(
    stack: ExitStack, folder: Path, chosen: argparse.Namespace
) -> tuple[dict[str, Way], dict[str, str]]:
    """Return the ways that there are, and why others are not."""
    ways, missing = dict[str, Way](), dict[str, str]()
    for name in ("blocks", "masked", "pool", "dask", "prefect"):
        if name in chosen.skip:
            missing[name] = "skipped"
            continue
        try:
            python = prefect_python(chosen.prefect_environment) if name == "prefect" else sys.executable
            ways[name] = stack.enter_context(Way(name, python, folder / name))
        except RuntimeError as error:
            if name != "prefect":  # what is ours, or a dependency of ours, has to be there
                raise
            missing[name] = str(error)
    return ways, missing


def measure(ways: dict[str, Way], rounds: int, large_rounds: int) -> dict[Turn, Figures]:
    """Let the ways take turns."""
    measured = dict[Turn, Figures]()
    for number in range(rounds):
        turns = [turn for turn in (*RUNS, *TASKS) if number < large_rounds or turn.count < LARGE]
        for turn in turns[::-1] if number % 2 else turns:
            way = ways.get(turn.way)
            if way is None or turn.name not in way.turns:
                continue
            figures = measured.setdefault(turn, Figures())
            before = way.processor()
            figures.seconds.append(way.take(turn.name, turn.count))
            figures.processor.append(way.processor() - before)
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return measured


def memory(folder: Path) -> dict[str, dict[int, float]]:
    """Return the bytes that a task takes at its run's peak, for each form and number of tasks, in fresh processes."""
    found: dict[tuple[str, int], list[float]] = {}
    for number in range(MEMORY_ROUNDS):
        for form in ("graph", "function"):
            for count in (1, SMALL, LARGE):
                with Way("blocks", sys.executable, folder / f"{number} {form} {count}", warm=False) as way:
                    way.take(form, count)
                    found.setdefault((form, count), []).extend(way.take("peak", 1))
        print(f"memory, round {number + 1} of {MEMORY_ROUNDS}", file=sys.stderr, flush=True)
    peaks = {key: statistics.median(values) for key, values in found.items()}
    return {
        form: {count: (peaks[form, count] - peaks[form, 1]) / count for count in (SMALL, LARGE)}
        for form in ("graph", "function")
    }


def rates(measured: dict[Turn, Figures], turn: Turn) -> list[float]:
    """Return the tasks a second of each round."""
    return [turn.count / sum(taken) for taken in measured[turn].seconds] if turn in measured else []


def p50_ms(measured: dict[Turn, Figures], turn: Turn) -> float:
    return statistics.median(second for taken in measured[turn].seconds for second in taken) * 1000


def ratio(measured: dict[Turn, Figures], turn: Turn, to: Turn) -> float | None:
    """Return how many times as many tasks a second one does as another, in the median of all rounds."""
    pairs = list(zip(rates(measured, turn), rates(measured, to), strict=False))
    return statistics.median(a / b for a, b in pairs) if pairs else None


def judge(
    measured: dict[Turn, Figures], bytes_a_task: dict[str, dict[int, float]], missing: dict[str, str]
) -> list[Verdict]:
    """Compare with the budgets."""
    verdicts: list[Verdict] = []
    for turn in (GRAPH, FUNCTION, LARGE_GRAPH, LARGE_FUNCTION):
        found = rates(measured, turn)
        rate = statistics.median(found) if found else None
        verdicts.append(Verdict(turn.label, "tasks/s", 10_000, None, rate, "skipped"))
    for turn in (GRAPH, FUNCTION):
        beside = ratio(measured, turn, PREFECT_FUNCTION)
        what = f"{turn.label} : Prefect 3"
        verdicts.append(Verdict(what, "times as many", 40, None, beside, missing.get("prefect", "")))
    for turn in RUNS:
        if turn.way == "blocks":
            limit = 3 if turn.name.startswith("empty") else 5
            verdicts.append(Verdict(f"{turn.name} flow, p50", "ms", None, limit, p50_ms(measured, turn)))
    for form in ("graph", "function"):
        sizes = bytes_a_task.get(form)
        grown = sizes[LARGE] / sizes[SMALL] if sizes else None
        what = f"memory a task, {form}, {LARGE:,} : {SMALL:,}"
        verdicts.append(Verdict(what, "times as much", None, 1.2, grown, "skipped"))
    beside = ratio(measured, DASK_CLIENT, DASK_EXECUTOR)
    reason = missing.get("dask", NOT_BUILT)
    verdicts.append(Verdict("DaskExecutor : dask's client.map", "times as long", None, 1.5, beside, reason))
    return verdicts


def show(
    measured: dict[Turn, Figures], bytes_a_task: dict[str, dict[int, float]], missing: dict[str, str]
) -> None:
    """Print what was measured."""
    print(f"{'trivial mapped tasks':34}  tasks/s     best  processor, µs a task")
    for turn in (turn for turn in TASKS if turn in measured):
        found = rates(measured, turn)
        processor = statistics.median(measured[turn].processor) / turn.count * 1e6
        print(f"{turn.label:34}  {statistics.median(found):7,.0f}  {max(found):7,.0f}  {processor:20,.0f}")
    for turn, limit in (
        (GRAPH, POOL),
        (FUNCTION, POOL),
        (LARGE_GRAPH, LARGE_POOL),
        (LARGE_FUNCTION, LARGE_POOL),
    ):
        if (share := ratio(measured, turn, limit)) is not None:
            print(f"{turn.label} : the bare thread pool  {share:.2f}")
    print(f"\n{'flow runs, ms':34}      p50     best  processor, ms a run")
    for turn in (turn for turn in RUNS if turn in measured):
        best = min(second for taken in measured[turn].seconds for second in taken) * 1000
        processor = statistics.median(measured[turn].processor) / turn.count * 1000
        label = f"{turn.way}, {turn.name}"
        print(f"{label:34}  {p50_ms(measured, turn):7.2f}  {best:7.2f}  {processor:19.2f}")
    if bytes_a_task:
        print(f"\n{'memory, bytes a task':34}  {SMALL:7,}  {LARGE:7,}")
        for form, sizes in bytes_a_task.items():
            print(f"{form:34}  {sizes[SMALL]:7,.0f}  {sizes[LARGE]:7,.0f}")
    for name, why in missing.items():
        print(f"\n{name}: not measured, {why}")


def show_verdicts(verdicts: list[Verdict]) -> None:
    """Print the budgets beside what was measured."""
    print("\nbudgets")
    for each in verdicts:
        word = {True: "kept", False: "BROKEN", None: "not measured"}[each.kept]
        found = each.reason if each.measured is None else f"{each.measured:,.2f} {each.unit}"
        bound = f"at least {each.at_least:,g}" if each.at_least is not None else f"at most {each.at_most:,g}"
        print(f"{word:12}  {each.what:46}  {found} ({bound})")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, help="how often each takes its turn")
    parser.add_argument("--prefect-environment", type=Path, default=PREFECT_FOLDER, metavar="FOLDER")
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        choices=("large", "memory", "dask", "prefect"),
        help="leave out",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args()


def main() -> None:
    """Compare, and end with an error where a budget is broken."""
    chosen, begun = read_arguments(), perf_counter()
    with tempfile.TemporaryDirectory() as name:
        with ExitStack() as stack:
            ways, missing = open_ways(stack, Path(name), chosen)
            measured = measure(ways, chosen.rounds, 0 if "large" in chosen.skip else LARGE_ROUNDS)
        bytes_a_task = {} if "memory" in chosen.skip else memory(Path(name))
    if "dask" not in missing and DASK_EXECUTOR not in measured:
        missing["dask, executor"] = NOT_BUILT
    verdicts = judge(measured, bytes_a_task, missing)
    if chosen.output == "json":
        turns = [{**asdict(turn), **asdict(figures)} for turn, figures in measured.items()]
        budgets = [{**asdict(each), "kept": each.kept} for each in verdicts]
        whole = {"turns": turns, "bytes_a_task": bytes_a_task, "missing": missing, "budgets": budgets}
        print(json.dumps(whole, indent=2))
    else:
        show(measured, bytes_a_task, missing)
        show_verdicts(verdicts)
        print(f"\n{perf_counter() - begun:.0f} seconds")
    if any(each.kept is False for each in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
