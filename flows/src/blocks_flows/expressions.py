"""What can be written with the result of a task before there is one: `x + 1`, `x > y`, `x & y`, `-x`.

Each makes a task of its own. `==` and `!=` compare the tasks, since tasks are keys of dicts and elements of sets:
`x.is_equal(y)` compares their results. `&`, `|` and `not_` are Python's `and`, `or` and `not`.
"""

from __future__ import annotations

from typing import Any, Self

from blocks_flows.arguments import Reference


class Expression(Reference):
    """What operators can be written with."""

    __array_ufunc__ = None
    """NumPy's arrays on the left leave the operation to this class, instead of taking it for an element."""
    __pandas_priority__ = 5000
    """And so do pandas' series and data frames, which are at 4000."""

    def is_equal(self, other: Any) -> Self:
        """Place a task that compares the results."""
        return self._operate("==", self, other)

    def is_not_equal(self, other: Any) -> Self:
        """Place a task that compares the results."""
        return self._operate("!=", self, other)

    def and_(self, other: Any) -> Self:
        """Place a task that returns this result where it is false, else the other; the same as `x & y`."""
        return self._operate("and", self, other)

    def or_(self, other: Any) -> Self:
        """Place a task that returns this result where it is true, else the other; the same as `x | y`."""
        return self._operate("or", self, other)

    def not_(self) -> Self:
        """Place a task that returns whether this result is false."""
        return self._operate("not", self)

    def _operate(self, symbol: str, *operands: Any) -> Self:
        raise NotImplementedError

    def __add__(self, other: Any) -> Self:
        return self._operate("+", self, other)

    def __radd__(self, other: Any) -> Self:
        return self._operate("+", other, self)

    def __sub__(self, other: Any) -> Self:
        return self._operate("-", self, other)

    def __rsub__(self, other: Any) -> Self:
        return self._operate("-", other, self)

    def __mul__(self, other: Any) -> Self:
        return self._operate("*", self, other)

    def __rmul__(self, other: Any) -> Self:
        return self._operate("*", other, self)

    def __truediv__(self, other: Any) -> Self:
        return self._operate("/", self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._operate("/", other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self._operate("//", self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._operate("//", other, self)

    def __mod__(self, other: Any) -> Self:
        return self._operate("%", self, other)

    def __rmod__(self, other: Any) -> Self:
        return self._operate("%", other, self)

    def __pow__(self, other: Any) -> Self:
        return self._operate("**", self, other)

    def __rpow__(self, other: Any) -> Self:
        return self._operate("**", other, self)

    def __neg__(self) -> Self:
        return self._operate("-", self)

    def __gt__(self, other: Any) -> Self:
        return self._operate(">", self, other)

    def __ge__(self, other: Any) -> Self:
        return self._operate(">=", self, other)

    def __lt__(self, other: Any) -> Self:
        return self._operate("<", self, other)

    def __le__(self, other: Any) -> Self:
        return self._operate("<=", self, other)

    def __and__(self, other: Any) -> Self:
        return self.and_(other)

    def __rand__(self, other: Any) -> Self:
        return self._operate("and", other, self)

    def __or__(self, other: Any) -> Self:
        return self.or_(other)

    def __ror__(self, other: Any) -> Self:
        return self._operate("or", other, self)
