"""What cached values are found by: keys, made of a task and its arguments."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, Final, cast

from blocks_flows.context import RunFacts
from blocks_flows.errors import CacheKeyInvalid
from blocks_flows.failures import describe
from blocks_flows.fingerprints import code_fingerprint, fingerprint
from blocks_flows.tasks import FunctionTask, Task

NOT_SETTINGS: Final = frozenset({"_declared_with", "graph", "is_async", "name", "options", "signature"})
"""Attributes that every task has; others of a class's task are what it was made with."""


@dataclass(frozen=True, slots=True)
class KeyContext:
    """What a `cache_key_fn` is told besides the arguments: whose key it makes."""

    task: Task
    run: RunFacts | None
    """Of the flow."""
    task_run_id: str | None = None
    task_run_name: str = ""
    map_index: int = -1


def task_input_hash(context: KeyContext, arguments: Mapping[str, Any]) -> str:
    """Return a key of a task and its arguments: the same in each process and on each machine.

    Of the task count its name, its version and the bytecode of its own code, not that of functions that it calls.
    Secrets count by a digest that is slow to try out.

    Raises:  CacheKeyInvalid: an argument cannot be pickled.
    """
    task = context.task
    parts = [fingerprint((task.name, task.options.version)), _code_of(task)]
    for name in sorted(arguments):
        try:
            parts.append(fingerprint((name, arguments[name])))
        except Exception as error:
            raise CacheKeyInvalid(
                f"Task '{task.name}' cannot be cached by its inputs: of the argument '{name}', of type "
                f"{type(arguments[name]).__name__}, no fingerprint can be made ({describe(error)}). Give the task a "
                f"cache_key_fn that leaves that argument out."
            ) from error
    return hashlib.sha256(b"".join(parts)).hexdigest()


def cache_key(context: KeyContext, arguments: Mapping[str, Any]) -> str | None:
    """Return what a task's value is found by, as its `cache_key_fn` says; None: it is not cached this time.

    Raises:  CacheKeyInvalid: that is no text; whatever the function raises.
    """
    cache = context.task.options.cache
    if cache is None or cache.key_fn is None:
        return task_input_hash(context, arguments)
    key = _call(cache.key_fn, context, arguments)
    if key is None or isinstance(key, str):
        return key
    raise CacheKeyInvalid(
        f"The cache_key_fn of task '{context.task.name}' returned a {type(key).__name__}. Return a text, or None to "
        f"run the task without the cache."
    )


def _call(key_fn: Callable[..., Any], context: KeyContext, arguments: Mapping[str, Any]) -> Any:
    """Call a key function with the context and the arguments, or, as it may want, with the arguments by name.

    It is taken to want these where it has no room for the two, or its parameters are called as the task's are.
    """
    try:
        signature = inspect.signature(key_fn)
    except ValueError:  # some that are written in C do not tell
        return key_fn(context, arguments)
    named = signature.parameters.values()
    takes_any = any(each.kind is each.VAR_KEYWORD for each in named)
    wanted = [each.name for each in named if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    try:
        signature.bind(context, arguments)
    except TypeError:
        by_name = True
    else:
        by_name = bool(wanted) and all(name in arguments for name in wanted)
    if not by_name:
        return key_fn(context, arguments)
    return key_fn(**{name: value for name, value in arguments.items() if takes_any or name in wanted})


def _code_of(task: Task) -> bytes:
    """Return a digest of a task's own code, and of the attributes that it was given."""
    if isinstance(task, FunctionTask):
        fn = task.fn
        if isinstance(fn, MethodType):
            return code_fingerprint([cast("Any", fn.__func__)]) + fingerprint(fn.__self__)
        return code_fingerprint([fn])
    methods: list[Callable[..., Any]] = []
    for owner in type(task).__mro__[: type(task).__mro__.index(Task)]:
        methods += [each for _, each in sorted(vars(owner).items()) if isinstance(each, FunctionType)]
    settings = {name: value for name, value in vars(task).items() if name not in NOT_SETTINGS}
    return code_fingerprint(methods) + fingerprint(settings)
