"""What a command of another distribution does, read from its source without importing it."""

from __future__ import annotations

import ast

from blocks_core.diagnosis import module_file, parse_source
from blocks_core.discovery import Offer
from blocks_registry.output import printable


def summary_of(offer: Offer) -> str:
    """Return the first sentence of the docstring of the function that an offer names.

    Empty where its module's source defines no such function, where it has no docstring, or cannot be read.
    """
    try:
        file = module_file(offer.module)
        tree = parse_source(file) if file and file.suffix == ".py" else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # what is wrong with it is for diagnose to say
    name = offer.target.partition(":")[2].strip()
    for statement in reversed(tree.body):  # the last definition is the one that counts
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == name:
            return _first_sentence(ast.get_docstring(statement) or "")
    return ""


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return printable(f"{sentence}{stop.strip()}")
