"""A plugin of pytest that writes down which criteria of the kit's suites each block type fulfilled.

    pytest -p blocks_core.testing.quality_report --blocks-quality

A criterion is a test of a suite that a test class inherits; the type is that of the block which the suite's fixture
gave. Nobody loads the plugin by having blocks-core installed: name it by `-p`, as above or in `addopts`.

With pytest-xdist each worker sends what it saw along with a test's report; the process that gets all reports writes.
"""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest

from blocks_core.block import Block
from blocks_core.catalog import Catalog
from blocks_core.quality import TypeResults, file_text, merged, quality_file, read_entries

SUBJECTS: Mapping[str, str] = {
    "BlockSuite": "block",
    "CredentialsSuite": "credentials",
    "DocsSuite": "block_type",
    "InfrastructureSuite": "infrastructure",
    "NotifierSuite": "notifier",
    "ReadableStorageSuite": "stocked",
    "SecretSourceSuite": "source",
    "StorageSuite": "storage",
}
"""Suite -> the fixture that gives the block, or the type, under test."""

_KIT = "blocks_core.testing"
_PROPERTY = "blocks_criterion"
_OUTCOMES = Path(inspect.getfile(type(pytest.skip)))
"""Where `pytest.skip` itself is."""


@dataclass(frozen=True)
class Subject:
    """The block type under test, as it is installed."""

    package: str
    slug: str
    version: int
    structure_hash: str
    distribution: str
    distribution_version: str


@dataclass
class _Seen:
    """What was seen of one test class."""

    subjects: set[Subject] = field(default_factory=set[Subject])
    outcomes: list[tuple[str, str, str, Subject | None]] = field(
        default_factory=list[tuple[str, str, str, "Subject | None"]]
    )
    """Suite, criterion, outcome, and the type where the test itself got as far as having one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("blocks", "Blocks")
    group.addoption(
        "--blocks-quality",
        action="store_true",
        help="Write into blocks-quality.json of each package which criteria of the kit its block types fulfilled.",
    )
    group.addoption(
        "--blocks-report",
        metavar="FILE",
        help="Write that of all block types to one file, merged with what it has.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Record where one of the options asks for it."""
    if config.getoption("blocks_quality") or config.getoption("blocks_report"):
        config.pluginmanager.register(Recorder(config), "blocks-quality-recorder")


class Recorder:
    """Notes the outcome of each criterion and writes them at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._classes: defaultdict[str, _Seen] = defaultdict(_Seen)
        self._written: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to a test's report which criterion it is of and on which type it was tried."""
        report = yield
        for suite in _suites_of(item):
            noted = {
                "class": item.nodeid.rpartition("::")[0],
                "suite": f"{suite.__module__}:{suite.__name__}",
                "criterion": _name_of(item),
                "outcome": _outcome_of(item, suite, report, call),
                "subject": _subject_of(item, SUBJECTS[suite.__name__]),
            }
            report.user_properties.append((_PROPERTY, json.dumps(noted)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report tells; it may come from another process."""
        for name, value in report.user_properties:
            if name == _PROPERTY:
                noted = json.loads(str(value))
                subject = Subject(**noted["subject"]) if noted["subject"] else None
                seen = self._classes[noted["class"]]
                if subject:
                    seen.subjects.add(subject)
                if noted["outcome"]:
                    seen.outcomes.append((noted["suite"], noted["criterion"], noted["outcome"], subject))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write what was seen."""
        if hasattr(self._config, "workerinput"):  # of xdist: the other process writes
            return
        results = dict(self._results())
        report = self._config.getoption("blocks_report")
        if report:
            self._write(Path(report), list(results.values()))
        if self._config.getoption("blocks_quality"):
            for package in sorted({subject.package for subject in results}):
                file = quality_file(package)
                if file:
                    self._write(
                        file, [found for subject, found in results.items() if subject.package == package]
                    )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where it was written."""
        for line in self._written:
            terminalreporter.write_line(line)

    def _results(self) -> Iterator[tuple[Subject, TypeResults]]:
        """Yield for each type what its suites saw; a class that never got a block is of no type."""
        found: dict[Subject, dict[str, dict[str, set[str]]]] = {}
        for seen in self._classes.values():
            only = next(iter(seen.subjects)) if len(seen.subjects) == 1 else None
            for suite, criterion, outcome, subject in seen.outcomes:
                tried = subject or only
                if tried:
                    suites = found.setdefault(tried, {})
                    suites.setdefault(suite, {}).setdefault(criterion, set()).add(outcome)
        for subject, suites in found.items():
            by_name = {name.partition(":")[2]: _judged(name, suites[name]) for name in sorted(suites)}
            yield (
                subject,
                TypeResults(
                    slug=subject.slug,
                    version=subject.version,
                    structure_hash=subject.structure_hash,
                    distribution=subject.distribution,
                    distribution_version=subject.distribution_version,
                    kit=version("blocks-core"),
                    suites=by_name,
                ),
            )

    def _write(self, file: Path, results: list[TypeResults]) -> None:
        try:
            before = read_entries(file)
        except ValueError:
            before = []  # it cannot be read, so there is nothing in it to keep
        text = file_text(merged(before, results))
        if not file.is_file() or file.read_text("utf-8") != text:
            part = file.with_name(f"{file.name}.part")
            part.write_text(text, "utf-8")
            part.replace(file)
        self._written.append(f"{file}: results of {', '.join(sorted(found.slug for found in results))}")


def criteria_of(suite: type) -> list[str]:
    """Return the names of a suite's tests."""
    return sorted(name for name in dir(suite) if name.startswith("test_"))


def _judged(suite: str, outcomes: Mapping[str, set[str]]) -> dict[str, str]:
    module, _, name = suite.partition(":")
    found = cast("type", getattr(import_module(module), name))
    return {criterion: _judge(outcomes.get(criterion, set())) for criterion in criteria_of(found)}


def _judge(outcomes: set[str]) -> str:
    for word in ("failed", "replaced"):
        if word in outcomes:
            return word
    if "skipped" in outcomes:
        return "partly" if "passed" in outcomes else "skipped"
    for word in ("passed", "inapplicable"):
        if word in outcomes:
            return word
    return "missing"


def _suites_of(item: pytest.Item) -> list[type]:
    """Return the suites that a test is a criterion of; a suite that another one inherits is a part of that."""
    cls: type | None = getattr(item, "cls", None)
    ours = [base for base in cls.__mro__ if _is_suite(base)] if cls else []
    tops = [suite for suite in ours if not any(suite in other.__mro__[1:] for other in ours)]
    return [suite for suite in tops if hasattr(suite, _name_of(item))]


def _is_suite(cls: type) -> bool:
    return cls.__module__.startswith(f"{_KIT}.") and cls.__name__ in SUBJECTS


def _name_of(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", "") or item.name)


def _outcome_of(
    item: pytest.Item, suite: type, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> str:
    """Return what one phase of a test says of the criterion; empty where it says nothing."""
    name = _name_of(item)
    if getattr(getattr(item, "cls", None), name, None) is not getattr(suite, name):
        return "replaced"
    if report.failed:
        return "failed"
    if report.skipped:
        return "inapplicable" if _was_skipped_by_the_kit(call) else "skipped"
    return "passed" if report.when == "call" else ""


def _was_skipped_by_the_kit(call: pytest.CallInfo[None]) -> bool:
    """Tell whether the kit itself found that a criterion does not apply; fixtures of others lack components."""
    lines = [Path(str(entry.path)) for entry in call.excinfo.traceback] if call.excinfo else []
    raised = next((file for file in reversed(lines) if file != _OUTCOMES), Path())
    return raised.is_relative_to(Path(__file__).parent)


def _subject_of(item: pytest.Item, fixture: str) -> dict[str, Any] | None:
    given: object = getattr(item, "funcargs", {}).get(fixture)
    block_type = given if isinstance(given, type) else type(given)
    if not issubclass(block_type, Block) or not block_type.type_info.slug:
        return None
    subject = _installed(block_type)
    return vars(subject) if subject else None


@lru_cache(maxsize=256)
def _installed(block_type: type[Block]) -> Subject | None:
    found = Catalog().offered(block_type)
    if found is None:
        return None
    return Subject(
        package=block_type.__module__.partition(".")[0],
        slug=found.slug,
        version=found.version,
        structure_hash=found.structure_hash,
        distribution=found.distribution,
        distribution_version=found.distribution_version,
    )
