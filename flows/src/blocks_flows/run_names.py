"""Names of flow runs, made for each from its parameters and facts.

A template such as `etl-{region}-{date:%Y-%m-%d}` names parameters, and what else a run's `context` holds: `date`,
`today`, `scheduled_start_time`, `flow_name`, … A function is given the parameters, if it takes any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from typing import Any

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.context import FRAME, Frame, RunFacts, context
from blocks_flows.errors import FlowInvalid
from blocks_flows.failures import describe


def make_run_name(naming: str | Callable[..., str], facts: RunFacts) -> str:
    """Return the name of a run, without secrets.

    Raises:  FlowInvalid: the template or the function fails.
    """
    token = FRAME.set(Frame(run=facts))
    try:
        return fill_name(naming, facts.parameters, _Facts(facts.parameters))
    except Exception as error:
        shown = f"'{naming}'" if isinstance(naming, str) else getattr(naming, "__qualname__", "of a function")
        raise FlowInvalid(
            f"The run name {shown} of flow '{facts.flow_name}' cannot be made: {describe(error)}. Name parameters "
            f"in braces; there are: {', '.join(facts.parameters) or 'none'}. Or name facts such as date and "
            f"scheduled_start_time."
        ) from error
    finally:
        FRAME.reset(token)


def fill_name(
    naming: str | Callable[..., str], values: Mapping[str, Any], fields: Mapping[str, Any] | None = None
) -> str:
    """Return a name, without the secrets in use: of a template filled in, or what a function returns.

    Args:    values: given to a function, if it takes any. fields: for a template; None: the same.
    Raises:  whatever the template or the function raises.
    """
    if isinstance(naming, str):
        name = naming.format_map(values if fields is None else fields)
    else:
        name = str(naming(**values) if signature(naming).parameters else naming())
    return SECRETS_IN_USE.hide(name)


class _Facts(Mapping[str, Any]):
    """Parameters, and behind them the facts of the run."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def __getitem__(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        try:
            return getattr(context, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)
