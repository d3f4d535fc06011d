"""`block explain`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from blocks_core.names import split_address
from blocks_registry.output import HIDDEN, cell_text, emit_json, emit_note, emit_rows, examples, output_option

if TYPE_CHECKING:  # start-up time: the help needs none of it
    from blocks_core.resolving import ReferenceState
    from blocks_registry.explaining import Explanation, Origin

_COLUMNS = (("path", "Field"), ("value", "Value"), ("origin", "Where it comes from"))
_MAX_SHOWN = 60


@click.command(epilog=examples("block explain s3/raw-data", "block explain s3/raw-data -o json"))
@click.argument("address", metavar="SLUG/NAME")
@output_option
def explain(address: str, output: str) -> None:
    """Tell for each field of a saved block where its value comes from.

    Set in which version, and by whom; equal to the type's default; a saved block, or one stored inside; a secret, and
    the key that seals it; made by an upgrade on load. Secret references are tried here, which asks the sources that
    they name: whether they lead to something, and for how long it is kept. No secret is shown. The plugin is not
    needed, but knows of upgrades.
    """
    from blocks_registry.cli.unknown_types import (
        naming_unknown_types,
    )  # late, as the next: the help needs none
    from blocks_registry.explaining import explain as explained
    from blocks_registry.explaining import read_key_id
    from blocks_registry.opening import open_database, open_library

    slug, name = split_address(address)
    with closing(open_library()) as library, naming_unknown_types(library.registry, slug):
        document = library.registry.read(slug, name)
        with closing(open_database()) as database:
            key_id = read_key_id(database, document)
        found = explained(library, slug, name, key_id)
    if output == "json":
        emit_json(_record(found))
        return
    rows = [
        {"path": origin.path, "value": _value(origin), "origin": "; ".join(_words(origin, found))}
        for origin in found.origins
    ]
    emit_rows(output, rows, _COLUMNS, empty=f"{address} has no fields.")
    for note in _notes(found):
        emit_note(note)


def _value(origin: Origin) -> str:
    if origin.kind == "secret":
        return HIDDEN
    shown = cell_text(origin.value)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 1]}…"


def _words(origin: Origin, found: Explanation) -> Iterator[str]:
    """Yield what is said of a field."""
    if origin.kind == "default":
        yield "equals the type's default"
    elif origin.kind == "secret":
        yield f"a secret, sealed with the key '{found.key_id}'" if found.key_id else "a secret"
    elif origin.reference is not None:
        yield _words_of_reference(origin.reference)
    elif origin.kind == "block":
        yield _words_of_block(origin)
    elif origin.kind == "inline block":
        yield "a block stored inside"
    elif origin.kind == "upgrade":
        yield f"not stored: made on load by {' and '.join(found.upgrades)}"
    if origin.moved_from:
        yield f"stored as '{origin.moved_from}', moved on load by {' and '.join(found.upgrades)}"
    if origin.since is not None:
        yield _words_of_version(origin)
    elif origin.kind == "secret":
        yield "since when cannot be told without the key"


def _words_of_version(origin: Origin) -> str:
    since = origin.since
    assert since is not None
    word = "stored since" if origin.kind == "default" else "set in"
    how = "" if since.action == "saved" else f" ({since.action})"
    by = f" by {since.saved_by}" if since.saved_by else ""
    return f"{word} version {since.version}, {cell_text(since.saved_at)}{by}{how}"


def _words_of_reference(state: ReferenceState) -> str:
    if state.problem:
        return f"not found here: {state.problem.rstrip('.')}"
    if state.source_version is None:
        return f"found here, in {state.where}, read each time"
    source = f"found, by {state.where}, version {state.source_version}"
    if not state.cache_seconds:
        return f"{source}, asked each time"
    return f"{source}, kept for {state.cache_seconds:g} s, asked {state.age_seconds or 0:.0f} s ago"


def _words_of_block(origin: Origin) -> str:
    if origin.held is None:
        return "a saved block that is not there any more"
    by = f" by {origin.held.saved_by}" if origin.held.saved_by else ""
    return f"a saved block, version {origin.held.version}, saved {cell_text(origin.held.saved_at)}{by}"


def _notes(found: Explanation) -> Iterator[str]:
    document = found.document
    if found.upgrades:
        yield (
            f"{document.address} was stored by version {document.type_version} of its type, and is brought up to "
            f'date each time it is loaded: "block upgrade {document.address}" writes it back.'
        )
    if found.problem:
        yield f"What is shown is what is stored. {found.problem}"


def _record(found: Explanation) -> dict[str, Any]:
    document = found.document
    return {
        "address": document.address,
        "version": document.version,
        "type_version": document.type_version,
        "saved_at": document.saved_at,
        "saved_by": document.saved_by,
        "key": found.key_id,
        "upgrades": found.upgrades,
        "problem": found.problem or None,
        "fields": [_record_of(origin) for origin in found.origins],
    }


def _record_of(origin: Origin) -> dict[str, Any]:
    since, state, held = origin.since, origin.reference, origin.held
    return {
        "path": origin.path,
        "kind": origin.kind,
        "value": origin.value,
        "stored_as": origin.moved_from or None,
        "set_in": since
        and {"version": since.version, "at": since.saved_at, "by": since.saved_by, "action": since.action},
        "reference": state
        and {
            "reference": state.reference,
            "where": state.where,
            "found": not state.problem,
            "problem": state.problem or None,
            "source_version": state.source_version,
            "cache_seconds": state.cache_seconds,
            "age_seconds": state.age_seconds,
        },
        "block": held
        and {
            "address": held.address,
            "version": held.version,
            "saved_at": held.saved_at,
            "saved_by": held.saved_by,
        },
    }
