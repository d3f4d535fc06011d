"""Names of a package whose modules are imported when one of them is first asked for: start-up time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_exports(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`.

        __getattr__, __dir__ = lazy_exports(__name__, {"Widget": "widgets"})

    Args:    modules: exported name -> the module of the package that has it.
    Source:  PEP 562 (module __getattr__ and __dir__).
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        found = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    def listed() -> list[str]:
        return sorted(modules)

    return get, listed
