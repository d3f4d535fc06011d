"""What can be told to be wrong with a plugin by reading its source, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from blocks_core.discovery import Offer

_ATTEMPTS: Final = 5


@dataclass(frozen=True)
class Fault:
    """Why an offered object cannot be imported."""

    problem: str
    missing_package: str = ""
    """The package that is imported and not installed, where that is why."""


def diagnose(offer: Offer) -> str | None:
    """Return in words why an offered object cannot be imported, or None where nothing is seen to be wrong."""
    fault = find_fault(offer)
    return fault.problem if fault else None


def find_fault(offer: Offer) -> Fault | None:
    """Return why an offered object cannot be imported, or None where nothing is seen to be wrong.

    A fault that shows only when the code runs is not seen: for that the plugin must be imported.
    """
    file = module_file(offer.module)
    if file is None:
        return Fault(f"there is no module '{offer.module}'")
    if file.suffix != ".py":
        return None
    try:
        tree = parse_source(file)
    except (SyntaxError, ValueError) as error:
        return Fault(f"'{offer.module}' is not Python: {error}")
    except (RecursionError, MemoryError):
        return Fault(f"'{offer.module}' is nested too deeply to be read")
    except OSError as error:
        return Fault(f"the file of '{offer.module}' cannot be read: {error.strerror}")
    for statement in tree.body:
        fault = _fault_of(statement)
        if fault:
            place = f"line {statement.lineno} of '{offer.module}'"
            return Fault(f"{place} {fault.problem}", fault.missing_package)
    return None


def parse_source(file: Path) -> ast.Module:
    """Return the syntax tree of a file of Python.

    Raises:  OSError; SyntaxError, ValueError: it is not Python; RecursionError, MemoryError: it is nested too deeply.
    """
    source = file.read_bytes()
    for _ in range(_ATTEMPTS - 1):
        try:
            return ast.parse(source, filename=str(file))
        except SystemError:
            continue  # another thread built a tree meanwhile: before Python 3.13 they count their depths together
    return ast.parse(source, filename=str(file))


def module_file(module: str) -> Path | None:
    """Return a module's file, or None where there is none; of the packages above it none is imported."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in folders:
        inner = folder.joinpath(*rest)
        for file in (inner.with_suffix(".py"), inner / "__init__.py"):
            if file.is_file():
                return file
        for file in inner.parent.glob(f"{inner.name}.*.so"):
            return file
    return None


def _fault_of(statement: ast.stmt) -> Fault | None:
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        return Fault(f"raises {ast.unparse(statement.exc)}")
    for package in _packages_imported(statement):
        if not _is_there(package):
            return Fault(f"imports '{package}', which is not installed", package)
    return None


def _packages_imported(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.name.partition(".")[0]
    elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
        yield statement.module.partition(".")[0]


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
