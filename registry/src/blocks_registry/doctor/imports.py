"""Trial imports of plugins: whether they can be imported, how long it takes, and what it does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from blocks_core.discovery import Offer
from blocks_core.schema import BlockType
from blocks_registry.doctor.findings import Finding

SLOW_SECONDS = 0.3
"""An import that takes longer, beside what every plugin imports, is a finding."""

_WORKERS = 2
_LINE = re.compile(r"import time:\s*\d+ \|\s*(\d+) \| ( *)(\S+)")


@dataclass(frozen=True)
class Trial:
    """What one import of a module showed."""

    offers: tuple[Offer, ...]
    """Of that module."""
    problem: str = ""
    seconds: float = 0.0
    events: tuple[tuple[str, str], ...] = ()
    """What it did beside defining things, and where."""
    problems: dict[str, str] = field(default_factory=dict[str, str])
    """Name of an offer -> what is wrong with it alone."""
    types: dict[Offer, BlockType] = field(default_factory=dict[Offer, BlockType])
    """What the class of an offered type says of itself."""
    vendors: tuple[tuple[str, float], ...] = ()
    """Packages of others that the plugin imports at once, and what each costs in seconds, the dearest first."""


def try_imports(offers: Sequence[Offer], *, timeout_seconds: float = 60.0) -> list[Trial]:
    """Import the module of each offer in a process of its own, and return what was seen."""
    modules: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        modules.setdefault((offer.distribution, offer.module), []).append(offer)
    with TemporaryDirectory() as folder, ThreadPoolExecutor(_WORKERS) as workers:
        files = [Path(folder) / str(index) for index in range(len(modules))]
        return list(workers.map(_try, modules.values(), files, repeat(timeout_seconds)))


def findings_of(trial: Trial) -> Iterator[Finding]:
    """Yield what is wrong with what a trial showed."""
    first = trial.offers[0]
    about = ", ".join(offer.name for offer in trial.offers)
    upgrade = f"Upgrade or remove {first.distribution}, or tell its author."
    if trial.problem:
        yield Finding(first.origin, about, f"importing '{first.module}' {trial.problem}", upgrade)
        return
    for name, problem in trial.problems.items():
        yield Finding(first.origin, name, _clause(problem), upgrade)
    for what, where in trial.events:
        yield Finding(
            first.origin,
            about,
            f"importing '{first.module}' {what}, in {where}: listing and loading blocks must do nothing but import",
            "Let its author do that at first use.",
        )
    if trial.seconds > SLOW_SECONDS:
        dear = [f"{name} ({seconds:.2f} s)" for name, seconds in trial.vendors[:3]]
        because = f", most of it for {', '.join(dear)}" if dear else ""
        names = " and ".join(name for name, _ in trial.vendors[:3]) or "what is dear"
        yield Finding(
            first.origin,
            about,
            f"importing '{first.module}' takes {trial.seconds:.2f} s{because}: whoever loads a block waits for it",
            f"Let its author import {names} inside the functions that need it.",
            wrong=False,
        )


def _try(offers: list[Offer], file: Path, timeout_seconds: float) -> Trial:
    seen, _ = _run(offers, file, timeout_seconds)
    if isinstance(seen, str):
        return Trial(tuple(offers), problem=seen)
    vendors: tuple[tuple[str, float], ...] = ()
    if seen["seconds"] > SLOW_SECONDS:  # once more, now that all is compiled
        again, shown = _run(offers, file, timeout_seconds, "-X", "importtime")
        if not isinstance(again, str):
            seen["seconds"] = min(seen["seconds"], again["seconds"])
            vendors = tuple(_vendors(shown, offers[0].package))
    looks = {Offer(**json.loads(text)): look for text, look in seen["offers"].items()}
    return Trial(
        tuple(offers),
        problem=f"fails: {seen['problem']}" if seen["problem"] else "",
        seconds=seen["seconds"],
        events=tuple((event["what"], event["where"]) for event in seen["events"]),
        problems={offer.name: look["problem"] for offer, look in looks.items() if look["problem"]},
        types={offer: BlockType.from_json(look["type"]) for offer, look in looks.items() if "type" in look},
        vendors=vendors,
    )


def _run(
    offers: list[Offer], file: Path, timeout_seconds: float, *options: str
) -> tuple[dict[str, Any] | str, str]:
    """Return what was seen, or why nothing was; and what was printed."""
    texts = [json.dumps(vars(offer)) for offer in offers]
    command = [sys.executable, "-P", *options, "-m", "blocks_registry.doctor.trial", str(file)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    file.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [*command, offers[0].module, *texts],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout_seconds:g} seconds", ""
    if not file.is_file():
        return f"ended the process (exit code {done.returncode})", ""
    return cast("dict[str, Any]", json.loads(file.read_text("utf-8"))), done.stderr.decode(errors="replace")


def _vendors(shown: str, package: str) -> Iterator[tuple[str, float]]:
    """Yield the packages of others that modules of a package import, by what `-X importtime` printed.

    A module is printed after those that it imports, which stand further to the right.
    """
    found: dict[str, int] = {}
    above: list[tuple[int, str]] = []
    for match in reversed(list(_LINE.finditer(shown))):
        microseconds, depth, name = int(match[1]), len(match[2]), match[3]
        while above and above[-1][0] >= depth:
            above.pop()
        importer = above[-1][1].partition(".")[0] if above else ""
        top = name.partition(".")[0]
        if importer == package != top and top not in sys.stdlib_module_names:
            found[top] = found.get(top, 0) + microseconds
        above.append((depth, name))
    for name, microseconds in sorted(found.items(), key=lambda entry: -entry[1]):
        if name not in ("blocks_core", "pydantic"):
            yield name, microseconds / 1_000_000


def _clause(sentences: str) -> str:
    """Return what happened and why of a message of ours, without its remedy."""
    return sentences.partition(". ")[0].rstrip(".")
