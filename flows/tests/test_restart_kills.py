"""Programs that are killed at any moment, and finished by `block run restart`."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from seed_programs import program_8

from blocks_flows.commands import run as run_group

BLOCK = str(Path(sys.executable).with_name("block"))

PROGRAM = """
import os, sys, time
from blocks_flows import Flow, flow, task, Parameter, unmapped
from blocks_flows.executors import LocalDaskExecutor

def note(name):
    with open("ran", "a") as file:
        file.write(name + "\\n")

@task
def parts(count):
    time.sleep(0.005)
    note("parts")
    return list(range(count)), {"by": (2, 3)}

@task
def work(x, by):
    time.sleep(0.004)
    note(f"work {x}")
    return x * by["by"][0]

@task
def more(x):
    time.sleep(0.002)
    note(f"more {x}")
    return x + 1

@task
def total(xs):
    note("total")
    with open("result", "w") as file:
        file.write(str(sum(xs)))
    return sum(xs)

with Flow("graph", executor=LocalDaskExecutor(num_workers=3)) as graph:
    count = Parameter("count", default=20)
    made = parts(count)
    total(more.map(work.map(made[0], unmapped(made[1]))))

@flow
def child(x):
    return more(x)

@flow(executor=LocalDaskExecutor(num_workers=3))
def function(count: int = 20):
    xs, by = parts(count)
    done = [each.result() for each in work.map(xs, [by] * count)]
    return total([child(x) for x in done[:3]] + [each.result() for each in more.map(done[3:])])

if __name__ == "__main__":
    {"graph": graph, "function": function}[sys.argv[1]].run()
"""

EXPECTED = Counter(
    ["parts", "total", *(f"work {x}" for x in range(20)), *(f"more {2 * x}" for x in range(20))]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "program.py").write_text(PROGRAM)
    return made


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "BLOCKS_LOG_LEVEL": "ERROR", **more}


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )


def wait_until_begun(process: subprocess.Popen[str], begun: Path) -> None:
    """Wait until a program's first task has run and its run is recorded, which may be a moment later."""
    until = time.monotonic() + 60
    while not begun.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    while not root_runs() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)


def kill_after(process: subprocess.Popen[str], seconds: float, begun: Path) -> None:
    """Kill a program some time after it began to work, unless it ends before."""
    wait_until_begun(process, begun)
    time.sleep(seconds)
    process.kill()
    process.communicate()


def block(*arguments: str, folder: Path, level: str = "ERROR") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BLOCK, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(BLOCKS_LOG_LEVEL=level),
    )


def root_runs() -> list[dict]:
    rows = json.loads(CliRunner().invoke(run_group, ["ls", "-o", "json"]).stdout)
    return [row for row in rows if row["parent_flow_run_id"] is None]


@pytest.mark.parametrize("form", ["graph", "function"])
@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_killed_twice_is_finished_and_repeats_nothing_that_had_succeeded(
    form, seed, folder
) -> None:
    chance = random.Random(f"{form} {seed}")
    process = start(folder, sys.executable, "program.py", form)
    kill_after(process, chance.uniform(0, 0.12), folder / "ran")
    in_flight = 3
    [run] = root_runs()
    if run["state_type"] != "Success":
        assert (run["state_type"], run["state_message"][:20]) == ("Crashed", "Its process is gone:")
        first = len((folder / "ran").read_text().splitlines())
        process = start(folder, BLOCK, "run", "restart", run["id"])
        (folder / "ran").rename(folder / "ran-before")
        kill_after(process, chance.uniform(0, 0.1), folder / "ran")
        in_flight = 6
        before = (folder / "ran-before").read_text()
        after = (folder / "ran").read_text() if (folder / "ran").exists() else ""
        (folder / "ran").write_text(before + after)
        [run] = root_runs()
        assert first
    if run["state_type"] != "Success":
        done = block("run", "restart", run["id"], folder=folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    ran = Counter((folder / "ran").read_text().splitlines())
    assert set(ran) == set(EXPECTED)
    assert (
        sum((ran - EXPECTED).values()) <= in_flight
    )  # that had done their work, and could not say so any more
    assert (folder / "result").read_text() == str(sum(2 * x + 1 for x in range(20)))
    assert [row["id"] for row in root_runs()] == [run["id"]]
    assert {row["state_type"] for row in root_runs()} == {"Success"}


def test_of_two_restarts_at_once_one_runs(folder) -> None:
    (folder / "program.py").write_text(PROGRAM.replace("time.sleep(0.004)", "time.sleep(3)"))
    process = start(folder, sys.executable, "program.py", "graph")
    kill_after(process, 0.02, folder / "ran")
    [run] = root_runs()
    (folder / "program.py").write_text(PROGRAM)
    both = [start(folder, BLOCK, "run", "restart", run["id"]) for _ in range(2)]
    said = [each.communicate(timeout=60)[0] for each in both]
    codes = [each.returncode for each in both]
    assert sorted(codes) == [0, 1], said
    text = said[codes.index(1)]
    assert re.search(r"somebody else has restarted it|Wait for its end|there is nothing to restart", text), (
        text
    )
    ran = Counter((folder / "ran").read_text().splitlines())
    assert sum((ran - EXPECTED).values()) <= 3


def test_a_run_is_cancelled_from_elsewhere_and_restarted(folder) -> None:
    (folder / "program.py").write_text(PROGRAM.replace("time.sleep(0.004)", "time.sleep(3)"))
    process = start(folder, sys.executable, "program.py", "graph")
    wait_until_begun(process, folder / "ran")
    [run] = root_runs()
    assert (
        "Wait for its end, or end it: block run cancel"
        in block("run", "restart", run["id"], folder=folder).stderr
    )
    cancelled = block("run", "cancel", run["id"], folder=folder)
    assert "has ended as Cancelled" in cancelled.stderr
    process.communicate(timeout=30)
    assert "there is nothing to cancel" in block("run", "cancel", run["id"], folder=folder).stderr
    (folder / "program.py").write_text(PROGRAM)
    restarted = block("run", "restart", run["id"], "-o", "json", folder=folder)
    assert restarted.returncode == 0, restarted.stderr
    assert json.loads(restarted.stdout)["state"] == "Success"
    assert json.loads(restarted.stdout)["id"] == run["id"]
    ran = Counter((folder / "ran").read_text().splitlines())
    assert ran["parts"] == 1


def test_a_run_whose_process_is_gone_does_not_stay_running(folder) -> None:
    process = start(folder, sys.executable, "program.py", "function")
    kill_after(process, 0.1, folder / "ran")
    [run] = root_runs()
    shown = json.loads(CliRunner().invoke(run_group, ["inspect", run["id"], "-o", "json"]).stdout)
    assert shown["state_type"] in ("Crashed", "Success")
    kinds = {row["state_type"] for row in (*shown["task_runs"], *shown["child_runs"])}
    assert kinds <= {"Crashed", "Success"}


def test_a_full_disk_stops_no_run(folder, home) -> None:
    limited = f"ulimit -f 60; exec {sys.executable} program.py graph"
    home.mkdir()
    long = PROGRAM.replace('{"by": (2, 3)}', '{"by": (2, "long" * 50_000)}')
    (folder / "program.py").write_text(long)
    done = subprocess.run(
        ["bash", "-c", limited],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(BLOCKS_LOG_LEVEL="WARNING"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("What a restart of this run needs cannot be kept now: OSError") == 1
    assert (folder / "result").read_text() == str(sum(2 * x + 1 for x in range(20)))


def test_the_eighth_program_is_restarted_until_it_succeeds(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the user's program needs scikit-learn: make setup installs it")
    folder = tmp_path / "code_8"
    folder.mkdir()
    (folder / "code_8.py").write_text(f"{program_8()}\nflow.run()\n".replace("sleep(5)", "sleep(0.05)"))
    (tmp_path / "sitecustomize.py").write_text("import random; random.seed(0)")  # with it, 3 of 6 models fail
    begun = environment(BLOCKS_LOG_LEVEL="INFO", PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "code_8.py"], cwd=folder, capture_output=True, text=True, timeout=120, env=begun
    )
    said = done.stdout
    [run] = root_runs()
    assert (done.returncode, run["state_type"]) == (0, "Failed")
    while run["state_type"] == "Failed":
        done = block("run", "restart", run["id"][:8], folder=tmp_path, level="INFO")
        said += done.stdout
        [run] = root_runs()
        assert (done.returncode, run["state_type"]) in ((0, "Success"), (1, "Failed"))
    assert "Flow 'code_8_flow' is not run, as" in done.stderr
    counts = Counter(re.findall(r"\| (\w+ end)\n", said))
    assert counts == {
        "download_dataset end": 1,
        "preprocess_dataset end": 1,
        "train_model end": 6,
        "evaluate_model end": 6,
    }
    assert len(list(folder.glob("*.joblib"))) == len(list(folder.glob("eval_*.txt"))) == 6
    assert [(row["id"], row["state_type"]) for row in root_runs()] == [(run["id"], "Success")]
