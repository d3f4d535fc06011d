"""What comes before and behind a task's own code: its value is looked for, and kept."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import sleep
from typing import Any

from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound
from blocks_flows.cache_keys import KeyContext, cache_key
from blocks_flows.caching import CacheEntry, steps_of_cached
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.errors import RunStopped
from blocks_flows.results import StoredResult, fill_in, load_storage, open_result, stored_at, write_result
from blocks_flows.stacks import HERE
from blocks_flows.tasks import bound_arguments


def steps_around(call: TaskCall) -> Generator[float | None, Any, Outcome]:
    """Do what comes before and behind a task's own code, which runs where this yields None, awaited or not.

    It is sent the value. Where it yields seconds, it is to be gone on with after them: another process makes the
    value. Each step may run on another thread, as event loops must not wait for files. Close it at the end, above all
    where the task raised: others may wait for what it holds.
    """
    options, storage = call.task.options, load_storage(call.storage)
    if options.storage_key is None and options.cache is None:
        value = yield None
        return Outcome(value, None, _keep(call, storage, value, None))
    arguments = bound_arguments(call.task, call.args, call.kwargs)
    path = options.storage_key and fill_in(options.storage_key, call.frame, arguments)
    if options.is_target and path:
        found = _at_target(storage, path)
        if found is not None:
            return found
    key = None if options.cache is None else cache_key(_key_context(call), arguments)
    if key is None:
        value = yield None
        return Outcome(value, None, _keep(call, storage, value, path))
    outcome, is_new = yield from steps_of_cached(CacheEntry(call, storage, key))
    if is_new and path:
        outcome.stored = _keep(call, storage, outcome.value, path)
    return outcome


def pause(call: TaskCall, seconds: float) -> None:
    """Wait, in the thread that runs the task.

    Raises:  RunStopped: the run was stopped.
    """
    sleep(seconds)
    if getattr(call.frame.host, "is_stopped", False):
        raise RunStopped(f"Task '{call.task.name}' did not wait for its value, as its flow run was stopped.")


@contextmanager
def nested(call: TaskCall) -> Generator[None]:
    """Take note that what this thread runs meanwhile is run inside of a task that others may wait for."""
    is_awaited = call.task.options.cache is not None
    HERE.holds += is_awaited
    try:
        yield
    finally:
        HERE.holds -= is_awaited


def _keep(call: TaskCall, storage: Storage, value: Any, path: str | None) -> StoredResult:
    return write_result(storage, value, serializer=call.serializer, path=path)


def _at_target(storage: Storage, path: str) -> Outcome | None:
    """Return the value at a target's path; what is no result there is an error, as it is not ours to be replaced."""
    try:
        found = open_result(storage, path)
    except PathNotFound:
        return None
    if found.header.is_over(datetime.now(UTC)):
        return None
    return Outcome(found.value(), None, stored_at(storage, path), is_cached=True)


def _key_context(call: TaskCall) -> KeyContext:
    frame = call.frame
    return KeyContext(call.task, frame.run, frame.task_run_id, frame.task_run_name, frame.map_index)
