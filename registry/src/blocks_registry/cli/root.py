"""The root of the command `block`: its words, its exit codes, and how errors are shown."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from blocks_core.errors import BlocksError
from blocks_registry.cli.lazy_group import LazyGroup, Word
from blocks_registry.output import emit_note, printable

INTERRUPTED = 130

_HERE = "blocks_registry.cli"

_WORDS = {
    "register": Word(f"{_HERE}.register_command:register", "Make the block types of a plugin known."),
    "type": Word(f"{_HERE}.type_commands:type_group", "See the registered block types."),
    "create": Word(f"{_HERE}.create_command:create", "Save a new block."),
    "ls": Word(f"{_HERE}.block_commands:list_blocks", "List the saved blocks."),
    "inspect": Word(f"{_HERE}.block_commands:inspect", "Show a saved block, without its secrets."),
    "explain": Word(f"{_HERE}.explain_command:explain", "Tell where the value of each field comes from."),
    "check": Word(f"{_HERE}.block_commands:check", "Try what a saved block is for."),
    "history": Word(f"{_HERE}.version_commands:history", "List the versions of a saved block."),
    "diff": Word(f"{_HERE}.version_commands:diff", "Show how two versions differ, secrets hidden."),
    "restore": Word(f"{_HERE}.version_commands:restore", "Bring an older version back: undo a save."),
    "upgrade": Word(f"{_HERE}.upgrade_command:upgrade", "Write blocks of older type versions anew."),
    "rename": Word(f"{_HERE}.version_commands:rename", "Give a saved block another name."),
    "delete": Word(f"{_HERE}.block_commands:delete", "Delete a saved block."),
    "apply": Word(f"{_HERE}.apply_command:apply", "Make the saved blocks what files declare."),
    "export": Word(f"{_HERE}.export_command:export", "Write saved blocks as apply reads them."),
    "edit": Word(f"{_HERE}.edit_command:edit", "Change a saved block in your editor."),
    "audit": Word(f"{_HERE}.audit_commands:audit_group", "See who changed what, and verify the record."),
    "import": Word(f"{_HERE}.import_commands:import_group", "Take over what Prefect or Airflow keeps."),
    "keys": Word(f"{_HERE}.keys_commands:keys_group", "Change the keys that seal secrets, while all runs."),
    "token": Word(f"{_HERE}.token_commands:token_group", "Make the tokens by which a server is used."),
    "plugin": Word(f"{_HERE}.plugin_commands:plugin_group", "See, examine and write plugins."),
}

_EPILOG = """
\b
Start here:
  block register -m blocks_standard
  block create secret api-key --secret value
  block ls

\b
Exit codes:
  0    done
  1    refused or failed; standard error says why and what to do
  2    wrong usage
  3    "block apply --plan": something would change
  130  interrupted

\b
Environment:
  BLOCKS_HOME   folder of the database and the key file (~/.blocks)
  BLOCKS_URL    the registry: sqlite:///PATH (blocks.db in that folder), or
                postgresql://USER:PASSWORD@HOST:PORT/DATABASE
  BLOCKS_KEYS   where the keys are: file (keys.json in that folder), file:PATH,
                env:VARIABLE, keyring:SERVICE, or the word of a plugin
  BLOCKS_DEBUG  1 shows the traceback of an error

\b
Completion, for the start-up file of your shell:
  bash  eval "$(_BLOCK_COMPLETE=bash_source block)"
  zsh   eval "$(_BLOCK_COMPLETE=zsh_source block)"
  fish  _BLOCK_COMPLETE=fish_source block | source
"""


class Root(LazyGroup):
    """Turns errors into one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; characters that the output's encoding lacks are written as escapes."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        extra.setdefault("prog_name", "block")
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was called."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end_interrupted(ctx)
        except click.Abort as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                _end_interrupted(ctx)
            raise
        except BlocksError as error:
            _show_traceback(ctx)
            raise click.ClickException(printable(str(error))) from error
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:  # what nobody foresaw must still say what happened, and where to look
            _show_traceback(ctx)
            raise click.ClickException(
                f"{type(error).__name__}: {printable(str(error))}. This was not foreseen: see where it comes from "
                f'with "block --debug ...", and report it.'
            ) from error


def _end_interrupted(ctx: click.Context) -> NoReturn:
    click.echo("Interrupted.", err=True)
    ctx.exit(INTERRUPTED)


def _show_traceback(ctx: click.Context) -> None:
    if ctx.params.get("debug"):
        from traceback import format_exc  # late: needed on the way to an error only

        emit_note(format_exc())


@click.command(
    cls=Root, words=_WORDS, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--debug", is_flag=True, envvar="BLOCKS_DEBUG", help="Show the traceback of an error.")
@click.version_option(package_name="blocks-registry", message="block %(version)s")
def main(debug: bool) -> None:
    """Keep configuration, credentials and behaviour together in typed blocks, secrets encrypted."""
