"""Makes blocks of plain data, and tells what does not fit without repeating a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, core_schema

from blocks_core.block import Block
from blocks_core.errors import BlockInvalid, BlocksError, FieldProblem, did_you_mean
from blocks_core.masking import secret_texts, without
from blocks_core.names import suggest
from blocks_core.secret import is_reference

_OWN_MESSAGES = frozenset(get_args(core_schema.ErrorType)) - {"value_error", "assertion_error"}
"""Kinds of problems that pydantic words itself, without the value; others are worded by a type's validators."""

AnyBlock = TypeVar("AnyBlock", bound=Block)


def build_block(block_type: type[AnyBlock], fields: Mapping[str, Any], *, what: str) -> AnyBlock:
    """Return a block of a type, its fields given by their Python names.

    Args:    what: what to call the block in an error.
    Raises:  BlockInvalid: with one problem for each field; no message repeats a secret.
    """
    problems: dict[FieldProblem, None]
    try:
        return block_type.model_validate(fields, by_name=True, by_alias=False)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        problems = dict.fromkeys(_problem(detail, fields, block_type) for detail in details)
    except BlocksError:
        raise
    except Exception as error:
        text = without(str(error), secret_texts(fields))
        raised = FieldProblem("", f"its class raised {type(error).__name__}: {text}")
        if text == str(error):
            raise BlockInvalid(what, [raised]) from error
        problems = {raised: None}
    raise BlockInvalid(what, list(problems))  # not from the cause, which holds the values it refused


def _problem(detail: ErrorDetails, fields: Mapping[str, Any], block_type: type[Block]) -> FieldProblem:
    path = _path(detail["loc"], fields)
    text = detail["msg"].removeprefix("Value error, ").rstrip(".")
    if detail["type"] == "extra_forbidden":
        known = suggest(path, block_type.model_fields) if "." not in path else []
        text = f"there is no such field{did_you_mean(known)}"
    elif detail["type"] == "missing":
        text = "is required"
    elif is_reference(_value_at(detail["loc"], fields)):
        text = (
            "takes no such secret reference: a SecretStr takes a SecretRef, a SecretBytes a SecretBytesRef, and "
            "nothing else takes one"
        )
    elif detail["type"] not in _OWN_MESSAGES and without(text, secret_texts(fields)) != text:
        text = "is not valid; the type's own message is left out, as it repeats a secret"
    return FieldProblem(path, text[:1].lower() + text[1:])


def _path(location: tuple[int | str, ...], fields: Any) -> str:
    """Return the dotted path of a problem, without pydantic's names of the members of a union."""
    steps: list[str] = []
    here = fields
    for index, step in enumerate(location):
        inner = _member(here, step)
        if inner is not None:
            here = inner[0]
        elif index < len(location) - 1 or "[" in str(step):
            continue
        steps.append(str(step))
    return ".".join(steps)


def _value_at(location: tuple[int | str, ...], fields: Any) -> Any:
    here = fields
    for step in location:
        inner = _member(here, step)
        here = inner[0] if inner is not None else here
    return here


def _member(here: Any, step: int | str) -> tuple[Any] | None:
    try:
        return (here[step],)
    except (KeyError, IndexError, TypeError):
        return None
