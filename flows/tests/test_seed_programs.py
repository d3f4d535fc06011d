"""Users' programs of the first generation do what their authors saw."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from seed_programs import (
    ALPHAS,
    PROGRAM,
    program_3,
    program_4,
    program_5,
    program_6,
    program_7,
    program_8,
    program_9,
)

OUTPUT = """\
dataset_filename <Task: download_dataset>
train_Test_dataset_filename <Task: preprocess_dataset>
model_filename <Task: train_model>
eval_model_filename <Task: evaluate_model>
flow.run() begin
[TIME] INFO - blocks_flows.FlowRunner | Beginning Flow run for 'code_2_flow'
[TIME] INFO - blocks_flows.TaskRunner | Task 'download_dataset': Starting task run...
download_dataset begin
download_dataset end
[TIME] INFO - blocks_flows.TaskRunner | Task 'download_dataset': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset': Starting task run...
preprocess_dataset begin
preprocess_dataset end
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[1]': Starting task run...
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[1]': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[0]': Starting task run...
[TIME] INFO - blocks_flows.TaskRunner | Task 'preprocess_dataset[0]': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'train_model': Starting task run...
train_model begin
train_model end
[TIME] INFO - blocks_flows.TaskRunner | Task 'train_model': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.TaskRunner | Task 'evaluate_model': Starting task run...
evaluate_model begin
evaluate_model end
[TIME] INFO - blocks_flows.TaskRunner | Task 'evaluate_model': Finished task run for task with final state: 'Success'
[TIME] INFO - blocks_flows.FlowRunner | Flow run SUCCESS: all reference tasks succeeded
flow.run() end
"""


@pytest.fixture
def work(tmp_path: Path, home: Path) -> Path:
    """A folder to run programs in, where five seconds of sleep are half a second."""
    pytest.importorskip("sklearn", reason="the users' programs need scikit-learn: make setup installs it")
    folder = tmp_path / "work"
    folder.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import time\n_sleep = time.sleep\ntime.sleep = lambda seconds: _sleep(seconds / 10)\n"
    )
    return folder


def run_python(work: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "TZ": "Asia/Seoul", "PYTHONPATH": str(work.parent / "site")},
    )
    assert done.stderr == ""
    return done.stdout


def run_flow(work: Path, name: str, program: str, parameters: str = "") -> str:
    """Run the flow that a program declares, as an agent would."""
    (work / f"{name}.py").write_text(program)
    return run_python(work, "-c", f"import {name}; assert {name}.flow.run({parameters}).is_successful()")


def files_of(work: Path) -> set[str]:
    return {path.name for path in work.iterdir() if path.name != "__pycache__"}


def files_for(name: str, *alphas: object, kept: bool = True) -> set[str]:
    files = {f"{name}.py"} | {f"eval_model_{alpha}_train_dataset.txt" for alpha in alphas}
    if kept:
        files |= {"dataset.csv", "test_dataset.csv", "train_dataset.csv"}
        files |= {f"model_{alpha}_train_dataset.joblib" for alpha in alphas}
    return files


def test_the_second_program_prints_and_computes_what_it_always_did(work: Path) -> None:
    (work / "code_2.py").write_text(PROGRAM)
    output = run_python(work, "code_2.py")
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0900\]"
    assert re.sub(stamp, "[TIME]", output) == OUTPUT
    assert files_of(work) == {
        "code_2.py",
        "dataset.csv",
        "eval_model_train_dataset.txt",
        "model_train_dataset.joblib",
        "test_dataset.csv",
        "train_dataset.csv",
    }
    score = float((work / "eval_model_train_dataset.txt").read_text())
    assert score == pytest.approx(9.655153179853411816e-01, abs=1e-12)


def test_the_third_program_is_the_second_one_declared_only(work: Path) -> None:
    run_flow(work, "code_3", program_3())
    assert (work / "eval_model_train_dataset.txt").exists()


def test_the_fourth_program_logs_its_prints_and_keeps_a_model_for_each_alpha(work: Path) -> None:
    output = run_flow(work, "code_4", program_4())
    assert "INFO - blocks_flows.TaskRunner | train_model begin" in output
    assert files_of(work) == files_for("code_4", 1.0)
    run_flow(work, "code_4", program_4("0.1"))
    assert files_of(work) == files_for("code_4", 1.0, 0.1)


def test_the_fifth_program_takes_its_alpha_when_it_is_run(work: Path) -> None:
    run_flow(work, "code_5", program_5(), "alpha=0.01")
    assert files_of(work) == files_for("code_5", 0.01)


def test_the_sixth_program_runs_one_mapped_run_after_another(work: Path) -> None:
    output = run_flow(work, "code_6", program_6(), "alphas=[1, 0.1, 0.01, 0.001, 0.0001, 0.00001]")
    said = re.findall(r"\| (train_model \w+)", output)
    assert said == ["train_model begin", "train_model end"] * 6
    assert files_of(work) == files_for("code_6", 1, *ALPHAS[1:])


def test_the_seventh_program_runs_its_six_mapped_runs_at_once(work: Path) -> None:
    output = run_flow(work, "code_7", program_7())
    said = re.findall(r"\| (train_model \w+)", output)
    assert said == ["train_model begin"] * 6 + ["train_model end"] * 6
    assert files_of(work) == files_for("code_7", *ALPHAS)


def test_the_eighth_program_fails_where_its_models_do_and_nowhere_else(work: Path) -> None:
    (work / "code_8.py").write_text(program_8())
    output = run_python(work, "-c", "import random, code_8; random.seed(1); code_8.flow.run()")
    assert output.count("| train_model begin") == 6
    failed = output.count("Exception: internal error")
    assert 0 < failed < 6
    assert "Flow run FAILED: some reference tasks failed" in output
    assert len([name for name in files_of(work) if name.startswith("eval_")]) == 6 - failed


def test_the_ninth_program_leaves_nothing_but_the_scores(work: Path) -> None:
    run_flow(work, "code_9", program_9())
    assert files_of(work) == files_for("code_9", *ALPHAS, kept=False)
