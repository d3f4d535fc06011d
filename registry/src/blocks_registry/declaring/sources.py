"""The files that declarations are read from: single ones, folders, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from blocks_registry.declaring.yaml_reader import MAX_BYTES, Budget, Node, read_documents
from blocks_registry.errors import DeclarationProblem

_STANDARD_INPUT = "-"
_ENDINGS = (".yaml", ".yml")


def read_sources(paths: Sequence[str], budget: Budget) -> list[Node]:
    """Return the documents of files and folders in their order; what cannot be read goes to the budget's problems.

    Args:    paths: of files, of folders, which are read with all below them, sorted, but for hidden ones
             (`.git`), and `-` for standard input.
    """
    found: list[Node] = []
    for path in paths:
        for source in _files(path, budget):
            raw = _bytes(source, budget)
            if raw is not None:
                name = "standard input" if source == _STANDARD_INPUT else source
                found += read_documents(raw, name, budget)
    return found


def _files(path: str, budget: Budget) -> Iterator[str]:
    if path == _STANDARD_INPUT or not Path(path).is_dir():
        yield path
        return
    found: list[str] = []
    for folder, folders, names in os.walk(path, onerror=lambda error: _note_unreadable(budget, error)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                problem = "a link to a folder is not followed. Give that folder itself, or take the link away"
                _note(budget, os.path.join(folder, name), problem)
        found += [
            os.path.join(folder, name)
            for name in names
            if name.endswith(_ENDINGS) and not name.startswith(".")
        ]
    if not found:
        _note(budget, path, "the folder has no files that end in .yaml or .yml. Give another one")
    yield from sorted(found)


def _note_unreadable(budget: Budget, error: OSError) -> None:
    """Note a folder that cannot be listed: what it declares must not be taken for undeclared."""
    reason = error.strerror or type(error).__name__
    _note(budget, str(error.filename), f"the folder cannot be read: {reason}. Let this process read it")


def _bytes(source: str, budget: Budget) -> bytes | None:
    """Return a file's bytes, one more than are allowed at most."""
    try:
        if source == _STANDARD_INPUT:
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with open(source, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        _note(
            budget,
            source,
            f"the file cannot be read: {error.strerror or type(error).__name__}. Give another one",
        )
    return None


def _note(budget: Budget, source: str, problem: str) -> None:
    budget.problems.append(DeclarationProblem(problem, source))
