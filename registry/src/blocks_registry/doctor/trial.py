"""One import of a plugin's module, in a process of its own, and what it did.

    python -P [-X importtime] -m blocks_registry.doctor.trial FILE MODULE OFFER...

An offer is the JSON of its fields. What was seen is written to the file as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import threading
from importlib import import_module
from inspect import currentframe
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

from blocks_core.catalog import load_type
from blocks_core.discovery import Offer
from blocks_core.errors import BlocksError
from blocks_core.schema import describe

_NETWORK = {
    "socket.bind": "listens on the network",
    "socket.connect": "connects to the network",
    "socket.getaddrinfo": "looks up a name on the network",
}
_PROCESSES = {
    "os.exec": "starts a program",
    "os.posix_spawn": "starts a program",
    "os.system": "starts a program",
    "subprocess.Popen": "starts a program",
}
_FILES = {
    "os.mkdir": "makes a folder",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MOST_EVENTS = 20

_STANDARD_LIBRARY = sysconfig.get_path("stdlib")


class Watch:
    """Notes what an import does beside defining things: it reads files, and nothing else."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []
        self._watching = False
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self._watching = True

    def __exit__(self, *_: object) -> None:
        self._watching = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        done = _what(event, arguments)
        if done and len(self.events) < _MOST_EVENTS:
            self._watching = False  # what follows may open files itself
            noted = {"what": done, "where": _where(currentframe())}
            if noted not in self.events:
                self.events.append(noted)
            self._watching = True


def _what(event: str, arguments: tuple[Any, ...]) -> str:
    found = _NETWORK.get(event) or _PROCESSES.get(event)
    if found:
        return found
    path = os.fsdecode(arguments[0]) if arguments and isinstance(arguments[0], (str, bytes)) else ""
    if not path or "__pycache__" in path or path == os.devnull:
        return ""
    if event in _FILES:
        return f"{_FILES[event]} ({path})"
    if event == "open" and arguments[2] & _WRITING:
        return f"writes a file ({path})"
    return ""


def _where(frame: FrameType | None) -> str:
    """Return the innermost line that is not of the standard library."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file == __file__ and frame.f_code.co_name == "main":
            break
        inside = file.startswith(_STANDARD_LIBRARY) and "site-packages" not in file
        if not inside and not file.startswith("<") and file != __file__:
            return f"line {frame.f_lineno} of '{frame.f_globals.get('__name__', file)}'"
        frame = frame.f_back
    return "somewhere"


def main(file: str, module: str, *offers: str) -> None:
    """Import a module, then look at each object that is offered of it."""
    _import_what_every_plugin_has()
    watch, problem = Watch(), ""
    threads = threading.active_count()
    started = perf_counter()
    with watch:
        try:
            __import__(module)  # as the statement does it: -X importtime does not see import_module
        except (Exception, SystemExit) as error:  # noqa: BLE001 a module's own code may raise anything
            problem = f"{type(error).__name__}: {error}"
    seconds = perf_counter() - started
    if threading.active_count() > threads:
        watch.events.append({"what": "starts a thread that goes on", "where": f"'{module}'"})
    seen = {
        "problem": problem,
        "seconds": seconds,
        "events": watch.events,
        "offers": {text: _look(Offer(**json.loads(text))) for text in offers},
    }
    Path(file).write_text(json.dumps(seen), "utf-8")


def _look(offer: Offer) -> dict[str, Any]:
    """Return what is wrong with an offered object, and what a type says of itself."""
    try:
        if offer.group != "blocks.types":
            offer.load()
            return {"problem": ""}
        found = describe(
            load_type(offer),
            distribution=offer.distribution,
            distribution_version=offer.distribution_version,
        )
    except BlocksError as error:
        return {"problem": str(error)}
    return {"problem": "", "type": found.to_json()}


def _import_what_every_plugin_has() -> None:
    """Import first what a program with blocks has imported anyway, so that it is not laid at the plugin's door."""
    for name in ("block", "capabilities", "codec", "library", "storage"):
        import_module(f"blocks_core.{name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
