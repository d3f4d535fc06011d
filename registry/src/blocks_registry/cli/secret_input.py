"""How secrets come in: by a prompt without echo or by standard input, never by arguments."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, cast

import click

from blocks_registry.cli.fields import Fields


def is_terminal() -> bool:
    """Tell whether a person sits at the other end of standard input."""
    return sys.stdin.isatty()


def read_secrets(fields: Fields, paths: Sequence[str]) -> None:
    """Ask for secrets on a terminal, else read a line for each from standard input, in order.

    Raises:  UsageError, BlockInvalid.
    """
    for path in paths:
        fields.require_secret(path)
    for path in paths:
        fields.set_secret(path, _ask(path) if is_terminal() else _read_line(path))


def read_secrets_object(fields: Fields) -> None:
    """Read a JSON object of field -> value from standard input.

    Raises:  UsageError, BlockInvalid.
    """
    text = _text(sys.stdin.buffer.read())
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise click.UsageError(
            "--secrets-stdin needs a JSON object of field -> value on standard input, such as "
            '{"token": "..."}.'
        )
    fields.set_secrets(cast("dict[str, Any]", found))


def _ask(path: str) -> str:
    return click.prompt(f"{path} (not shown)", hide_input=True, type=str)


def _read_line(path: str) -> str:
    line = _text(sys.stdin.buffer.readline()).removesuffix("\n").removesuffix("\r")
    if not line:
        raise click.UsageError(
            f"Standard input has no line for the secret '{path}'. Write one line for each --secret, in their order, "
            f"or use --secrets-stdin."
        )
    return line


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass  # and not from it: the error holds what was read
    raise click.UsageError("Standard input is not UTF-8. Secrets are read as UTF-8 text.")
