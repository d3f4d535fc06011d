"""Rules: filters and adjustments that take arguments. A rule is a function that can be compared and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, cast

from blocks_flows.errors import ScheduleInvalid
from blocks_flows.schedules.moments import shown


@dataclass(frozen=True, slots=True)
class Rule:
    """A function of a moment with its other arguments given."""

    name: str
    """Of the function that made the rule."""
    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self, moment: Any) -> Any:
        """Return what the function returns of a moment."""
        return self.function(moment, *self.arguments)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


def describe_rule(rule: Any, known: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """Return a rule as plain data.

    Args:    known: what can be read back, by name.
    Raises:  ScheduleInvalid: it is a function of the user's own.
    """
    if isinstance(rule, Rule) and rule.name in known:
        return {"name": rule.name, "arguments": [_plain(each) for each in rule.arguments]}
    name = getattr(rule, "__name__", "")
    if known.get(name) is rule:
        return {"name": name}
    raise ScheduleInvalid(
        f"The schedule has the function {shown(rule)}, which cannot be stored: it is code of your own. "
        f"Use what blocks_flows.schedules has ({', '.join(sorted(known))}), or run the flow by flow.run()."
    )


def read_rule(given: Any, known: Mapping[str, Callable[..., Any]]) -> Any:
    """Return a rule from what `describe_rule` returned.

    Raises:  ScheduleInvalid.
    """
    stored = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    name, arguments = stored.get("name"), stored.get("arguments")
    if not isinstance(name, str) or name not in known:
        raise ScheduleInvalid(
            f"A stored schedule has the rule {shown(given)}, which this version does not know. "
            f"It knows: {', '.join(sorted(known))}. Give for example {{'name': '{max(known)}'}}."
        )
    if arguments is None:
        return known[name]
    try:
        return known[name](*arguments)
    except TypeError as error:
        raise ScheduleInvalid(f"A stored schedule has the rule {shown(given)}: {error}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, time)):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
