"""A new plugin's files: from the templates, with the manifest and the page that its class gives. All or nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from shutil import rmtree

from blocks_core.manifest import FILE_NAME as MANIFEST
from blocks_core.manifest import manifest_text
from blocks_core.schema import BlockType
from blocks_registry.authoring.new_plugin import NewPlugin
from blocks_registry.authoring.pages import MARKER, page_text
from blocks_registry.errors import AuthoringRefused

_HOLE = re.compile(r"\{\{ (\w+) \}\}")
_SUFFIX = ".txt"
"""Of the templates' names, so that no tool takes them for code of this package."""

_TIMEOUT_SECONDS = 120


def write_plugin(plugin: NewPlugin, into: Path) -> list[Path]:
    """Write a plugin's package to a new folder of its name, and return the paths of its files.

    They appear together when all are written; after an error, or an interruption, there is none.

    Raises:  AuthoringRefused: the folder is there already, or cannot be written.
    """
    target = into / plugin.distribution
    if target.exists() or target.is_symlink():
        raise AuthoringRefused(
            f"{target} is there already, and nothing in it is replaced. Choose another name, or another folder with "
            f"--into."
        )
    part = into / f".{plugin.distribution}.{os.getpid()}.part"
    try:
        try:
            part.mkdir(parents=True)
            for name, text in rendered(plugin).items():
                file = part / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
            _write_what_the_class_says(plugin, part)
            part.rename(target)
        finally:
            rmtree(part, ignore_errors=True)
    except OSError as error:
        raise AuthoringRefused(f"{target} cannot be written: {error.strerror or error}.") from error
    return sorted(path for path in target.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def rendered(plugin: NewPlugin) -> dict[str, str]:
    """Return the files that the templates give: path in the package's folder -> text."""
    values = plugin.values()
    folders = {"PACKAGE": plugin.package, "SLUG": plugin.slug}
    found: dict[str, str] = {}
    for part in ("all", *plugin.kind.parts):
        for parts, template in _templates(files("blocks_registry.authoring") / "templates" / part, ()):
            names = [_replaced(name, folders) for name in parts]
            path = "/".join(names).removesuffix(_SUFFIX)
            found[path] = _HOLE.sub(lambda hole: values[hole[1]], template.read_text("utf-8"))
    return found


def _templates(folder: Traversable, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        here = (*above, entry.name)
        if entry.is_dir():
            yield from _templates(entry, here)
        elif entry.name.endswith(_SUFFIX):
            yield here, entry


def _replaced(name: str, words: Mapping[str, str]) -> str:
    for word, replacement in words.items():
        name = name.replace(word, replacement)
    return name


_DESCRIBE = """
import json, sys
from importlib import import_module
from blocks_core.schema import describe
module, _, name = sys.argv[1].partition(":")
found = describe(getattr(import_module(module), name), distribution=sys.argv[2])
print(json.dumps(found.to_json()))
"""


def _write_what_the_class_says(plugin: NewPlugin, folder: Path) -> None:
    """Write manifest and page, from the class as another process imports it."""
    source = folder / "src"
    done = subprocess.run(
        [sys.executable, "-B", "-c", _DESCRIBE, plugin.target, plugin.distribution],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(source), *(path for path in sys.path if path)])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        raise AuthoringRefused(f"The new package cannot be imported here ({last[0]}). Nothing was written.")
    block_type = BlockType.from_json(json.loads(done.stdout))
    package = source / plugin.package
    (package / MANIFEST).write_text(manifest_text([block_type]), "utf-8")
    page = folder / "docs" / f"{plugin.slug}.md"
    own = page.read_text("utf-8")
    page.write_text(page_text(block_type, f"{MARKER}\n{own}", page), "utf-8")
