"""Times a fresh process that loads one block, with all plugins installed and with those that it needs.

Run it with `.venv/bin/python bench/cold_start.py [ROUNDS]`. Out of this environment it makes two, with links in place
of files, as wheels would lie there: one with each distribution of this project, one with the core, the registry and
the standard plugin; both with what these depend on, and nothing else. A process imports `blocks_core` and loads a
`secret` in each, by turns; printed are the medians, where time goes, and how far the best of each are apart, as what
else runs here only ever adds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from time import perf_counter

from packaging.requirements import Requirement

ROUNDS = 60
BUDGET_MS = 10.0
NEEDED = ("blocks-core", "blocks-registry", "blocks-standard")
SAVE = "from blocks_standard import Secret; Secret(value='hidden').save('cold', overwrite=True)"
LOAD = "import blocks_core; assert blocks_core.Block.load('secret/cold').get() == 'hidden'"
STEPS = ("pydantic and its plugins", "import", "scan for blocks", "load")
WHERE = """
from time import perf_counter
start = perf_counter()
from pydantic.plugin._loader import get_plugins
get_plugins()
asked = perf_counter()
import blocks_core
imported = perf_counter()
from blocks_core.discovery import read_offers
read_offers("blocks.types")
scanned = perf_counter()
blocks_core.Block.load("secret/cold")
print([round((b - a) * 1000, 1) for a, b in
       ((start, asked), (asked, imported), (imported, scanned), (scanned, perf_counter()))])
"""


def environment(folder: Path, chosen: list[Distribution]) -> Path:
    """Fill a folder with links to what distributions consist of, and return it."""
    folder.mkdir()
    for found in chosen:
        site = Path(str(found.locate_file("")))
        for name in {
            file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            if name.endswith(".pth"):  # of what is installed in place: its package, as a wheel would have it
                source = Path((site / name).read_text().strip())
                for package in source.glob("*/__init__.py"):
                    link(folder, package.parent)
            elif (site / name).exists():
                link(folder, site / name)
    return folder


def link(folder: Path, target: Path) -> None:
    if not (folder / target.name).exists():
        (folder / target.name).symlink_to(target)


def closed(names: Iterable[str], installed: dict[str, Distribution]) -> list[Distribution]:
    """Return distributions with all that they depend on."""
    waiting, found = list(names), dict[str, Distribution]()
    while waiting:
        name = waiting.pop()
        if name in found or name not in installed:
            continue
        found[name] = installed[name]
        for text in installed[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(plain(requirement.name))
    return list(found.values())


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def run(site: Path, home: str, code: str) -> tuple[float, float, str]:
    """Run a program, and return its milliseconds by the clock and of the processor, and what it printed."""
    settings = {"PYTHONPATH": str(site), "BLOCKS_HOME": home, "PATH": os.environ["PATH"]}
    start = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code], env=settings, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process.stdout as output:
        printed = output.read()
    _, status, usage = os.wait4(process.pid, 0)
    taken = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("The program failed.")
    return taken * 1000, (usage.ru_utime + usage.ru_stime) * 1000, printed


def main() -> None:
    """Compare, and end with an error where all plugins cost more than their budget."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    installed = {plain(found.name): found for found in distributions()}
    ours = [found for found in installed if found.startswith("blocks-")]
    with tempfile.TemporaryDirectory() as name:
        sites = {
            "needed": environment(Path(name) / "needed", closed(NEEDED, installed)),
            "all": environment(Path(name) / "all", closed(ours, installed)),
        }
        home = str(Path(name) / "home")
        run(sites["needed"], home, SAVE)
        taken: dict[str, list[tuple[float, float]]] = {label: [] for label in sites}
        for number in range(rounds + 2):
            for label in list(sites) if number % 2 else list(sites)[::-1]:
                clock, processor, _ = run(sites[label], home, LOAD)
                if number >= 2:  # the first ones write .pyc files, and warm the disk
                    taken[label].append((clock, processor))
        for label, site in sites.items():
            steps = [json.loads(run(site, home, WHERE)[2]) for _ in range(11)]
            parts = ", ".join(
                f"{what} {statistics.median(found):.1f}"
                for what, found in zip(STEPS, zip(*steps, strict=True), strict=True)
            )
            count = len(list(site.glob("*.dist-info")))
            clock, processor = (statistics.median(found) for found in zip(*taken[label], strict=True))
            print(
                f"{label:7} {count:4} distributions: {clock:6.1f} ms, of the processor {processor:6.1f} ({parts})"
            )
        clock, processor = (
            min(found[which] for found in taken["all"]) - min(found[which] for found in taken["needed"])
            for which in (0, 1)
        )
        print(f"all plugins add {clock:.1f} ms at best, of the processor {processor:.1f}")
    if min(clock, processor) > BUDGET_MS:
        sys.exit(f"That is above the budget of {BUDGET_MS:.0f} ms.")


if __name__ == "__main__":
    main()
