"""Parameters of flows: of a graph, declared as tasks; of a function, read from its signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from blocks_core.block import Block
from blocks_core.errors import FieldProblem
from blocks_core.masking import SECRETS_IN_USE, secret_texts, without
from blocks_core.names import suggest
from blocks_core.secret import is_secret
from blocks_flows.block_parameters import takes_address
from blocks_flows.context import FRAME
from blocks_flows.errors import FlowInvalid, ParametersInvalid, RunMissing
from blocks_flows.parameter_schemas import schema_of_signature
from blocks_flows.tasks import Graph, Task

_REQUIRED: Final = object()
_MAX_DEPTH: Final = 50
"""A value may hold itself."""
_MAX_BITS: Final = 10_000
"""Python refuses to write much longer numbers."""


class Parameter(Task):
    """A value that is given when the flow is run.

    Args:    default: JSON-able; without one the parameter is required.
             required: False: without a default it is None.
    Raises:  FlowInvalid.
    """

    is_quick = True

    def __init__(
        self, name: str, default: Any = _REQUIRED, *, required: bool | None = None, description: str = ""
    ) -> None:
        if required is False and default is _REQUIRED:
            default = None
        if default is not _REQUIRED:
            if required:
                raise FlowInvalid(f"Parameter '{name}' is required and has a default. Leave one of them out.")
            _check_json(name, default)
        super().__init__(name=name, description=description)
        self.required = default is _REQUIRED
        self.default = None if self.required else default
        self._declare()

    def run(self) -> Any:
        """Return the value of this run."""
        frame = FRAME.get()
        if frame is None or frame.run is None:
            raise RunMissing(f"Parameter '{self.name}' has no value outside of a run. Give it to a task.")
        return frame.run.parameters[self.name]

    def __repr__(self) -> str:
        return f"<Parameter: {self.name}>"

    def _placed(self, what: str, flow: Any = None) -> Graph:
        self._declare()  # it may belong to several flows: the one that is declared now is meant
        return super()._placed(what, flow)

    def _declare(self) -> None:
        frame = FRAME.get()
        declare = getattr(None if frame is None else frame.host, "declare", None)
        if declare is not None:
            declare(self)


def choose_values(flow: str, declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a run: the given ones, else the defaults.

    Raises:  ParametersInvalid: some are missing or unknown.
    """
    problems = [_unknown(name, declared) for name in given if name not in declared]
    for name, parameter in declared.items():
        if parameter.required and name not in given:
            problems.append(FieldProblem(name, "a value is needed, as there is no default"))
    if problems:
        raise ParametersInvalid(flow, problems)
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}


class SignatureParameters:
    """The parameters of a function, validated as their annotations say."""

    def __init__(self, flow: str, fn: Callable[..., Any]) -> None:
        self.signature = inspect.signature(fn)
        self._flow = flow
        self._fn = fn
        self._model: type[BaseModel] | None = None

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """Return the arguments by their names, defaults included.

        Raises:  ParametersInvalid.
        """
        known = self.signature.parameters
        takes_any = any(each.kind is each.VAR_KEYWORD for each in known.values())
        problems = [] if takes_any else [_unknown(name, known) for name in kwargs if name not in known]
        if not args:
            problems += [
                FieldProblem(name, "a value is needed, as there is no default")
                for name, each in known.items()
                if name not in kwargs
                and each.default is each.empty
                and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
            ]
        if problems:
            raise ParametersInvalid(self._flow, problems)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ParametersInvalid(self._flow, [FieldProblem("", str(error))]) from error
        bound.apply_defaults()
        return bound

    def validate(self, bound: inspect.BoundArguments) -> None:
        """Check the arguments, and convert them to what their annotations say; blocks stay as they are.

        Raises:  ParametersInvalid.
        """
        names = self._checked_names()
        if not names:
            return
        if self._model is None:
            self._model = self._make_model(names)
        given = {name: bound.arguments[name] for name in names if name in bound.arguments}
        try:
            checked = self._model.model_validate(given)
        except ValidationError as error:
            problems = [
                FieldProblem(".".join(map(str, each["loc"])), without(each["msg"], secret_texts(given)))
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise ParametersInvalid(self._flow, problems) from None  # its text may repeat a secret's value
        for place, name in enumerate(names):
            bound.arguments[name] = getattr(checked, f"p{place}")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters."""
        hints = _annotations_of(self._flow, self._fn)
        return schema_of_signature(self._flow, self.signature, hints)

    def _checked_names(self) -> list[str]:
        """Return the parameters with an annotation; `*args` and `**kwargs` are taken as they come."""
        return [
            each.name
            for each in self.signature.parameters.values()
            if each.annotation is not each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]

    def _make_model(self, names: list[str]) -> type[BaseModel]:
        hints = _annotations_of(self._flow, self._fn)
        fields: dict[str, Any] = {
            f"p{place}": (takes_address(hints[name]), Field(alias=name)) for place, name in enumerate(names)
        }
        config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)
        return create_model("Parameters", __config__=config, **fields)


def describe_values(values: Mapping[str, Any]) -> str:
    """Return values as JSON for the record of a run: blocks by their address, secrets masked.

    So is a secret in use that stands in a text, or is a number: each on its own, so that it stays JSON.
    """
    return json.dumps({name: _describe(value, _MAX_DEPTH) for name, value in values.items()})


def _describe(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return SECRETS_IN_USE.hide(value)
    if isinstance(value, (int, float)):
        return _describe_number(value)
    if depth == 0:
        return "…"
    if is_secret(value):
        return "**********"
    if isinstance(value, Block):
        saved = value.saved_as
        return {"block": saved.address if saved else value.type_info.slug or type(value).__name__}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return {SECRETS_IN_USE.hide(str(key)): _describe(item, depth - 1) for key, item in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_describe(item, depth - 1) for item in cast("list[Any]", value)]
    if isinstance(value, BaseModel):
        return {name: _describe(item, depth - 1) for name, item in value}
    return _describe_plain(value, depth)


def _describe_plain(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return _describe(value.value, depth)
    if isinstance(value, (date, time)):
        return SECRETS_IN_USE.hide(value.isoformat())
    if isinstance(value, (PurePath, UUID, Decimal)):
        return SECRETS_IN_USE.hide(str(value))
    return f"<{type(value).__name__}>"  # never a repr: it may show what should not be seen


def _describe_number(value: float) -> Any:
    """Return a number that JSON can hold, else a text."""
    if isinstance(value, int) and value.bit_length() >= _MAX_BITS:
        return "<int>"
    text = str(value)
    hidden = SECRETS_IN_USE.hide(text)
    return value if hidden == text and isfinite(value) else hidden


def _unknown(name: str, known: Mapping[str, Any]) -> FieldProblem:
    close = suggest(name, known)
    hint = f", did you mean '{close[0]}'?" if close else ""
    listed = ", ".join(sorted(known)) or "none"
    return FieldProblem(name, f"there is no such parameter{hint} (there are: {listed})")


def _check_json(name: str, default: Any) -> None:
    try:
        json.dumps(default)
    except (TypeError, ValueError) as error:
        raise FlowInvalid(
            f"Parameter '{name}' has a default that JSON cannot hold ({error}). Give plain values: "
            f"they are shown in forms and sent to agents."
        ) from error


def _annotations_of(flow: str, fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return inspect.get_annotations(fn, eval_str=True)
    except NameError as error:
        raise FlowInvalid(
            f"An annotation of flow '{flow}' cannot be read: {error}. Define the name in the flow's module, "
            f"or declare the flow with validate_parameters=False."
        ) from error
