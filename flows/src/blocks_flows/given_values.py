"""Parameters as a command line gives them: `-p name=value`, and files of YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from blocks_core.names import suggest
from blocks_flows.starting import AnyFlow

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])


def parameter_options(command: AnyCommand) -> AnyCommand:
    """Give a command the options by which parameters are given, passed to it as `pairs` and `params_file`."""
    file = click.option(
        "--params-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file of YAML or JSON with parameters; -p goes before it. Give secrets so.",
    )
    pair = click.option(
        "-p",
        "--param",
        "pairs",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter: as JSON, else a text.",
    )
    return pair(file(command))


def read_given(flow: AnyFlow, pairs: tuple[str, ...], params_file: Path | None) -> dict[str, Any]:
    """Return the parameters that were given; the flow checks them.

    Raises:  UsageError, BadParameter.
    """
    properties: Mapping[str, Any] = flow.parameter_schema()["properties"] if pairs else {}
    values = {} if params_file is None else _read_file(params_file)
    seen: set[str] = set()
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            close = suggest(name, properties)
            hint = f" Did you mean {close[0]}=…?" if close else ""
            raise click.UsageError(f"-p {pair!r} gives no parameter a value: write NAME=VALUE.{hint}")
        if name in seen:
            raise click.UsageError(f"The parameter '{name}' is given twice. Leave one out.")
        seen.add(name)
        values[name] = _read_value(text, properties.get(name, {}))
    return values


def _read_value(text: str, schema: Mapping[str, Any]) -> Any:
    """Return what a text means: JSON, unless it is none, or the parameter takes texts and nothing like that."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    kinds = set(_kinds(schema))
    if "string" in kinds and not isinstance(value, str) and not _fits(value, kinds):
        return text
    return value


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        yield kind
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _kinds(option)
    if "$ref" in schema:
        yield "string"  # a block by its address, or an enumeration: what is no text is taken as JSON below
        yield "object"


def _fits(value: Any, kinds: set[str]) -> bool:
    names = {
        bool: {"boolean"},
        int: {"integer", "number"},
        float: {"number"},
        list: {"array"},
        dict: {"object"},
    }
    return not kinds.isdisjoint(names.get(cast("Any", type(value)), {"null"}))


def _read_file(file: Path) -> dict[str, Any]:
    import yaml  # late: start-up time; JSON is YAML, too

    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place is not None else ""
        raise click.BadParameter(
            f"{file} is neither YAML nor JSON{where}. Write one line for each parameter: name: value."
        ) from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(
        isinstance(name, str) for name in cast("dict[Any, Any]", found)
    ):
        raise click.BadParameter(f"{file} holds no parameters. Write one line for each: name: value.")
    return cast("dict[str, Any]", found)
