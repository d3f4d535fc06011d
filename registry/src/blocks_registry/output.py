"""What commands print: aligned columns for people, JSON for programs.

What was asked for goes to standard output and notes go to standard error, so that a pipe gets data only.
Texts that others wrote are shown with their control characters escaped, and no markup in them is followed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar, cast
from uuid import UUID

import click

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])

HIDDEN = "**********"
"""What stands for a secret where people read."""

_GAP = "  "


def examples(*lines: str) -> str:
    """Return the epilog of a command's help that shows these command lines."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def output_option(command: AnyCommand) -> AnyCommand:
    """Give a command the option `-o/--output`, passed to it as `output`: `table` or `json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Columns for people, or JSON for programs.",
    )(command)


def emit_rows(
    output: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]], empty: str = ""
) -> None:
    """Print rows: the named columns as a table, or all that the rows hold as a JSON array.

    Args:    columns: key and heading of each column. empty: the sentence for people where there is no row.
    """
    if output == "json":
        emit_json(list(rows))
    elif not rows:
        emit_note(empty)
    elif _is_terminal():
        _emit_rich(rows, columns)
    else:
        cells = [[cell_text(row.get(key)) for key, _ in columns] for row in rows]
        _emit_aligned([[heading for _, heading in columns], *cells])


def emit_record(output: str, record: Mapping[str, Any]) -> None:
    """Print one thing: a line for each of its values, or a JSON object."""
    if output == "json":
        emit_json(dict(record))
    else:
        for line in _record_lines({key.replace("_", " "): value for key, value in record.items()}, ""):
            click.echo(line)


def emit_json(value: Any) -> None:
    """Print a value as JSON; what JSON lacks, such as dates, as text."""
    text = json.dumps(value, indent=2, ensure_ascii=not _speaks_unicode(), default=_json_of)
    click.echo("".join(char if char == "\n" else _escaped(char, _json_escape) for char in text))


def emit_text(text: str) -> None:
    """Print a text as an answer, its lines kept."""
    click.echo("\n".join(printable(line) for line in text.split("\n")))


def emit_note(text: str) -> None:
    """Print a text beside the answer, on standard error: a hint, a warning."""
    if text:
        click.echo("\n".join(printable(line) for line in text.split("\n")), err=True)


def printable(text: str) -> str:
    r"""Return a text on one line, with what would steer a terminal shown as escapes.

    >>> printable("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char, lambda char: char.encode("unicode_escape").decode()) for char in text)


def _json_escape(char: str) -> str:
    """Return a character as JSON writes it in ASCII."""
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def cell_text(value: Any) -> str:
    """Return a value as people read it, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(cell_text(item) for item in cast("Sequence[Any]", value))
    if isinstance(value, Mapping):
        return printable(json.dumps(value, ensure_ascii=False, default=_json_of))
    return printable(str(value))


def _emit_aligned(table: Sequence[Sequence[str]]) -> None:
    widths = [max(_width(row[index]) for row in table) for index in range(len(table[0]))]
    for row in table:
        padded = (text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        click.echo(_GAP.join(padded).rstrip())


def _emit_rich(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]) -> None:
    from rich.box import SIMPLE_HEAD  # late: 75 ms of start-up, needed on terminals only
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for _, heading in columns:
        table.add_column(Text(heading), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(row.get(key))) for key, _ in columns))
    Console(file=sys.stdout, highlight=False, markup=False, emoji=False).print(table)


def _record_lines(record: Mapping[str, Any], indent: str) -> Iterator[str]:
    labels = {key: printable(key) for key in record}
    width = max((_width(label) for label in labels.values()), default=0)
    for key, value in record.items():
        below = list(_lines_below(value, indent + _GAP))
        if below:
            yield f"{indent}{labels[key]}"
            yield from below
        else:
            text = cell_text(value) if value not in (None, "", [], {}) else "-"
            yield f"{indent}{labels[key]}{' ' * (width - _width(labels[key]))}{_GAP}{text}"


def _lines_below(value: Any, indent: str) -> Iterator[str]:
    """Yield the lines of what does not fit beside its label; nothing for what does."""
    if isinstance(value, Mapping):
        yield from _record_lines(cast("Mapping[str, Any]", value), indent)
    elif isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        if any(isinstance(item, (Mapping, list, tuple)) for item in items):
            yield from _record_lines({str(index): item for index, item in enumerate(items)}, indent)
    elif isinstance(value, str) and "\n" in value.strip("\n"):
        for line in value.strip("\n").split("\n"):
            yield f"{indent}{printable(line)}"


def _escaped(char: str, escape: Callable[[str], str]) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() and char in _WIDE_SPACES else escape(char)


_WIDE_SPACES = "\u00a0\u2002\u2003\u2009\u202f\u3000"
"""Spaces of typography: harmless, and no control characters."""


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # late: start-up time

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _json_of(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (UUID, PurePath)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(cast("set[Any]", value), key=str)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()  # None: it was closed


def _speaks_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")
