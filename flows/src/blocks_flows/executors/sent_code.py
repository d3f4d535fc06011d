"""Code that was sent by its value: it is told again which file it is from, so that tracebacks show its lines."""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any, Final

_UNKNOWN: Final = "<dynamic-code>"
"""What cloudpickle puts in the place of a file's name (3.1)."""


def name_file(function: Any, file: str) -> None:
    """Tell a function, and those of its module that it can call, where they are written."""
    if not isinstance(function, FunctionType) or function.__code__.co_filename != _UNKNOWN:
        return
    function.__code__ = _named(function.__code__, file)
    for cell in function.__closure__ or ():
        try:
            name_file(cell.cell_contents, file)
        except ValueError:  # it is empty
            continue
    for name in function.__code__.co_names:
        name_file(function.__globals__.get(name), file)


def _named(code: CodeType, file: str) -> CodeType:
    inner = tuple(_named(each, file) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=file, co_consts=inner)
