"""Flows from where they are declared: `FILE:NAME` or `module:NAME`; a file runs under its own name, not as a program.

Its folder is put on `sys.path`, or, of a file in a package, the folder that the package lies in, so that its imports
work. A flow that the file runs while it is loaded is passed over: the run's state is None there.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from blocks_core.names import suggest
from blocks_flows.context import FRAME
from blocks_flows.errors import FlowNotLoaded
from blocks_flows.failures import describe
from blocks_flows.function_flows import FunctionFlow
from blocks_flows.graph_flows import Flow
from blocks_flows.lineages import Loading, telling
from blocks_flows.run_logs import FLOW_LOGGER, prepare_logging
from blocks_flows.starting import AnyFlow


def load_flow(entry_point: str) -> AnyFlow:
    """Return a flow by `FILE:NAME` or `module:NAME`; without the name, the only one that is declared there.

    Args:    entry_point: the name is that of the variable, or the flow's own.
    Raises:  FlowNotLoaded.
    """
    place, wanted = split_entry_point(entry_point)
    flows = load_flows(place)
    if not wanted and len(flows) == 1:
        return next(iter(flows.values()))
    if wanted in flows:
        return flows[wanted]
    named = [flow for flow in flows.values() if flow.name == wanted]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(sorted(flows)) or "none"
    if not wanted:
        raise FlowNotLoaded(f"{place} declares {len(flows)} flows ({listed}). Say which one: {place}:NAME.")
    close = suggest(wanted, flows)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise FlowNotLoaded(
        f"{place} has no flow '{wanted}' at its top level (there are: {listed}).{hint} Declare it there, or name "
        f"another."
    )


def load_flows(place: str) -> dict[str, AnyFlow]:
    """Return the flows that a file or module declares, by the names of their variables; else those that it imports.

    Raises:  FlowNotLoaded.
    """
    module = load_module(place)
    found: dict[str, AnyFlow] = {}
    for name, value in vars(module).items():
        is_own = isinstance(value, (Flow, FunctionFlow)) and value.__module__ == module.__name__
        if is_own and not any(value is flow for flow in found.values()):
            found[name] = value
    if found:
        return found
    return {name: value for name, value in vars(module).items() if isinstance(value, (Flow, FunctionFlow))}


def split_entry_point(entry_point: str) -> tuple[str, str]:
    """Return the file or module, and the flow's name or nothing.

    Raises:  FlowNotLoaded: there is nothing before the colon.
    """
    place, colon, name = entry_point.rpartition(":")
    if not colon:
        place, name = entry_point, ""
    if not place:
        raise FlowNotLoaded(
            f"'{entry_point}' names no flow. Write FILE:NAME or module:NAME, such as etl.py:etl."
        )
    return place, name


def load_module(place: str) -> ModuleType:
    """Return the module of a file, or of that name; one that is loaded already as it is.

    Raises:  FlowNotLoaded.
    """
    prepare_logging()
    loading = Loading(place)
    token = FRAME.set(telling(loading))
    try:
        return _load_file(Path(place), loading) if _is_file(place) else _import(place, Path.cwd())
    except FlowNotLoaded:
        raise
    except (Exception, SystemExit) as error:
        where = _line_in(error, place)
        raise FlowNotLoaded(
            f"{place} cannot be loaded: {describe(error)}{where}. Run it by itself to see where that comes from."
        ) from error
    finally:
        FRAME.reset(token)


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or "\\" in place


def _load_file(path: Path, loading: Loading) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        raise FlowNotLoaded(f"There is no file {path}. Give the path of a Python file that declares flows.")
    name, root = _package_of(path)
    if "." in name:
        return _import(name, root)
    try:
        return _execute(_free_name(name, path), path, loading)
    except ImportError as error:
        if "relative import" not in str(error):
            raise
    return _import(f"{path.parent.name}.{name}", path.parent.parent)  # of a package without an __init__.py


def _package_of(path: Path) -> tuple[str, Path]:
    """Return the name that a file is imported by, and the folder where its package begins."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names), folder


def _import(name: str, root: Path) -> ModuleType:
    _add_to_path(root)
    return importlib.import_module(name)


def _free_name(name: str, path: Path) -> str:
    """Return the name to load a file by: its own, unless a module of that name comes from elsewhere."""
    known = sys.modules.get(name)
    if known is None or getattr(known, "__file__", None) == str(path):
        return name
    return f"flow_file_{name}"


def _execute(name: str, path: Path, loading: Loading) -> ModuleType:
    _add_to_path(path.parent)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FlowNotLoaded(f"{path} is no Python file. Give one whose name ends in .py.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if not loading.passed_over or not isinstance(error, Exception):
            del sys.modules[name]
            raise
        FLOW_LOGGER.warning(
            "%s was not loaded to its end, as it looks at a run that was passed over: %s%s",
            path,
            describe(error),
            _line_in(error, str(path)),
        )
    return module


def _add_to_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _line_in(error: BaseException, place: str) -> str:
    """Return in which line of a file an error was raised, as a text to put behind another."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename else None
    trace = error.__traceback__
    name = Path(place).name
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == name:
            line = line or trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f" (line {line})"
