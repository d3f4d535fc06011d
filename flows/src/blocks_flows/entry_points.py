"""Where a flow is declared, for another process to load it: `FILE:NAME`, or `module:NAME` of what is installed."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any


def entry_point_of(flow: Any) -> str | None:
    """Return where a flow is declared; None: in no file, as in a notebook."""
    module = sys.modules.get(flow.__module__)
    place = None if module is None else _place_of(module)
    return None if place is None else f"{place}:{_name_in(module, flow)}"


def working_directory() -> str | None:
    """Return the folder that this process is in; None: it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _place_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__":
        spec = module.__spec__
        if spec is not None and spec.name != "__main__":  # python -m package.module
            return spec.name
        return str(Path(file).absolute()) if file else None
    if file is None or _is_installed(file):
        return module.__name__
    if "." in module.__name__ and not Path(file).with_name("__init__.py").exists():
        return module.__name__  # of a package without a file: only its name tells where that begins
    return str(Path(file).absolute())


def _name_in(module: ModuleType | None, flow: Any) -> str:
    for name, value in list(vars(module).items()):
        if value is flow:
            return name
    return flow.name


@lru_cache
def _is_installed(file: str) -> bool:
    paths = sysconfig.get_paths()
    return any(Path(file).is_relative_to(paths[key]) for key in ("purelib", "platlib", "stdlib"))
