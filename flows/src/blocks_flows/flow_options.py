"""What flows of both forms take, in the words of both generations of flow programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypedDict

from blocks_flows.errors import FlowInvalid
from blocks_flows.executors import Executor
from blocks_flows.nodes import NO_RETRY, RetryPolicy
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
from blocks_flows.states import StateType


class FlowArguments(TypedDict, total=False):
    """What both forms take."""

    description: str
    version: str
    """None: a hash of the file that declares the flow, if there is one."""
    tags: Sequence[str]
    executor: Executor
    task_runner: Executor
    """The same as executor."""
    schedule: Any
    """One of `blocks_flows.schedules`."""
    timeout_seconds: float | timedelta
    """How long a run may take, its further tries included. Tasks that run when it is over are waited for."""
    flow_run_name: str | Callable[..., str]
    """A template over parameters and facts such as `etl-{region}-{date:%Y-%m-%d}`, or a function; see `run_names`."""
    result_storage: Any
    """A storage block, or the address of one such as `s3/results`: of the tasks, and of what the function returns."""
    result: Any
    """One of `blocks_flows.results`, such as `S3Result(bucket="results")`, in place of result_storage."""
    result_serializer: str
    persist_result: bool
    """Whether what the flow function returns is kept; None: where there is a storage."""
    on_failure: Any
    """A notifier block, an address such as `slack-webhook/alerts`, a function (flow, run, state), or a list."""
    on_completion: Any
    on_cancellation: Any
    on_crashed: Any
    """Without it, on_failure is told of a crash too."""
    on_running: Any
    """Told of each try as it begins."""
    state_handlers: Sequence[StateHandler]
    """Each is called with the flow, the old and the new state; what it returns does not count."""


class GraphArguments(FlowArguments, total=False):
    """What `Flow` takes besides its name."""

    terminal_state_handler: Callable[[Any, Any, Any], Any]
    """Called with the flow, how its run is to end and the reference tasks' states; may return another state."""


class FunctionArguments(FlowArguments, total=False):
    """What `@flow` takes."""

    name: str
    retries: int
    retry_delay_seconds: Delay
    validate_parameters: bool
    log_prints: bool
    """What the function itself prints becomes lines of the run's log; tasks have an option of their own."""
    log_stdout: bool
    """The same."""


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """How a flow is to be run."""

    description: str = ""
    version: str | None = None
    tags: tuple[str, ...] = ()
    executor: Executor | None = None
    """None: what suits the form of the flow."""
    schedule: Any = None
    timeout_seconds: float | None = None
    flow_run_name: str | Callable[..., str] | None = None
    result_storage: Any = None
    serializer: str | None = None
    persist_result: bool | None = None
    hooks: Mapping[StateType, tuple[Any, ...]] = field(default_factory=dict[StateType, tuple[Any, ...]])
    """Who is told of which states."""
    state_handlers: tuple[StateHandler, ...] = ()
    terminal_state_handler: Callable[[Any, Any, Any], Any] | None = None
    retry: RetryPolicy = NO_RETRY
    validate_parameters: bool = True
    log_prints: bool = False


_HOOKS: Final = {
    StateType.FAILED: "on_failure",
    StateType.CRASHED: "on_crashed",
    StateType.SUCCESS: "on_completion",
    StateType.CANCELLED: "on_cancellation",
    StateType.RUNNING: "on_running",
}


def read_flow_options(what: str, given: Any, known: Any, doc: str | None = "") -> FlowOptions:
    """Return how a flow is to be run.

    Args:    known: the TypedDict of what its form takes.
    Raises:  OptionUnknown, FlowInvalid, NameInvalid.
    """
    check_options(what, given, tuple(known.__annotations__))
    executor = one_of(what, given, ("executor", "task_runner"), None)
    if executor is not None and not isinstance(executor, Executor):
        raise FlowInvalid(
            f"{what} has an executor of type {type(executor).__name__}. Give one of blocks_flows.executors, "
            f"such as LocalDaskExecutor(num_workers=8)."
        )
    storage = _read_storage(what, given)
    if given.get("persist_result") and storage is None:
        raise FlowInvalid(
            f"{what} is to keep what it returns (persist_result=True), and there is no storage for it. Give one: "
            f"result_storage='s3/results', or a storage block."
        )
    return FlowOptions(
        description=inspect.cleandoc(given.get("description", doc) or ""),
        version=given.get("version"),
        tags=several(given.get("tags")),
        executor=executor,
        schedule=given.get("schedule"),
        timeout_seconds=read_duration(what, "timeout_seconds", given.get("timeout_seconds")),
        flow_run_name=_read_run_name(what, given.get("flow_run_name")),
        result_storage=storage,
        serializer=read_serializer(what, given.get("result_serializer")),
        persist_result=given.get("persist_result"),
        hooks=_read_hooks(what, given),
        state_handlers=several(given.get("state_handlers")),
        terminal_state_handler=given.get("terminal_state_handler"),
        retry=read_retry(what, given.get("retries") or 0, given.get("retry_delay_seconds") or 0.0),
        validate_parameters=given.get("validate_parameters", True),
        log_prints=bool(one_of(what, given, ("log_prints", "log_stdout"), False)),
    )


def changed_arguments(given: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a flow was declared with, changed; a name takes the place of another that means the same."""
    same = (("executor", "task_runner"), ("result", "result_storage"), ("log_prints", "log_stdout"))
    replaced = {name for names in same if not changes.keys().isdisjoint(names) for name in names}
    return {**{name: value for name, value in given.items() if name not in replaced}, **changes}


def _read_hooks(what: str, given: Any) -> dict[StateType, tuple[Any, ...]]:
    hooks = {kind: read_alerts(what, given.get(name)) for kind, name in _HOOKS.items()}
    if "on_crashed" not in given:
        hooks[StateType.CRASHED] = hooks[StateType.FAILED]
    return {kind: entries for kind, entries in hooks.items() if entries}


def _read_storage(what: str, given: Any) -> Any:
    storage, result = read_storage(what, given.get("result_storage")), given.get("result")
    if result is None:
        return storage
    place = read_result_place(what, storage, result)
    if place.location is not None:
        raise FlowInvalid(
            f"{what} has a result with the location {place.location!r}, which each of its tasks would write. "
            f"Leave location out, or give such a result to a task."
        )
    return place


def _read_run_name(what: str, given: Any) -> Any:
    if given is not None and not isinstance(given, str) and not callable(given):
        raise FlowInvalid(
            f"{what} has flow_run_name={given!r}. Give a template such as 'etl-{{region}}', or a function."
        )
    return given
