"""Reads what tasks and flows are declared with: what is unknown, doubled or of a wrong kind is refused at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

from blocks_core.capabilities import Notifier, Storage
from blocks_core.names import split_address, suggest
from blocks_flows.errors import FlowInvalid, OptionUnknown
from blocks_flows.nodes import RetryPolicy

Delay = float | timedelta | Sequence[float | timedelta] | Callable[[int], Sequence[float]]
"""Seconds, a list of them for one try after another, or a function that makes that of the number of retries."""
StateHandler = Callable[[Any, Any, Any], object]


def check_options(what: str, given: Any, known: Sequence[str]) -> None:
    """Refuse arguments that there are not.

    Raises:  OptionUnknown.
    """
    for option in given:
        if option not in known:
            raise OptionUnknown(what, option, suggest(option, known), known)


def one_of(what: str, given: Any, names: Sequence[str], default: Any) -> Any:
    """Return what was given under one of several names that mean the same.

    Raises:  FlowInvalid: under two of them.
    """
    present = [name for name in names if name in given]
    if len(present) > 1:
        raise FlowInvalid(
            f"{what} has both '{present[0]}' and '{present[1]}', which mean the same. Leave one out."
        )
    return given[present[0]] if present else default


def read_retry(what: str, retries: Any, delay: Delay, jitter: Any = None) -> RetryPolicy:
    """Return a policy from a number of retries and a delay, or a list of delays.

    Raises:  FlowInvalid.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise FlowInvalid(f"{what} has retries={retries!r}. Give a whole number, 0 or more.")
    if callable(delay):
        delay = list(delay(retries)) or 0.0
    listed: Sequence[Any] = cast("Sequence[Any]", delay) if isinstance(delay, (list, tuple)) else (delay,)
    seconds: tuple[Any, ...] = tuple(
        each.total_seconds() if isinstance(each, timedelta) else each for each in listed
    )
    if not seconds or not all(isinstance(each, (int, float)) and each >= 0 for each in seconds):
        raise FlowInvalid(
            f"{what} has the retry delay {delay!r}. Give seconds or a timedelta, 0 or more, or a list of them."
        )
    if jitter is not None and (not isinstance(jitter, (int, float)) or jitter < 0):
        raise FlowInvalid(
            f"{what} has retry_jitter_factor={jitter!r}. Give the share by which a delay may grow, such as 0.5."
        )
    return RetryPolicy(retries, seconds, float(jitter or 0))


def exponential_backoff(backoff_factor: float) -> Callable[[int], Sequence[float]]:
    """Return delays that double: `retry_delay_seconds=exponential_backoff(10)` waits 10, 20, 40, … seconds."""
    return lambda retries: [backoff_factor * 2.0**number for number in range(retries)]


def read_duration(what: str, name: str, given: Any) -> float | None:
    """Return seconds, given as such or as a timedelta; None stays None.

    Raises:  FlowInvalid: it is not above 0.
    """
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0:
        raise FlowInvalid(f"{what} has {name}={given!r}. Give seconds above 0, or a timedelta.")
    return float(seconds)


def several(given: Any) -> tuple[Any, ...]:
    """Return what was given alone, in a list, or not at all, as a tuple."""
    if given is None:
        return ()
    return tuple(cast("Sequence[Any]", given)) if isinstance(given, (list, tuple, set)) else (given,)


def read_alerts(what: str, given: Any) -> tuple[Any, ...]:
    """Return the entries of an `on_failure` or another hook.

    Raises:  FlowInvalid, NameInvalid.
    """
    entries = several(given)
    for entry in entries:
        if isinstance(entry, str):
            split_address(entry)
        elif not isinstance(entry, Notifier) and not callable(entry):
            raise FlowInvalid(
                f"{what} is to tell a {type(entry).__name__} of its end. Give a notifier block, the address of "
                f"one such as 'slack-webhook/alerts', or a function."
            )
    return entries


def read_result_place(what: str, storage: Any, result: Any) -> Any:
    """Return one of `blocks_flows.results` that stands in place of a storage.

    Raises:  FlowInvalid: it is none, or there is a storage too.
    """
    if storage is not None or not hasattr(cast("type[object]", type(result)), "storage"):
        raise FlowInvalid(
            f"{what} has result={type(result).__name__}. Give one of blocks_flows.results, such as "
            f"S3Result(bucket='results'), and then no result_storage."
        )
    return result


def read_storage(what: str, given: Any) -> Any:
    """Return a storage block or its address, or None.

    Raises:  FlowInvalid, NameInvalid.
    """
    if isinstance(given, str):
        split_address(given)
    elif given is not None and not isinstance(given, Storage):
        raise FlowInvalid(
            f"{what} has a result_storage of type {type(given).__name__}. Give a storage block, or the address "
            f"of one such as 's3/results'."
        )
    return given
