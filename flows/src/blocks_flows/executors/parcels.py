"""Parcels: what goes to a worker and comes back, as bytes.

What all calls of a task have in common (its code, its options) is packed once. Secrets that stand in a parcel are
named in it, so that whoever opens it masks them too; others stay where they are. Who opens it trusts who packed it:
a pickle can run code.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import cloudpickle

from blocks_core.current import Actor, current_actor
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import FRAME, RunFacts
from blocks_flows.errors import NotSendable, TaskRaised
from blocks_flows.executors.sent_code import name_file
from blocks_flows.failures import RemoteTraceback, describe
from blocks_flows.nodes import NO_RULES
from blocks_flows.run_logs import traceback_of
from blocks_flows.tasks import FunctionTask, Task

_MAX_ERROR_BYTES: Final = 10_000_000
_MAX_TRACEBACK: Final = 100_000
_dumps = cast("Callable[[Any], bytes]", cloudpickle.dumps)  # pyright: ignore[reportUnknownMemberType]


@dataclass(frozen=True, slots=True)
class NotSent:
    """Stands for a parameter of a flow that cannot go to another process."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all calls of a task have in common."""

    task: Task
    storage: Any
    actor: Actor
    """Who answers for the blocks that the task loads."""
    file: str | None
    """Where the task's code is written; code that is sent by its value comes without that."""


def pack_run(facts: RunFacts) -> bytes:
    """Pack what holds for all tasks of a run; a parameter that cannot be sent is `NotSent` there."""
    plain = replace(facts, sink=None)
    try:
        return _with_secrets(_dumps(plain))
    except Exception:  # noqa: BLE001 - pickling runs the user's code
        parameters = {name: _sendable(name, value) for name, value in facts.parameters.items()}
        return _with_secrets(_dumps(replace(plain, parameters=parameters)))


def unpack_run(parcel: bytes) -> RunFacts:
    """Return the facts of a run, without the sink."""
    return pickle.loads(_opened(parcel))  # noqa: S301 - see the module


def pack_shared(call: TaskCall) -> bytes:
    """Pack what a call has in common with others of its task.

    Raises:  NotSendable.
    """
    token = FRAME.set(call.frame)
    try:
        actor = current_actor()
    finally:
        FRAME.reset(token)
    code = getattr(_function_of(call.task), "__code__", None)
    shared = Shared(_bare(call.task), call.storage, actor, getattr(code, "co_filename", None))
    try:
        return _with_secrets(_dumps(shared))
    except Exception as error:
        by_name = _ByName.of(call.task)
        if by_name is not None:
            shared.task.__dict__.update(fn=by_name, run=by_name)
            try:
                return _with_secrets(_dumps(shared))
            except Exception:  # noqa: BLE001, S110 - what was tried first says more
                pass
        raise NotSendable(
            f"Task '{call.task.name}' cannot be sent to a worker process ({describe(error)}): its code, its "
            f"options or a variable outside of it that it uses cannot be pickled. Make such a thing in the task, "
            f"or run the task on threads (LocalDaskExecutor())."
        ) from error


def unpack_shared(parcel: bytes) -> Shared:
    """Return what calls of a task have in common."""
    shared: Shared = pickle.loads(_opened(parcel))  # noqa: S301 - see the module
    if isinstance(shared.task.run, _ByName):
        shared.task.__dict__.update(fn=shared.task.run.found(), run=shared.task.run.found())
    if shared.file is not None:
        name_file(_function_of(shared.task), shared.file)
    return shared


def pack_call(call: TaskCall) -> bytes:
    """Pack what is a call's own.

    Raises:  NotSendable.
    """
    own = replace(
        call,
        task=cast("Any", None),
        storage=None,
        frame=replace(call.frame, host=None, run=None, stdout=None),
    )
    try:
        return _with_secrets(_dumps(own))
    except Exception as error:
        named = {**{f"argument {place}": each for place, each in enumerate(call.args)}, **call.kwargs}
        culprit = next((name for name, value in named.items() if _problem_with(value)), None)
        what = "Its arguments cannot" if culprit is None else _said(culprit, named[culprit])
        raise NotSendable(
            f"Task '{call.task.name}' cannot be called in a worker process. {what} be pickled "
            f"({describe(error)}). Give plain data and make the rest in the task, or run the task on threads "
            f"(LocalDaskExecutor())."
        ) from error


def unpack_call(parcel: bytes, shared: Shared) -> TaskCall:
    """Return a call as it was; without a host, a run and a place for what is printed."""
    call: TaskCall = pickle.loads(_opened(parcel))  # noqa: S301 - see the module
    call.task, call.storage = shared.task, shared.storage
    return call


def pack_outcome(outcome: Outcome, task_name: str) -> bytes:
    """Pack what a call came to; never raises."""
    error = outcome.error
    if error is None:
        try:
            return _with_secrets(_dumps(outcome))
        except Exception as problem:  # noqa: BLE001 - pickling runs the user's code
            error = NotSendable(
                f"Task '{task_name}' returned a value of type {type(outcome.value).__name__}, which cannot be sent "
                f"back from its worker process ({describe(problem)}). Return plain data, or run the task on "
                f"threads (LocalDaskExecutor())."
            )
    return _with_secrets(pickle.dumps(_SentError.of(error)))


def unpack_outcome(parcel: bytes, task_name: str) -> Outcome:
    """Return what a call came to; an error has the traceback of over there as its cause. Never raises."""
    try:
        found = pickle.loads(_opened(parcel))  # noqa: S301 - see the module
    except Exception as problem:  # noqa: BLE001 - unpickling runs the user's code
        text = (
            f"What task '{task_name}' returned cannot be read in the process of the flow ({describe(problem)}). "
            f"Return plain data, or run the task on threads (LocalDaskExecutor())."
        )
        return Outcome(error=NotSendable(text))
    return Outcome(error=found.error()) if isinstance(found, _SentError) else found


@dataclass(frozen=True, slots=True)
class _SentError:
    """An exception, and what to say where it cannot be made again."""

    pickled: bytes | None
    text: str
    traceback: str

    @staticmethod
    def of(error: BaseException) -> _SentError:
        trace = SECRETS_IN_USE.hide(_shortened(traceback_of(error)))
        try:
            # As Python pickles exceptions; where Dask is imported they would take these with them.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            pickled = _dumps(error)
            again = pickle.loads(pickled)  # noqa: S301 - it was made here; some can be written and not be read
            fits = type(again) is type(error) and len(pickled) <= _MAX_ERROR_BYTES
        except Exception:  # noqa: BLE001 - pickling runs the user's code
            pickled, fits = None, False
        return _SentError(pickled if fits else None, describe(error), trace)

    def error(self) -> BaseException:
        try:
            found = None if self.pickled is None else pickle.loads(self.pickled)  # noqa: S301 - see the module
        except Exception:  # noqa: BLE001 - unpickling runs the user's code
            found = None
        if not isinstance(found, BaseException):
            found = TaskRaised(f"{self.text} (the exception itself could not be sent from the worker)")
        found.__cause__ = RemoteTraceback(SECRETS_IN_USE.hide(self.traceback))
        return found


@dataclass(frozen=True, slots=True)
class _ByName:
    """A task's function by the place where a worker finds it; it cannot be sent by its value."""

    module: str
    path: str

    @staticmethod
    def of(task: Task) -> _ByName | None:
        fn = getattr(task, "fn", None)
        module, path = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
        if not isinstance(task, FunctionTask) or module in (None, "__main__") or "<" in path:
            return None
        by_name = _ByName(module, path)
        return by_name if by_name.found() is fn else None

    def found(self) -> Any:
        __import__(self.module)
        found: Any = sys.modules[self.module]
        for name in self.path.split("."):
            found = getattr(found, name, None)
        return found.fn if isinstance(found, FunctionTask) else found


def _bare(task: Task) -> Task:
    """Return a task without what only the process of the flow uses: its graph, its handlers, its retries."""
    twin = copy.copy(task)
    twin.graph = None
    for name in ("signature", "__wrapped__", "_declared_with"):
        twin.__dict__.pop(name, None)
    twin.options = replace(
        task.options,
        rules=NO_RULES,
        timeout_seconds=None,
        retry_on=(),
        retry_condition=None,
        on_failure=(),
        on_completion=(),
        state_handlers=(),
        result_storage=None,
    )
    return twin


def _function_of(task: Task) -> Any:
    return getattr(task.run, "__func__", task.run)


def _with_secrets(data: bytes) -> bytes:
    secrets = SECRETS_IN_USE.secrets_in(data)
    return data if not secrets else _MARK + pickle.dumps((secrets, data))


def _opened(parcel: bytes) -> bytes:
    if not parcel.startswith(_MARK):
        return parcel
    secrets, data = pickle.loads(parcel[len(_MARK) :])  # noqa: S301 - see the module
    SECRETS_IN_USE.add(secrets)
    return data


_MARK: Final = b"secrets "
"""No pickle begins so."""


def _sendable(name: str, value: Any) -> Any:
    return NotSent(name, type(value).__name__) if _problem_with(value) else value


def _problem_with(value: Any) -> Exception | None:
    try:
        _dumps(value)
    except Exception as error:  # noqa: BLE001 - pickling runs the user's code
        return error
    return None


def _said(name: str, value: Any) -> str:
    what = name.capitalize() if name.startswith("argument ") else f"Argument '{name}'"
    return f"{what} is of type {type(value).__name__}, which cannot"


def _shortened(text: str) -> str:
    if len(text) <= _MAX_TRACEBACK:
        return text
    half = _MAX_TRACEBACK // 2
    return f"{text[:half]}\n… ({len(text)} characters)\n{text[-half:]}"
