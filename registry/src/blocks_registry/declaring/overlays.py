"""Overlays: documents that change what others declare, for one environment.

Source: RFC 7386 (JSON Merge Patch): mappings are merged, null takes a member out, all else replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blocks_core.errors import did_you_mean
from blocks_core.names import suggest
from blocks_registry.declaring.declarations import Statement
from blocks_registry.declaring.kinds import FORMS_OF_SECRETS
from blocks_registry.declaring.yaml_reader import Node
from blocks_registry.errors import DeclarationProblem


def lay_over(
    statements: Sequence[Statement], overlay: Sequence[Statement], problems: list[DeclarationProblem]
) -> list[Statement]:
    """Return the statements with an overlay's merged over those of the same block.

    One of a block that no other declares is a problem: it would hide a misspelt name.
    """
    found = {statement.address: statement for statement in statements}
    for patch in overlay:
        base = found.get(patch.address)
        if base is None:
            problems.append(_without_base(patch, found))
        else:
            found[patch.address] = replace(base, node=_merged(base.node, patch.node))
    return list(found.values())


def _merged(base: Node, patch: Node) -> Node:
    if not isinstance(patch.value, dict):
        return patch
    of_base = base.value if isinstance(base.value, dict) else {}
    if set(of_base) in FORMS_OF_SECRETS and set(patch.value) in FORMS_OF_SECRETS:
        return patch  # a secret is one thing, in whichever form
    merged = dict(of_base)
    for name, inner in patch.value.items():
        if inner.value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged[name], inner) if name in merged else _without_nulls(inner)
    return replace(base if of_base else patch, value=merged)


def _without_nulls(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    kept = {name: _without_nulls(inner) for name, inner in node.value.items() if inner.value is not None}
    return replace(node, value=kept)


def _without_base(patch: Statement, found: dict[str, Statement]) -> DeclarationProblem:
    hint = did_you_mean(suggest(patch.address, found))
    return DeclarationProblem(
        f"no file given with -f declares this block, which an overlay could change{hint}. Give the file that "
        f"declares it with -f",
        patch.node.source,
        patch.node.line,
        patch.node.column,
        patch.address,
    )
