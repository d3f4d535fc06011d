"""What `block register` does: makes block types known to a registry, each for itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeGuard, cast

from blocks_core.block import Block, slug_of
from blocks_core.catalog import CatalogEntry
from blocks_core.discovery import read_offers
from blocks_core.errors import BlocksError, PluginBroken, did_you_mean
from blocks_core.library import Library
from blocks_core.names import suggest
from blocks_core.schema import BlockType, describe
from blocks_registry.errors import ModuleInvalid


@dataclass(frozen=True)
class Outcome:
    """What became of one type."""

    slug: str
    outcome: str
    """`new`, `unchanged`, `updated`, `new version` or `failed`."""
    block_type: BlockType | None = None
    """None where it failed."""
    distribution: str = ""
    """As people write it, with its version."""
    problem: str = ""
    """Why it failed and what to do."""


def register_all(library: Library) -> list[Outcome]:
    """Register every type that an installed distribution offers, and say what became of each."""
    return [_register_entry(library, entry) for entry in library.catalog.entries()]


def register_module(library: Library, module: str) -> list[Outcome]:
    """Register what a package's distribution offers, or, where it offers nothing, what the module defines.

    Args:    module: a package (`blocks_aws`), or one module of it (`blocks_aws.s3`).
    Raises:  ModuleInvalid: it is not there, cannot be imported or defines no block types.
    """
    entries = _entries_of(library.catalog.entries(), module)
    if entries:
        return [_register_entry(library, entry) for entry in entries]
    import_types(module)
    return _register_classes(library, module, f"The module '{module}'")


def register_file(library: Library, file: Path) -> list[Outcome]:
    """Run a Python file as a module and register what it defines.

    Raises:  ModuleInvalid: it is not there, is not Python, raises, or defines no block types.
    """
    name = run_types(file)
    return _register_classes(library, name, f"The file {file}")


def _entries_of(entries: list[CatalogEntry], module: str) -> list[CatalogEntry]:
    """Return the types of the package's distributions, or those of one module inside it."""
    if "." in module:
        return [
            entry
            for entry in entries
            if entry.offer.module == module or entry.offer.module.startswith(module + ".")
        ]
    distributions = {entry.offer.distribution for entry in entries if entry.offer.package == module}
    return [entry for entry in entries if entry.offer.distribution in distributions]


def _register_entry(library: Library, entry: CatalogEntry) -> Outcome:
    offer = entry.offer

    def register() -> BlockType:
        if entry.problem:
            raise PluginBroken(_with_remedy(entry.problem, offer.distribution))
        return entry.block_type or library.catalog.describe_offer(offer)

    return _outcome(library, offer.name, register, offer.origin)


def _register_classes(library: Library, module: str, what: str) -> list[Outcome]:
    found = _classes_of(module)
    if not found:
        raise ModuleInvalid(
            f"{what} defines no block types. A block type is a subclass of blocks_core.Block with a slug: "
            f'class MyBlock(Block, slug="my-block"). What a module only imports is registered by the module '
            f"that defines it."
        )
    return [_register_class(library, slug, classes) for slug, classes in sorted(found.items())]


def _register_class(library: Library, slug: str, classes: list[type[Block]]) -> Outcome:
    def register() -> BlockType:
        if len(classes) > 1:
            claims = " and ".join(f"{found.__module__}:{found.__qualname__}" for found in classes)
            raise ModuleInvalid(f"The slug '{slug}' is claimed by {claims}. Give each class its own.")
        return describe(classes[0])

    return _outcome(library, slug, register, "")


def _outcome(library: Library, slug: str, described: Callable[[], BlockType], distribution: str) -> Outcome:
    try:
        done = library.registry.register(described())
    except BlocksError as error:
        return Outcome(slug, "failed", None, distribution, str(error))
    return Outcome(slug, done.outcome, done.block_type, distribution)


def _with_remedy(problem: str, distribution: str) -> str:
    if problem.endswith("."):
        return problem
    return f"{problem[:1].upper()}{problem[1:]}. Upgrade, reinstall or remove {distribution}."


def _classes_of(module: str) -> dict[str, list[type[Block]]]:
    """Return the block types that a module and the loaded modules inside it define, by their slugs."""
    modules = [
        loaded
        for name, loaded in list(sys.modules.items())
        if name == module or name.startswith(module + ".")
    ]
    found: dict[str, list[type[Block]]] = {}
    for value in _values_of(modules):
        if _is_type_of(value, module):
            classes = found.setdefault(slug_of(value), [])
            if value not in classes:
                classes.append(value)
    return found


def _is_type_of(value: object, module: str) -> TypeGuard[type[Block]]:
    return (
        isinstance(value, type)
        and issubclass(value, Block)
        and value.type_info.slug is not None
        and "[" not in value.__name__  # a generic type's parametrised copy
        and (value.__module__ == module or value.__module__.startswith(module + "."))
    )


def _values_of(modules: Iterable[ModuleType]) -> list[object]:
    return [value for module in modules for value in list(vars(module).values())]


def import_types(module: str) -> None:
    """Import a module, so that the types it defines are known in this process.

    Raises:  ModuleInvalid: it is not there, or cannot be imported.
    """
    if not all(part.isidentifier() for part in module.split(".")):
        _refuse_missing(module)
    here = str(Path.cwd())
    if here not in sys.path:  # as python -m does, but last, so that no file here hides what is installed
        sys.path.append(here)
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            _refuse_missing(module)
        _refuse_broken(f"The module '{module}'", error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 a module's own code may raise anything
        _refuse_broken(f"The module '{module}'", error)


def run_types(file: Path) -> str:
    """Run a file as a module, so that the types it defines are known, and return the name it was given.

    Raises:  ModuleInvalid: it is not there, is not Python, or raises.
    """
    if not file.is_file():
        raise ModuleInvalid(
            f"There is no file {file}. Give the path of a Python file, or a module's name with -m."
        )
    if file.suffix != ".py":
        raise ModuleInvalid(
            f"The file {file} is not named like a Python file. Give one whose name ends in .py."
        )
    name = _free_name(file)
    spec = spec_from_file_location(name, file.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs: pydantic looks up annotations there
    folder = str(file.absolute().parent)
    if folder not in sys.path:  # as python FILE does, but last
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 a module's own code may raise anything
        del sys.modules[name]
        _refuse_broken(f"The file {file}", error)
    return name


def _free_name(file: Path) -> str:
    """Return a file's own name, or another where an installed module has it."""
    try:
        taken = find_spec(file.stem)
    except (ImportError, ValueError):
        taken = None
    is_itself = taken is not None and taken.origin is not None and Path(taken.origin) == file.absolute()
    return file.stem if file.stem.isidentifier() and (taken is None or is_itself) else f"file_{file.stem}"


def _refuse_missing(module: str) -> NoReturn:
    packages = {offer.package for offer in read_offers("blocks.types")}
    raise ModuleInvalid(
        f"There is no module '{module}'{did_you_mean(suggest(module, packages))}. Install the plugin, run the "
        f"command in the folder of the module, or give its file with -f."
    ) from None


def _refuse_broken(what: str, error: BaseException) -> NoReturn:
    if isinstance(error, SyntaxError):
        place = f" (line {error.lineno} of {error.filename})" if error.lineno else ""
        problem, remedy = f"is not Python: {error.msg}{place}", "Mend it there"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        problem = f"needs the package '{error.name}', which is not installed"
        remedy = f"Install it: pip install {error.name.partition('.')[0]}"
    else:
        line = _line_of(error)
        problem = f"cannot be imported: {type(error).__name__}: {error}{line}"
        remedy = 'Mend it, or see where it comes from with "block --debug register ..."'
    raise ModuleInvalid(f"{what} {problem}. {remedy}.") from error


def _line_of(error: BaseException) -> str:
    """Return the place in a file where an error was raised, in words."""
    traceback: Any = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f" (line {cast('int', traceback.tb_lineno)} of {traceback.tb_frame.f_code.co_filename})"
