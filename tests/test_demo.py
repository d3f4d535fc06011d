"""The demo runs, shows what it promises, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    before = set(_processes())
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")],
        env={"HOME": str(home), "TMPDIR": str(temporary), "PATH": os.environ["PATH"], "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for part in (
        "slack-webhook",
        "ok  delete",
        "train_model 6/6",
        "evaluate_model 6/6",
        "evaluate_model[2]  R2 = 0.965515  s3://demo-results/",
        "Flow run FAILED",
        "Flow 'train': Failed",
        "failed task: train_model[1]",
        "the secret access key: found 0 times",
        "so the search works",
        "What to try next",
    ):
        assert part in done.stdout, f"{part!r} is not in:\n{done.stdout}"
    assert "that-nobody-sees" not in done.stdout + done.stderr
    assert [*home.iterdir(), *temporary.iterdir()] == []
    left = [line for line in set(_processes()) - before if "examples/" in line or "blocks-demo" in line]
    assert left == []


def _processes() -> list[str]:
    lines: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines.append(
                f"{folder.name} {(folder / 'cmdline').read_bytes().replace(bytes(1), b' ').decode(errors='replace')}"
            )
        except OSError:
            continue  # it has ended
    return lines
