"""Connections to Dask clusters, and clusters that are made for one run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import current_process
from time import monotonic
from typing import Any, Final, cast

from distributed import Client, LocalCluster

from blocks_flows.errors import ClusterUnavailable
from blocks_flows.failures import describe

_CLOSE_SECONDS: Final = 10
_LOOK_SECONDS: Final = 1.0
_EMPTY_SECONDS: Final = 6.0
_MIN_THREADS_OF_GROWING: Final = 8
_QUIET: Final = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
"""A cluster of one run opens no port for people, and what its workers say of themselves is not the run's log."""


@dataclass(frozen=True, slots=True)
class ClusterWanted:
    """What `DaskExecutor` was given."""

    address: str | None
    cluster_class: str | Callable[..., Any] | None
    cluster_kwargs: Mapping[str, Any] | None
    adapt_kwargs: Mapping[str, Any] | None
    client_kwargs: Mapping[str, Any] | None


class Cluster:
    """A client, and the cluster behind it where that was made for the run."""

    def __init__(self, wanted: ClusterWanted) -> None:
        """Connect.

        Raises:  ClusterUnavailable.
        """
        self._own: Any = None
        self._threads = 0
        self._counted_at = float("-inf")
        self._empty_since: float | None = None
        self._workers = 0
        """Of a cluster that was made for the run and keeps its size."""
        self._may_grow = wanted.address is not None or bool(wanted.adapt_kwargs)
        try:
            if wanted.address is None:
                self._own = _made(wanted)
                if wanted.adapt_kwargs:
                    self._own.adapt(**wanted.adapt_kwargs)
                elif wanted.cluster_class is None:
                    self._workers = len(self._own.workers)
            target = wanted.address if self._own is None else self._own
            self.client = cast("Any", Client)(target, set_as_default=False, **(wanted.client_kwargs or {}))
        except ClusterUnavailable:
            raise
        except BaseException as error:
            self._close_own()
            if not isinstance(error, Exception):
                raise
            where = f"The Dask scheduler at {wanted.address} cannot be reached"
            if wanted.address is None:
                where = "A Dask cluster cannot be started"
            raise ClusterUnavailable(f"{where}: {describe(error)}. Nothing was run on it.") from error

    @property
    def address(self) -> str:
        """Return where the scheduler is."""
        scheduler = self.client.scheduler
        return "an unknown address" if scheduler is None else str(scheduler.address)

    @property
    def is_connected(self) -> bool:
        """Tell whether the scheduler is there."""
        return self.client.status == "running"

    def threads(self) -> int:
        """Return how many calls the cluster can run at a time; one that may grow is taken for larger than it is."""
        now = monotonic()
        if now - self._counted_at > _LOOK_SECONDS:
            self._threads, self._counted_at = sum(self.client.nthreads().values()), now
            self._mend(now)
        return max(self._threads, _MIN_THREADS_OF_GROWING if self._may_grow else 1)

    def _mend(self, now: float) -> None:
        """Replace workers that are all gone: Dask restarts none that dies while it is being started."""
        if self._threads or not self._workers:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        elif now - self._empty_since > _EMPTY_SECONDS:
            self._empty_since = None
            self._own.scale(0)
            self._own.scale(self._workers)

    def close(self) -> None:
        """Let go of the scheduler, and end a cluster that was made for the run."""
        with suppress(Exception):  # the scheduler may be gone
            self.client.close(timeout=_CLOSE_SECONDS)
        self._close_own()

    def _close_own(self) -> None:
        if self._own is not None:
            with suppress(Exception):  # as above; its processes end with this one at the latest
                self._own.close(timeout=_CLOSE_SECONDS)


def _made(wanted: ClusterWanted) -> Any:
    if getattr(current_process(), "_inheriting", False):
        raise ClusterUnavailable(
            "The flow was run anew by a process that was to be a worker of its Dask cluster: such a process imports "
            "the program. Put what is to happen only once, such as flow.run(), under: if __name__ == '__main__'."
        )
    make, given = wanted.cluster_class, dict(wanted.cluster_kwargs or {})
    if make is None:
        return cast("Any", LocalCluster)(**{**_QUIET, **given})
    if isinstance(make, str):
        module, _dot, name = make.rpartition(".")
        try:
            make = cast("Callable[..., Any]", getattr(import_module(module), name))
        except (ImportError, AttributeError, ValueError) as error:
            raise ClusterUnavailable(
                f"DaskExecutor has cluster_class={make!r}, which cannot be imported: {describe(error)}. Install "
                f"the package it is in, or give the class."
            ) from error
    return make(**given)
