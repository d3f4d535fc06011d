"""Declarations read from files, with overlays laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blocks_registry.declaring.declarations import (
    Declaration,
    Statement,
    declare,
    each_once,
    state,
)
from blocks_registry.declaring.overlays import lay_over
from blocks_registry.declaring.sources import read_sources
from blocks_registry.declaring.yaml_reader import Budget, read_documents
from blocks_registry.errors import DeclarationProblem


@dataclass(frozen=True)
class Declared:
    """What files declare, and what is wrong in them."""

    declarations: tuple[Declaration, ...]
    """Those whose form is sound."""
    addresses: frozenset[str]
    """Of all of them."""
    problems: tuple[DeclarationProblem, ...]


def read_declared(paths: Sequence[str], overlays: Sequence[str] = ()) -> Declared:
    """Return what files and folders declare.

    Args:    paths: of files and folders; `-` is standard input. overlays: of those that are laid over, in order.
    """
    budget = Budget()
    statements = each_once(state(read_sources(paths, budget), budget.problems), budget.problems)
    for overlay in overlays:
        patches = each_once(state(read_sources([overlay], budget), budget.problems), budget.problems)
        statements = lay_over(statements, patches, budget.problems)
    if not statements and not budget.problems:  # with pruning, an empty file would delete all
        budget.problems.append(DeclarationProblem("no block is declared. Give other files", ", ".join(paths)))
    return _declared(statements, budget)


def read_raw(raw: bytes, source: str) -> Declared:
    """Return what a text in UTF-8 declares.

    Args:    source: what to call it in problems.
    """
    budget = Budget()
    statements = each_once(state(read_documents(raw, source, budget), budget.problems), budget.problems)
    return _declared(statements, budget)


def _declared(statements: Sequence[Statement], budget: Budget) -> Declared:
    found = [declare(statement, budget.problems) for statement in statements]
    return Declared(
        tuple(declaration for declaration in found if declaration is not None),
        frozenset(statement.address for statement in statements),
        tuple(budget.problems),
    )
