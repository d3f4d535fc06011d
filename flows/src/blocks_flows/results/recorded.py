"""Reads results that a run's record names: only where the run's own flow and tasks keep theirs.

The database says at which path, never in which storage: whoever can write a row could else let any file be unpickled.
"""

from __future__ import annotations

from typing import Any

from blocks_core.capabilities import Storage
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import ResultRefused
from blocks_flows.results.files import StoredResult, address_of, read_result
from blocks_flows.results.places import ResultPlace, load_storage


def read_recorded(stored: StoredResult, named: Storage | ResultPlace | str | None) -> Any:
    """Read the result that a run's record names.

    Args:    named: the storage that the flow or the task keeps results in, as its code says.
    Raises:  ResultRefused: it is recorded in another one; and what `read_result` raises.
    """
    if named is None:
        raise _refused(stored, "keeps no results")
    storage = load_storage(named)
    address = address_of(storage)
    if address != stored.storage:
        raise _refused(stored, f"keeps results in '{address}'")
    location = SECRETS_IN_USE.hide(storage.location(stored.path))
    if (
        storage.saved_as is None and location != stored.location
    ):  # without a name, the place is what it is known by
        raise _refused(stored, f"would keep it at {location}")
    return read_result(storage, stored.path)


def _refused(stored: StoredResult, but: str) -> ResultRefused:
    where = SECRETS_IN_USE.hide(f"'{stored.storage[:100]}', at {stored.location[:200]}")
    return ResultRefused(
        f"A result is recorded in the storage {where}, but its task {but}. It was not read, as a result can run "
        f"code: name that storage in the flow or the task (result_storage), or run the task again."
    )
