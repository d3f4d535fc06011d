"""`block create`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from blocks_core.block import Block
from blocks_core.errors import BlockInvalid, BlocksError, FieldProblem
from blocks_core.library import Library
from blocks_core.names import check_name, join_address
from blocks_registry.cli.fields import Fields
from blocks_registry.cli.secret_input import is_terminal, read_secrets, read_secrets_object
from blocks_registry.output import emit_note, emit_record, emit_text, examples, output_option
from blocks_registry.schema_paths import is_secret

Made = TypeVar("Made")


@click.command(
    epilog=examples(
        "block create s3 raw-data --set bucket=raw --set credentials=aws-credentials/prod",
        "block create aws-credentials prod --set access_key_id=AKIA... --secret secret_access_key",
        "block create secret api-key --secret value < key.txt",
        "block create secret api-key --secret-ref value=env:API_KEY",
        """block create json settings --set-json 'value={"batch_size": 500}'""",
        "block create webhook ops --secret url --secret headers.Authorization",
        "vault read ... | block create aws-credentials prod --secrets-stdin",
    )
)
@click.argument("slug")
@click.argument("name", required=False)
@click.option("-n", "--name", "named", metavar="NAME", help="The name, in place of the second argument.")
@click.option(
    "--set",
    "texts",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field: a text as it is, other types in JSON, a saved block by its address.",
)
@click.option(
    "--set-json", "jsons", multiple=True, metavar="FIELD=JSON", help="A field in JSON, whatever its type."
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="FIELD",
    help="A secret field: asked for on a terminal, else a line of standard input for each, in order.",
)
@click.option(
    "--secret-ref",
    "references",
    multiple=True,
    metavar="FIELD=REFERENCE",
    help="A secret field that is kept elsewhere: env:NAME, file:PATH, or SLUG/NAME/KEY of a saved block.",
)
@click.option(
    "--secrets-stdin", is_flag=True, help="Secret fields from a JSON object {field: value} on standard input."
)
@click.option(
    "--from-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help="Fields from a JSON object, as inspect -o json shows them; options change them.",
)
@click.option("--overwrite", is_flag=True, help="Save a new version where the name is taken.")
@output_option
@click.pass_context
def create(  # noqa: PLR0913 one parameter for each option
    ctx: click.Context,
    slug: str,
    name: str | None,
    named: str | None,
    texts: tuple[str, ...],
    jsons: tuple[str, ...],
    secrets: tuple[str, ...],
    references: tuple[str, ...],
    secrets_stdin: bool,
    from_file: Path | None,
    overwrite: bool,
    output: str,
) -> None:
    """Save a new block of the type SLUG under NAME.

    Fields inside fields are named by dotted paths, items of lists by numbers from 0. Secrets never come from
    arguments, which others can see; required ones that were not given are asked for on a terminal. A reference to a
    secret is read when the block is loaded, not here. In JSON it is written {"ref": "env:NAME"}.
    "block type inspect SLUG" lists the fields.
    """
    if secrets and secrets_stdin:
        raise click.UsageError("Give the secrets with --secret or with --secrets-stdin, not with both.")
    from blocks_core.schema import schema_of  # late, like the next: the help needs neither
    from blocks_registry.opening import open_library

    with closing(open_library()) as library:
        block_type = library.type(slug)  # first: whoever errs here must not be asked for more
        name = _one_name(name, named)
        address = join_address(slug, check_name(name))
        fields = Fields(
            schema_of(block_type),
            what=f"Block '{address}'",
            load=lambda other: library.load(Block, other, resolve=False),
        )
        _take_options(fields, _Given(texts, jsons, references), from_file)
        if secrets_stdin:
            read_secrets_object(fields)
        read_secrets(fields, secrets)
        if is_terminal():
            read_secrets(fields, fields.schema.missing_secrets(fields.values))
        block = _guarded(fields, address, lambda: _build(block_type, fields, address))
        _guarded(fields, address, lambda: library.save(block, name, overwrite=overwrite))
        _report(library, block, address, output)


def _one_name(name: str | None, named: str | None) -> str:
    found = name or named
    if found is None:
        raise click.UsageError("Missing argument 'NAME': what to call the block.")
    if name and named and name != named:
        raise click.UsageError(f"Two names were given, '{name}' and '{named}'. Give one.")
    return found


@dataclass(frozen=True)
class _Given:
    """What options say of fields."""

    texts: Sequence[str]
    jsons: Sequence[str]
    references: Sequence[str]


def _take_options(fields: Fields, options: _Given, from_file: Path | None) -> None:
    """Take the fields of a file, then those of options, the outer ones before those inside them."""
    if from_file is not None:
        fields.take(_read_object(from_file))
    setters = [(path, value, fields.set_json) for path, value in _pairs("--set-json", options.jsons)]
    setters += [(path, value, fields.set_text) for path, value in _pairs("--set", options.texts)]
    setters += [
        (path, value, fields.set_reference) for path, value in _pairs("--secret-ref", options.references)
    ]
    given = [path for path, _, _ in setters]
    for path in given:
        if given.count(path) > 1:
            raise click.UsageError(f"The field '{path}' was given twice. Give it once.")
    for path, value, setter in sorted(setters, key=lambda one: one[0].count(".")):
        setter(path, value)


def _pairs(option: str, words: Sequence[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for word in words:
        path, equals, value = word.partition("=")
        if not equals or not path:
            such = "token=env:TOKEN" if option == "--secret-ref" else "bucket=raw"
            raise click.UsageError(f"{option} needs FIELD=VALUE, such as {option} {such}.")
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise click.UsageError(f"What was given to {option} is not UTF-8.")
        pairs.append((path, value))
    return pairs


def _read_object(file: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise click.UsageError(f"The file {file} is no JSON object of field -> value.")
    return cast("dict[str, Any]", found)


def _build(block_type: type[Block], fields: Fields, address: str) -> Block:
    from blocks_core.building import build_block

    return build_block(block_type, fields.values, what=f"Block '{address}'")


def _guarded(fields: Fields, address: str, make: Callable[[], Made]) -> Made:
    """Run what a type's own code may fail in, and keep the secrets out of whatever it says."""
    from blocks_core.masking import without

    try:
        return make()
    except BlockInvalid as error:
        problems = [
            FieldProblem(found.path, without(_with_option(fields, found), fields.secret_texts))
            for found in error.problems
        ]
    except BlocksError:
        raise
    except Exception as error:  # noqa: BLE001 a validator of the type may raise anything
        text = without(str(error), fields.secret_texts)
        problems = [FieldProblem("", f"its class raised {type(error).__name__}: {text}")]
    raise BlockInvalid(f"Block '{address}'", problems)  # not from the cause, which may hold a secret


def _with_option(fields: Fields, found: FieldProblem) -> str:
    if found.problem != "is required":
        return found.problem
    if is_secret(fields.schema.at(found.path.split("."))):
        return f"is required (give it with --secret {found.path})"
    return f"is required (give it with --set {found.path}=VALUE)"


def _report(library: Library, block: Block, address: str, output: str) -> None:
    saved = block.saved_as
    assert saved is not None
    if output == "json":
        emit_record(
            output, {"address": address, "id": saved.id, "version": saved.version, "slug": saved.slug}
        )
        return
    emit_text(f"Saved {address}, version {saved.version}.")
    emit_note(f"Next: block check {address}, or in Python {type(block).__name__}.load({saved.name!r})")
