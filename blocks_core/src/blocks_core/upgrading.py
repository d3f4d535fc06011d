"""`@upgrades`: how a block type says what became of the blocks that its older versions stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any, cast

from blocks_core.errors import BlockTypeInvalid

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""The stored fields of one version to those of the next; plain data, secrets as placeholders."""

_MARK = "__blocks_upgrades_from__"


def upgrades(*, from_version: int) -> Callable[[Upgrade], Upgrade]:
    """Let a function of a class body bring blocks that version `from_version` stored to the next version.

        @upgrades(from_version=1)
        def _bucket_path_was_renamed(data):
            data["bucket"] = data.pop("bucket_path")
            return data

    The function is given a copy of the stored fields by their names, and returns them, changed in place or as a new
    dict. It is pure: the same data in, the same data out, and nothing else read. Secrets, secret references and saved
    blocks are placeholders, to be moved, renamed, put in lists or dropped, never read. Blocks stored inside have been
    brought to their own newest version already.

    Raises:  BlockTypeInvalid, by the class statement.
    """

    def mark(function: Upgrade) -> Upgrade:
        function = getattr(function, "__func__", function)  # of a function that is static already
        if not callable(function) or isinstance(function, type):
            raise BlockTypeInvalid(
                f"@upgrades(from_version={from_version!r}) stands before {function!r}, which is no function. Put it "
                f"before a function of the class body: def _what_changed(data)."
            )
        setattr(function, _MARK, from_version)
        return cast("Upgrade", staticmethod(function))  # a method to nobody: pydantic takes it for no field

    return mark


def declared_upgrades(name: str, version: int | None, namespace: Mapping[str, object]) -> dict[int, Upgrade]:
    """Return what a class body declares by `@upgrades`: version -> function, in the order of the versions.

    Args:    name, version: of the class; the version is None where it has no slug.
    Raises:  BlockTypeInvalid: two for one version, one for a version that is not older, one that takes no data.
    """
    found: dict[int, Upgrade] = {}
    for function in _marked(namespace.values()):
        start: object = getattr(function, _MARK)
        what = f"{name}.{_name_of(function)} upgrades from version {start!r}"
        if not isinstance(start, int) or isinstance(start, bool) or start < 1:
            raise BlockTypeInvalid(f"{what}. Count versions in integers from 1.")
        if version is None:
            raise BlockTypeInvalid(
                f"{what}, but the class has no slug, so nothing is stored of it. Give it one."
            )
        if start >= version:
            raise BlockTypeInvalid(
                f"{what}, and the class has version {version}. Raise the version in the class statement "
                f"(version={start + 1}), or mend from_version."
            )
        if start in found:
            raise BlockTypeInvalid(
                f"{what}, as {_name_of(found[start])} does. Write one function for each version."
            )
        if not _takes_one(function):
            raise BlockTypeInvalid(
                f"{what} and must take one argument, the data: def {_name_of(function)}(data)."
            )
        found[start] = function
    return dict(sorted(found.items()))


def _marked(values: Iterable[object]) -> Iterable[Upgrade]:
    functions = (value.__func__ for value in values if isinstance(value, staticmethod))
    return [cast("Upgrade", function) for function in functions if hasattr(function, _MARK)]


def _takes_one(function: Upgrade) -> bool:
    try:
        signature(function).bind({})
    except (TypeError, ValueError):
        return False
    return True


def _name_of(function: Upgrade) -> str:
    return getattr(function, "__name__", "a function")
