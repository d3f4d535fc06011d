"""`block import prefect` and `block import airflow`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from blocks_core.errors import did_you_mean
from blocks_core.names import check_labels, check_name, suggest
from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.cli.secret_input import is_terminal
from blocks_registry.output import emit_note, emit_rows, examples, output_option

if TYPE_CHECKING:  # start-up time: the help needs none of them
    from blocks_registry.importing.found import Found
    from blocks_registry.importing.mapping import System
    from blocks_registry.importing.planning import ImportOptions, Plan, Row

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])

_COLUMNS = (
    ("source", "Source"),
    ("address", "Block"),
    ("state", "State"),
    ("notes", "Notes"),
)
_MAX_NAMES = 8
"""Of fields in a table; JSON has all."""

_MAX_SOURCE = 120
"""Characters of a name in a table; names of other systems may be of any length."""

_API_KEY = "PREFECT_API_KEY"
_AUTH_STRING = "PREFECT_API_AUTH_STRING"
_ENCRYPTION_KEYS = ("PREFECT_SERVER_ENCRYPTION_KEY", "ORION_ENCRYPTION_KEY")

_STATES = """
\b
States:
  new        will be saved
  unchanged  is saved already, as it is there
  changed    is saved and differs: written with --overwrite only
  unmapped   no block type does what it does: see --keep-unmapped
  conflict   someone has to decide first; the notes say what
"""


@click.group(
    "import",
    cls=SuggestingGroup,
    epilog=examples("block import prefect --help", "block import airflow --help"),
)
def import_group() -> None:
    """Take over what Prefect or Airflow keeps: their blocks and connections, secrets included.

    A plan is shown first. What is written is written in one step, all of it or nothing; a second import changes
    nothing and says so. The other system is only read.
    """


def _plan_options(command: AnyCommand) -> AnyCommand:
    """Give a command the options that all imports have."""
    for option in reversed(
        (
            click.option(
                "--only",
                multiple=True,
                metavar="PATTERN",
                help="Only what has this name there, or type/name; * is anything. What it holds comes with it.",
            ),
            click.option(
                "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label for what is imported."
            ),
            click.option(
                "--rename",
                "renames",
                multiple=True,
                metavar="TYPE/NAME=NEW",
                help="Another name here for one of them.",
            ),
            click.option(
                "--keep-unmapped",
                is_flag=True,
                help="Keep what has no block type of its own as JSON in a secret, so that nothing is lost.",
            ),
            click.option("--overwrite", is_flag=True, help="Save a new version of blocks that differ."),
            click.option("--plan", "only_plan", is_flag=True, help="Only show what would be done."),
            click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal."),
        )
    ):
        command = option(command)
    return output_option(command)


@import_group.command(
    "prefect",
    epilog=_STATES
    + "\n"
    + examples(
        "block import prefect --url http://127.0.0.1:4200/api --plan",
        "block import prefect --url https://prefect.example.com/api --api-key",
        "block import prefect --database ~/.prefect/prefect.db --yes",
        "block import prefect --database prefect.db --key-file fernet.key --only 's3-bucket/*'",
        "block import prefect --keep-unmapped --label from=prefect --yes -o json",
    ),
)
@click.option(
    "--url",
    envvar="PREFECT_API_URL",
    metavar="URL",
    help="Address of a running Prefect API; it ends in /api. [default: PREFECT_API_URL]",
)
@click.option(
    "--api-key",
    "ask_key",
    is_flag=True,
    help=f"Ask for the API's key, or read it from standard input. Otherwise {_API_KEY} or {_AUTH_STRING} is used.",
)
@click.option(
    "--database",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A Prefect server's SQLite file instead of its API; it is not changed.",
)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help=f"Fernet key of the database; - is standard input. [default: {_ENCRYPTION_KEYS[0]}, else the one that "
    f"Prefect keeps in the database]",
)
@_plan_options
@click.pass_context
def import_prefect(
    ctx: click.Context,
    url: str | None,
    ask_key: bool,
    database: Path | None,
    key_file: Path | None,
    **options: Any,
) -> None:
    """Import Prefect's blocks, from a running API or from the server's SQLite file.

    Blocks that hold others are imported with them, and hold them here too. Secrets are read, sealed and never shown;
    keys never come from arguments, which others can see.
    """
    from blocks_registry.importing.prefect_types import (
        PREFECT,
    )  # late, here and below: the help needs none of it

    given = _options(options)
    if database is not None:
        if url is not None and ctx.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("Give --url or --database, not both.")
        if ask_key:
            raise click.UsageError("--api-key is for an API; a database takes --key-file.")
        from blocks_registry.importing.prefect_database import read_documents

        found = read_documents(database, _fernet_key(key_file))
    elif key_file is not None:
        raise click.UsageError("--key-file is for a database; an API takes --api-key.")
    elif url is None:
        raise click.UsageError(
            "Say what to import: --url of a running Prefect API, or --database of a server."
        )
    else:
        from blocks_registry.importing.prefect_server import PrefectServer, authorization

        api_key = _asked("API key") if ask_key else os.environ.get(_API_KEY)
        auth_string = None if ask_key else os.environ.get(_AUTH_STRING)
        found = PrefectServer(url, authorization(api_key=api_key, auth_string=auth_string)).documents()
    if not _import(ctx, PREFECT, found, given, options):
        ctx.exit(1)


@import_group.command(
    "airflow",
    epilog=_STATES
    + "\n"
    + examples(
        "airflow connections export connections.json",
        "block import airflow --export connections.json --plan",
        "block import airflow --export connections.json --yes",
        "block import airflow --environment --only 'aws_*'",
        "vault read ... | block import airflow --uri-file - --yes",
        "block import airflow --export connections.yaml --keep-unmapped --rename postgres/DWH=warehouse --yes",
    ),
)
@click.option(
    "--export",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help='What "airflow connections export" wrote: .json, .yaml or .env.',
)
@click.option(
    "--uri-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Lines of NAME=URI; - is standard input.",
)
@click.option("--environment", is_flag=True, help="The variables AIRFLOW_CONN_NAME of this process.")
@_plan_options
@click.pass_context
def import_airflow(
    ctx: click.Context, export: Path | None, uri_file: Path | None, environment: bool, **options: Any
) -> None:
    """Import Airflow's connections, from an export, from URIs, or from the environment.

    A URI holds a password, so it is never an argument, which others can see. An export holds every password in
    clear: delete it afterwards.
    """
    from blocks_registry.importing import airflow_connections as connections
    from blocks_registry.importing.airflow_types import AIRFLOW

    given = _options(options)
    if sum((export is not None, uri_file is not None, environment)) != 1:
        raise click.UsageError("Say what to import, one of: --export FILE, --uri-file FILE, --environment.")
    if export is not None:
        found = connections.read_export(export)
    elif uri_file is not None:
        what = "standard input" if _is_dash(uri_file) else str(uri_file)
        found = connections.read_lines(connections.decoded(_bytes_of(uri_file), what), what)
    else:
        found = connections.read_environment(os.environ)
    settled = _import(ctx, AIRFLOW, found, given, options)
    if export is not None and not options["only_plan"]:
        emit_note(f"{export} holds every password in clear. Delete it when you do not need it any more.")
    if not settled:
        ctx.exit(1)


def _import(
    ctx: click.Context, system: System, found: Sequence[Found], given: ImportOptions, options: dict[str, Any]
) -> bool:
    """Plan, show, ask, write and say what became of it; tell whether nothing is left that someone has to decide."""
    from blocks_registry.importing.planning import carry_out, make_plan
    from blocks_registry.opening import open_library

    output, only_plan = options["output"], options["only_plan"]
    if output == "json" and not (only_plan or options["yes"]):
        raise click.UsageError("With -o json nobody can be asked. Give --yes to import, or --plan.")
    _check_renames(given, found)
    with closing(open_library()) as library:
        plan = make_plan(library, system, found, given)
        if output != "json":
            _show(system, plan, written=0)
        if only_plan or not plan.to_write():
            written = 0
        else:
            _confirm(ctx, len(plan.to_write()), asked=not options["yes"])
            written = carry_out(library, plan)
    if output == "json":
        _show(system, plan, written=written, output=output)
    _conclude(system, plan, written, only_plan=only_plan)
    return only_plan or not plan.refused()


def _conclude(system: System, plan: Plan, written: int, *, only_plan: bool) -> None:
    counts = plan.counts()
    emit_note(", ".join(f"{number} {state}" for state, number in counts.items()) + "." if counts else "")
    lost = [row for row in plan.rows if row.address is None and not row.made.found.problem]
    if lost:
        emit_note(
            f"--keep-unmapped keeps {'it' if len(lost) == 1 else 'them'} all the same, as JSON in a secret."
        )
    if only_plan:
        emit_note("Nothing was written: this was the plan.")
        return
    if written:
        emit_note(f"Imported {written} {'block' if written == 1 else 'blocks'} from {system.title}.")
    elif plan.rows:
        emit_note("Nothing was written.")


def _show(system: System, plan: Plan, *, written: int, output: str = "table") -> None:
    rows = [_row(row, plan, written=bool(written), table=output != "json") for row in plan.rows]
    emit_rows(output, rows, _COLUMNS, empty=f"There is nothing to import from {system.title}.")


def _row(row: Row, plan: Plan, *, written: bool, table: bool) -> dict[str, Any]:
    notes, names = list(row.notes), row.fields_left_out
    if table:
        if names:
            said = "fields" if row.address is None else "left out"
            notes.append(
                f"{said}: {', '.join(names[:_MAX_NAMES])}{' and more' if len(names) > _MAX_NAMES else ''}"
            )
        return {
            "source": _cut(row.made.found.source),
            "address": row.address or "-",
            "state": row.state,
            "notes": "; ".join(notes),
        }
    return {
        "source": row.made.found.source,
        "address": row.address,
        "state": row.state,
        "notes": notes,
        "fields_left_out": list(names),
        "written": written and any(row is one for one in plan.to_write()),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SOURCE else f"{text[: _MAX_SOURCE - 1]}…"


def _confirm(ctx: click.Context, number: int, *, asked: bool) -> None:
    if not asked:
        return
    if not is_terminal():
        raise click.UsageError(
            "There is no terminal to ask on whether to import. Give --yes, or --plan to only look."
        )
    if not click.confirm(f"Save {number} {'block' if number == 1 else 'blocks'}?", err=True):
        emit_note("Nothing was written.")
        ctx.exit(1)


def _options(options: dict[str, Any]) -> ImportOptions:
    from blocks_registry.importing.planning import ImportOptions

    labels = dict(_pairs("--label", options["labels"], "team=data"))
    renames = dict(_pairs("--rename", options["renames"], "s3-bucket/Raw=raw"))
    for name in renames.values():
        check_name(name)
    return ImportOptions(
        only=options["only"],
        labels=check_labels(labels),
        renames=renames,
        keep_unmapped=options["keep_unmapped"],
        overwrite=options["overwrite"],
    )


def _pairs(option: str, words: Sequence[str], example: str) -> list[tuple[str, str]]:
    pairs = [word.rpartition("=") for word in words]
    if not all(equals and key for key, equals, _ in pairs):
        raise click.UsageError(f"{option} needs two words with = between them, such as {option} {example}.")
    return [(key, value) for key, _, value in pairs]


def _check_renames(given: ImportOptions, found: Sequence[Found]) -> None:
    sources = {one.source for one in found if not one.anonymous}
    for source in given.renames:
        if source not in sources:
            raise click.UsageError(
                f"--rename names '{source}', and there is none{did_you_mean(suggest(source, sources))}. Write it as "
                f"the column Source of the plan does."
            )


def _fernet_key(key_file: Path | None) -> str | None:
    if key_file is not None:
        return _bytes_of(key_file).decode("ascii", errors="replace")
    return next((os.environ[name] for name in _ENCRYPTION_KEYS if os.environ.get(name)), None)


def _asked(what: str) -> str:
    if is_terminal():
        return click.prompt(f"{what} (not shown)", hide_input=True, type=str)
    line = sys.stdin.buffer.readline().decode("utf-8", errors="replace").rstrip("\r\n")
    if not line:
        raise click.UsageError(f"Standard input has no line for the {what}.")
    return line


def _bytes_of(file: Path) -> bytes:
    from blocks_registry.errors import SourceUnreadable
    from blocks_registry.importing.found import MAX_FILE_BYTES

    if _is_dash(file):
        return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SourceUnreadable(f"{file} cannot be read: {error.strerror}.") from error


def _is_dash(file: Path) -> bool:
    return str(file) == "-"
