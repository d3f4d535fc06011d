"""Removes results and cached values whose time is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final, Literal

from blocks_core.capabilities import Storage, StoredFile
from blocks_core.errors import PathNotFound, StorageFailed
from blocks_flows.errors import ResultInvalid
from blocks_flows.results.files import read_header

_AT_ONCE: Final = 1000
"""Files that are held in memory; there may be millions."""

Finding = Literal["kept", "removed", "other", "failed"]


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the files of a storage."""

    kept: int
    """Results whose time is not over, or that have none."""
    removed: int
    """Or what would be, in a dry run."""
    other: int
    """Files that are no results; they are left alone."""
    failed: int
    """Files that could not be read or removed."""
    freed_bytes: int


def collect_expired(
    storage: Storage,
    prefix: str = "",
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    workers: int = 8,
) -> Collected:
    """Remove the results below a folder whose header says that their time is over.

    Of each file only the beginning is read. One that is written anew between that and its removal is lost: run this
    when nothing writes, or where results have paths of their own, which are never written twice.

    Args:    dry_run: remove nothing, and tell what would be. now: the moment to judge by.
    Raises:  PathRefused; StorageFailed: the files cannot be listed.
    """
    from concurrent.futures import ThreadPoolExecutor  # late: start-up time; runs do not need it

    judge = partial(_judge, storage, now or datetime.now(UTC), dry_run)
    counts: Counter[Finding] = Counter()
    freed = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="blocks-collector") as pool:
        for files in _in_batches(iter(storage.list_files(prefix))):
            for file, finding in zip(files, pool.map(judge, files), strict=True):
                counts[finding] += 1
                freed += file.size_bytes if finding == "removed" else 0
    return Collected(counts["kept"], counts["removed"], counts["other"], counts["failed"], freed)


def _judge(storage: Storage, now: datetime, dry_run: bool, file: StoredFile) -> Finding:
    try:
        if not read_header(storage, file.path).is_over(now):
            return "kept"
        if not dry_run:
            storage.remove(file.path)
    except (ResultInvalid, PathNotFound):  # the latter: somebody else removed it meanwhile
        return "other"
    except StorageFailed:
        return "failed"
    return "removed"


def _in_batches(files: Iterator[StoredFile]) -> Iterator[list[StoredFile]]:
    while batch := list(islice(files, _AT_ONCE)):
        yield batch
