"""The tasks that operators and indexing make: `x + 1`, `x[0]`, `x[1:]`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, cast

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.tasks import Task

_MAX_TEXT: Final = 40
"""Characters of an operand in a task's name; of a chain of operations it is all that stays readable."""


def _both(left: Any, right: Any) -> Any:
    return left and right


def _either(left: Any, right: Any) -> Any:
    return left or right


_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,  # pyright: ignore[reportUnknownMemberType]
    "//": operator.floordiv,  # pyright: ignore[reportUnknownMemberType]
    "%": operator.mod,
    "**": operator.pow,  # pyright: ignore[reportUnknownMemberType]
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "and": _both,
    "or": _either,
}
_UNARY: Final[dict[str, Callable[[Any], Any]]] = {"-": operator.neg, "not": operator.not_}


class Operation(Task):
    """Applies an operator to what tasks return, or to constants; its name reads like the expression."""

    is_quick = True

    def __init__(self, symbol: str, operands: tuple[Any, ...]) -> None:
        texts = [_operand_text(operand) for operand in operands]
        name = f"{symbol} {texts[0]}" if len(texts) == 1 else f" {symbol} ".join(texts)
        super().__init__(name=name, description="")
        self.symbol = symbol

    def run(self, *operands: Any) -> Any:
        """Return what the operator makes of the operands."""
        functions: dict[str, Callable[..., Any]] = _UNARY if len(operands) == 1 else _BINARY
        return functions[self.symbol](*operands)


class GetItem(Task):
    """Takes an item out of another task's value: `x[0]`."""

    is_quick = True

    def __init__(self, of: Task, key: Any) -> None:
        super().__init__(name=f"{of.name}[{_key_text(key)}]", description="")

    def run(self, value: Any, key: Any) -> Any:
        """Return the item."""
        return value[key]


class GetSlice(GetItem):
    """Takes a part out of another task's value: `x[1:]`; a bound may be a task's result, too."""

    def run(self, value: Any, key: list[Any]) -> Any:
        """Return the part from key[0] to key[1] in steps of key[2]."""
        return value[slice(*key)]


def constant_text(value: Any) -> str:
    """Return a constant for a task's name: short, on one line, and without a secret that is in use."""
    text = SECRETS_IN_USE.hide(repr(value))
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _operand_text(operand: Any) -> str:
    if isinstance(operand, Operation):
        return f"({_short(operand.name)})"
    if isinstance(operand, Task):
        return operand.name
    if operand is None or isinstance(operand, (bool, int, float)):
        return constant_text(operand)
    return f"<{type(operand).__name__}>"  # a text may be long, or not for everybody


def _key_text(key: Any) -> str:
    if isinstance(key, Task):
        return key.name
    if isinstance(key, slice):
        part = cast("slice[Any, Any, Any]", key)
        bounds = [part.start, part.stop] if part.step is None else [part.start, part.stop, part.step]
        return ":".join("" if bound is None else _key_text(bound) for bound in bounds)
    if isinstance(key, tuple):
        return ", ".join(map(_key_text, cast("tuple[Any, ...]", key)))
    return constant_text(key)


def _short(name: str) -> str:
    return name if len(name) <= _MAX_TEXT else f"{name[: _MAX_TEXT - 1]}…"
