"""What `@task` and `Task` take, in the words of both generations of flow programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypedDict, cast, get_args, get_origin, get_type_hints

from blocks_core.capabilities import Storage
from blocks_flows.errors import FlowInvalid
from blocks_flows.nodes import NO_RULES, Rules
from blocks_flows.options import (
    Delay,
    StateHandler,
    check_options,
    one_of,
    read_alerts,
    read_duration,
    read_result_place,
    read_retry,
    read_storage,
    several,
)
from blocks_flows.serializers import read_serializer
from blocks_flows.triggers import Trigger, all_successful


class TaskArguments(TypedDict, total=False):
    """What a task is declared with; names beside each other in `_SAME` mean the same."""

    name: str
    description: str
    tags: Sequence[str]
    version: str
    retries: int
    max_retries: int
    retry_delay_seconds: Delay
    retry_delay: Delay
    retry_jitter_factor: float
    """By what share a delay may grow, at random: 0.5 makes 10 seconds 10 to 15."""
    retry_on: Any
    """An exception class, or several: only these are tried again."""
    retry_condition_fn: Callable[[Any, Any, Any], bool]
    """Called with the task, the run's facts and the failed state: whether to try again."""
    timeout_seconds: float
    timeout: float | timedelta
    task_run_name: str | Callable[..., str]
    """A template over the arguments such as `train-{alpha}`, or a function that returns the name."""
    trigger: Trigger
    skip_on_upstream_skip: bool
    log_stdout: bool
    log_prints: bool
    on_failure: Any
    """A notifier block, an address such as `slack-webhook/alerts`, a function (task, run, state), or a list."""
    on_completion: Any
    """The same, of a success."""
    state_handlers: Sequence[StateHandler]
    """Each is called with the task, the old and the new state; what it returns does not count."""
    result_storage: Storage | str
    result_serializer: str
    result_storage_key: str
    target: str
    """A template of the result's path; where a file is there already, the task is not run."""
    result: Any
    """One of `blocks_flows.results`, such as `S3Result(bucket="results")`: storage and path in one."""
    persist_result: bool
    checkpoint: bool
    cache_key_fn: Callable[..., str | None]
    cache_expiration: timedelta
    cache_for: timedelta
    """As cache_expiration; without a cache_key_fn, the task's inputs are the key."""
    refresh_cache: bool
    nout: int
    """How many values it returns, so that its result can be taken apart: `a, b = split(x)`."""


_SAME: Final = {
    "retries": ("retries", "max_retries"),
    "retry_delay": ("retry_delay_seconds", "retry_delay"),
    "timeout": ("timeout_seconds", "timeout"),
    "log_stdout": ("log_stdout", "log_prints"),
    "persist_result": ("persist_result", "checkpoint"),
    "expiration": ("cache_expiration", "cache_for"),
}


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """When a value that was made before is taken instead of running the task."""

    key_fn: Callable[..., str | None] | None = None
    """None: a hash of the inputs."""
    expiration_seconds: float | None = None
    """None: it is good for ever."""
    refresh: bool = False
    """Run the task, whatever there is, and keep its value anew."""


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is to be run."""

    description: str = ""
    tags: tuple[str, ...] = ()
    version: str | None = None
    rules: Rules = NO_RULES
    retry_on: tuple[type[BaseException], ...] = ()
    """Empty: whatever it is."""
    retry_condition: Callable[[Any, Any, Any], bool] | None = None
    timeout_seconds: float | None = None
    run_name: str | Callable[..., str] | None = None
    log_stdout: bool = False
    on_failure: tuple[Any, ...] = ()
    on_completion: tuple[Any, ...] = ()
    state_handlers: tuple[StateHandler, ...] = ()
    result_storage: Any = None
    serializer: str | None = None
    """None: the flow's, which is `cloudpickle` unless it says otherwise."""
    storage_key: str | None = None
    """A template of the result's path; None is a path of its own for each run."""
    is_target: bool = False
    """A file that is there at `storage_key` is the value: the task is not run."""
    persist_result: bool | None = None
    """None: where there is a storage."""
    cache: CacheOptions | None = None
    nout: int | None = None


def read_options(what: str, given: TaskArguments, doc: str | None) -> TaskOptions:
    """Return how a task is to be run.

    Raises:  OptionUnknown, FlowInvalid, NameInvalid.
    """
    check_options(what, given, tuple(TaskArguments.__annotations__))
    same = {name: one_of(what, given, names, None) for name, names in _SAME.items()}
    trigger = given.get("trigger")
    if trigger is not None and not callable(trigger):
        raise FlowInvalid(
            f"{what} has the trigger {trigger!r}. Give one of blocks_flows.triggers, such as "
            f"triggers.any_failed, or a function of the states of those before it."
        )
    storage, key = _read_result(what, given)
    cache = _read_cache(what, given, same["expiration"])
    if same["persist_result"] is False and (cache is not None or key is not None):
        raise FlowInvalid(
            f"{what} is to keep no result (persist_result=False or checkpoint=False) and to find it again all the "
            f"same (cache_key_fn, cache_for, target or result_storage_key). Leave one of them out."
        )
    return TaskOptions(
        description=inspect.cleandoc(given.get("description", doc) or ""),
        tags=several(given.get("tags")),
        version=given.get("version"),
        rules=Rules(
            read_retry(
                what, same["retries"] or 0, same["retry_delay"] or 0.0, given.get("retry_jitter_factor")
            ),
            None if trigger is all_successful else trigger,
            given.get("skip_on_upstream_skip", True),
        ),
        retry_on=_read_exceptions(what, given.get("retry_on")),
        retry_condition=given.get("retry_condition_fn"),
        timeout_seconds=read_duration(what, "timeout_seconds", same["timeout"]),
        run_name=given.get("task_run_name"),
        log_stdout=bool(same["log_stdout"]),
        on_failure=read_alerts(what, given.get("on_failure")),
        on_completion=read_alerts(what, given.get("on_completion")),
        state_handlers=several(given.get("state_handlers")),
        result_storage=storage,
        serializer=read_serializer(what, given.get("result_serializer")),
        storage_key=key,
        is_target="target" in given,
        persist_result=same["persist_result"],
        cache=cache,
        nout=_read_nout(what, given.get("nout")),
    )


def changed_arguments(given: TaskArguments, changes: TaskArguments) -> TaskArguments:
    """Return what a task was declared with, changed; a name takes the place of another that means the same."""
    replaced = set[str]()
    for names in (*_SAME.values(), ("result_storage_key", "target"), ("result", "result_storage")):
        if not changes.keys().isdisjoint(names):
            replaced.update(names)
    kept = {name: value for name, value in given.items() if name not in replaced}
    return cast("TaskArguments", {**kept, **changes})


def count_annotated(run: Callable[..., Any]) -> int | None:
    """Return how many values a function returns, if its annotation is a tuple of so many; see `nout`."""
    try:
        hint = get_type_hints(run).get("return")
    except Exception:  # noqa: BLE001 - an annotation may name what is not there
        return None
    parts = get_args(hint) if get_origin(hint) is tuple else ()
    return len(parts) if parts and parts[-1] is not Ellipsis else None


def _read_nout(what: str, given: Any) -> int | None:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise FlowInvalid(f"{what} has nout={given!r}. Give the number of values that it returns, 1 or more.")
    return given


def _read_result(what: str, given: TaskArguments) -> tuple[Any, str | None]:
    storage = read_storage(what, given.get("result_storage"))
    key = one_of(what, given, ("result_storage_key", "target"), None)
    result = given.get("result")
    if result is None:
        return storage, key
    place = read_result_place(what, storage, result)
    return place, key or place.location


def _read_cache(what: str, given: TaskArguments, expiration: Any) -> CacheOptions | None:
    key_fn = given.get("cache_key_fn")
    if key_fn is None and "cache_for" not in given:
        if expiration is not None or given.get("refresh_cache"):
            raise FlowInvalid(
                f"{what} says how long a cached value is good, and not what it is found by. Give a "
                f"cache_key_fn, such as task_input_hash."
            )
        return None
    if key_fn is not None and not callable(key_fn):
        raise FlowInvalid(f"{what} has cache_key_fn={key_fn!r}. Give a function, such as task_input_hash.")
    seconds = read_duration(what, "cache_expiration", expiration)
    return CacheOptions(key_fn, seconds, bool(given.get("refresh_cache")))


def _read_exceptions(what: str, given: Any) -> tuple[type[BaseException], ...]:
    classes = several(given)
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise FlowInvalid(f"{what} has retry_on={given!r}. Give an exception class, or a list of such.")
    return classes
