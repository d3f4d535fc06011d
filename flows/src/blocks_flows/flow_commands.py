"""`block flow run`, `block flow ls`, `block flow parameters` and `block flow visualize`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from blocks_flows.function_flows import FunctionFlow
from blocks_flows.given_values import parameter_options, read_given
from blocks_flows.graph_flows import Flow
from blocks_flows.loading import load_flow, load_flows
from blocks_flows.results_commands import results
from blocks_flows.run_ends import aside, end_with, is_terminal
from blocks_flows.starting import AnyFlow, run_once
from blocks_registry.output import emit_json, emit_note, emit_rows, emit_text, examples, output_option

_COLUMNS = (("name", "Name"), ("variable", "Variable"), ("form", "Form"), ("parameters", "Parameters"))
_flow_argument = click.argument("entry_point", metavar="FILE:FLOW")


@click.group(
    "flow",
    epilog=examples(
        "block flow ls etl.py",
        "block flow run etl.py:etl -p day=2026-11-27",
        "block flow parameters etl.py:etl",
    ),
)
def flow() -> None:
    """Run the flows of a file or module, and look at them.

    FILE:FLOW is a Python file and a flow's variable or name, or module:FLOW; where there is one flow only, its name
    can be left out. The file runs under its own name: what stands under if __name__ == "__main__" does not run.
    """


@flow.command(
    "run", epilog=examples("block flow run etl.py:etl", "block flow run etl.py -p days=3 -p 'rows=[\"a\"]'")
)
@_flow_argument
@parameter_options
@output_option
@click.pass_context
def run_flow(ctx: click.Context, entry_point: str, output: str, **given: Any) -> None:
    """Run a flow here and now, whatever its schedule says.

    The exit code is 0 if the run succeeded, 1 if it failed, 4 if it is paused, 130 if it was interrupted.
    """
    found = _load(entry_point)
    values = read_given(found, **given)
    end_with(ctx, output, lambda: run_once(found, values, progress=is_terminal(output)))


@flow.command("ls", epilog=examples("block flow ls etl.py", "block flow ls my_package.flows -o json"))
@click.argument("place", metavar="FILE")
@output_option
def list_flows(place: str, output: str) -> None:
    """List the flows of a file or module."""
    with aside():
        found = load_flows(place)
    rows = [_row(variable, each) for variable, each in found.items()]
    emit_rows(output, rows, _COLUMNS, empty=f"{place} declares no flow at its top level.")


@flow.command("parameters", epilog=examples("block flow parameters etl.py:etl"))
@_flow_argument
def show_parameters(entry_point: str) -> None:
    """Print the JSON Schema of a flow's parameters."""
    emit_json(_load(entry_point).parameter_schema())


@flow.command(
    "visualize",
    epilog=examples("block flow visualize etl.py:etl --to etl.svg", "block flow visualize etl.py:etl"),
)
@_flow_argument
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file: NAME.svg, NAME.mmd or NAME.md.",
)
def draw_flow(entry_point: str, path: Path | None) -> None:
    """Draw the graph of a flow: into a file, or as Mermaid on standard output."""
    found = _load(entry_point)
    if isinstance(found, FunctionFlow):
        raise click.UsageError(
            f"Flow '{found.name}' is a function: what it calls is known only when it runs. Flows that are graphs "
            f'(`with Flow("name")`) can be drawn.'
        )
    text = found.visualize(path=path, format=None if path else "mermaid")
    if path is None:
        emit_text(text.rstrip("\n"))
    else:
        emit_note(f"Drawn into {path}.")


def _load(entry_point: str) -> AnyFlow:
    with aside():
        return load_flow(entry_point)


def _row(variable: str, found: AnyFlow) -> dict[str, Any]:
    properties: Mapping[str, Any] = found.parameter_schema()["properties"]
    return {
        "name": found.name,
        "variable": variable,
        "form": "graph" if isinstance(found, Flow) else "function",
        "parameters": list(properties),
        "description": found.options.description,
    }


flow.add_command(results)
