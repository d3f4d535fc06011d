"""Triggers: whether a task runs, by how those before it ended.

    @task(trigger=triggers.any_failed)
    def clean_up(): ...

A trigger is a function of the states of all that the task waits for, of a mapped one each child's; where the task
is mapped too, only the child that it follows. It returns whether to run, or raises a signal. It is asked once, while
the run's lock is held, so it must be quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blocks_flows.errors import FlowInvalid
from blocks_flows.signals import PAUSE, SKIP
from blocks_flows.states import State

Trigger = Callable[[Sequence[State]], bool]


def all_successful(states: Sequence[State]) -> bool:
    """Run if all before it succeeded or were skipped: the default."""
    return all(state.is_successful() for state in states)


def all_failed(states: Sequence[State]) -> bool:
    """Run if all before it failed."""
    return all(state.is_failed() for state in states)


def any_successful(states: Sequence[State]) -> bool:
    """Run if at least one before it succeeded or was skipped, or there is none."""
    return not states or any(state.is_successful() for state in states)


def any_failed(states: Sequence[State]) -> bool:
    """Run if at least one before it failed, or there is none."""
    return not states or any(state.is_failed() for state in states)


def all_finished(states: Sequence[State]) -> bool:
    """Run however those before it ended."""
    return all(state.is_finished() for state in states)


always_run = all_finished


def not_all_skipped(states: Sequence[State]) -> bool:
    """Run if all before it succeeded or were skipped; where all were skipped, so is this one."""
    if states and all(state.is_skipped() for state in states):
        raise SKIP("Skipped, as all before it were.")
    return all_successful(states)


def manual_only(states: Sequence[State]) -> bool:
    """Never run by itself: pause the flow run until "block run resume"."""
    raise PAUSE("The task runs only when it is approved.")


def some_failed(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Return a trigger: run if so many of those before it failed, or there is none.

    Args:    at_least, at_most: whole numbers count, fractions between 0 and 1 are shares of all.
    Raises:  FlowInvalid.
    """
    return _some("some_failed", State.is_failed, at_least, at_most)


def some_successful(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Return a trigger: run if so many of those before it succeeded or were skipped, or there is none.

    Args:    see `some_failed`.
    """
    return _some("some_successful", State.is_successful, at_least, at_most)


def _some(name: str, fits: Callable[[State], bool], at_least: float | None, at_most: float | None) -> Trigger:
    for bound in (at_least, at_most):
        if bound is not None and (bound < 0 or (isinstance(bound, float) and bound > 1)):
            raise FlowInvalid(
                f"The trigger {name} has the bound {bound}. Give a whole number, or a share such as 0.5."
            )

    def trigger(states: Sequence[State]) -> bool:
        if not states:
            return True
        count = sum(map(fits, states))
        least = 0 if at_least is None else _number(at_least, len(states))
        most = len(states) if at_most is None else _number(at_most, len(states))
        return least <= count <= most

    trigger.__name__ = name
    return trigger


def _number(bound: float, of: int) -> float:
    return bound * of if isinstance(bound, float) else bound
