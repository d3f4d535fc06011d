"""The catalog: one page that lists the block types of several packages by what they are for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from blocks_registry.authoring.offered_types import OfferedType
from blocks_registry.authoring.pages import first_sentence, table_row
from blocks_registry.errors import AuthoringRefused

FILE_NAME = "README.md"
FIRST_LINE = '<!-- Written by "block plugin docs --catalog": change the classes, not this page. -->'

_HEADINGS: Mapping[str, str] = {
    "storage": "Storages: files at paths",
    "readable-storage": "Sources: files that are only read",
    "notifier": "Notifiers: messages to people",
    "infrastructure": "Infrastructures: where commands run",
    "credentials": "Credentials: who one is to a service",
    "secret-source": "Secret sources: secrets kept elsewhere",
    "container-registry": "Container registries: where images are pulled from",
}
_OTHERS = "Other blocks"
_IMPLIED = {"storage": "readable-storage"}
"""A storage can be read, too; it is listed once."""

_LOGO_PIXELS = 24


def catalog_text(types: Iterable[OfferedType], folder: Path, before: str | None = None) -> str:
    """Return the text of the catalog page.

    Args:    folder: where the page and those of the types are; logos are linked from there.
             before: the page as it is; None where there is none.
    Raises:  AuthoringRefused: the page was written by hand.
    """
    file = folder / FILE_NAME
    if before is not None and not before.startswith(FIRST_LINE):
        raise AuthoringRefused(
            f'{file} was not written by "block plugin docs --catalog", so it is not replaced. Move it, or name '
            f"another folder with --to. Nothing was written."
        )
    groups = _groups(types)
    parts = [
        f"{FIRST_LINE}\n# Block types",
        "Each type has a page: what it is for, its fields, how to use it, what to do when it fails. The tier says\n"
        "what the suites of `blocks_core.testing` saw of it, from bronze to gold.",
    ]
    parts += [f"## {heading}\n\n" + "\n".join(_table(found, folder)) for heading, found in groups.items()]
    return "\n\n".join(parts) + "\n"


def _groups(types: Iterable[OfferedType]) -> dict[str, list[OfferedType]]:
    found: dict[str, list[OfferedType]] = {}
    for offered in sorted(types, key=lambda offered: offered.block_type.title.lower()):
        names = set(offered.block_type.capabilities)
        names -= {_IMPLIED[name] for name in names if name in _IMPLIED}
        for name in sorted(names):
            found.setdefault(_HEADINGS.get(name, name.replace("-", " ").capitalize()), []).append(offered)
        if not names:
            found.setdefault(_OTHERS, []).append(offered)
    known = [*_HEADINGS.values()]
    order = [*known, *sorted(found.keys() - {*known, _OTHERS}), _OTHERS]
    return {heading: found[heading] for heading in order if heading in found}


def _table(types: Iterable[OfferedType], folder: Path) -> Iterator[str]:
    yield "| | block | slug | what | from | tier |"
    yield "|---|---|---|---|---|---|"
    for offered in types:
        known = offered.block_type
        tier = offered.quality.tier
        cells = (
            _logo(offered, folder),
            f"[{known.title}]({known.slug}.md)",
            f"`{known.slug}`",
            first_sentence(known),
            f"`{known.distribution}`",
            "" if tier == "none" else tier,
        )
        yield table_row(cells)


def _logo(offered: OfferedType, folder: Path) -> str:
    """Return the picture, where the package's source is in the same tree: an installed copy has no address there."""
    file = offered.logo_file
    if file is None or "site-packages" in file.parts:
        return ""
    path = Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    return f'<img src="{path}" width="{_LOGO_PIXELS}" height="{_LOGO_PIXELS}" alt="">'
