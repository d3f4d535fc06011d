"""Exported blocks in files: written beside and put into place, so that a file is always a whole one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from blocks_registry.declaring.exporting import Exported
from blocks_registry.errors import ExportRefused


def documents(exported: Iterable[Exported]) -> Iterator[str]:
    """Yield the text of one file with all of these blocks, piece by piece."""
    for count, block in enumerate(exported):
        yield f"---\n{block.text}" if count else block.text


def is_folder(path: str) -> bool:
    """Tell whether a path is meant as a folder: it is one, or ends like one."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def write_file(path: str, pieces: Iterable[str], *, private: bool) -> None:
    """Write one file.

    Args:    private: for its owner alone to read.
    Raises:  ExportRefused: it cannot be written; what was there stays.
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            _refuse_open(target, private=private)
            with target.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(pieces)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, pieces, private=private)
    except OSError as error:
        raise _refusal(path, error) from error


def write_folder(folder: str, exported: Iterable[Exported], *, private: bool) -> list[str]:
    """Write a file `slug/name.yaml` for each block; return the paths of such files that stand for none of them.

    Raises:  ExportRefused.
    """
    written: set[Path] = set()
    for block in exported:
        target = Path(folder, block.slug, f"{block.name}.yaml")
        written.add(target)
        write_file(str(target), [block.text], private=private)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return sorted(str(path) for path in Path(folder).glob("*/*.yaml") if path not in written)
    except OSError as error:
        raise _refusal(folder, error) from error


def _replace(target: Path, pieces: Iterable[str], *, private: bool) -> None:
    handle, beside = mkstemp(dir=target.parent, prefix=f".{target.name}.")  # of mode 0600
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            if not private:
                os.chmod(beside, _usual_mode(target))
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _usual_mode(target: Path) -> int:
    """Return the mode that a file has, or that a new one would get."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _refuse_open(target: Path, *, private: bool) -> None:
    if private:
        raise ExportRefused(
            f"Secrets were not written to {target}, which is no file of its own. Give a file, or --to - for standard "
            f"output."
        )


def _refusal(path: str, error: OSError) -> ExportRefused:
    reason = error.strerror or type(error).__name__
    return ExportRefused(f"'{path}' cannot be written: {reason}. Give another file or folder with --to.")
