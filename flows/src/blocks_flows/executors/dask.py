"""The executor for Dask clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blocks_core.errors import PackageMissing
from blocks_flows.errors import FlowInvalid
from blocks_flows.pools import Engine, Executor, Pool


@dataclass(frozen=True)
class DaskExecutor(Executor):
    """Runs tasks on a Dask cluster: one that is there, or one that is made for the run.

    Dask runs again what a worker was running that died, up to its setting `allowed-failures` (3); after that the
    task run is Crashed, and the task's own retries apply. A time-out cannot stop a task there.

    Args:    address: of a scheduler that runs, such as `tcp://scheduler:8786`.
             cluster_class: without an address: what makes a cluster, or its name such as
             `dask_kubernetes.operator.KubeCluster`; None is Dask's `LocalCluster`: processes of this machine.
             cluster_kwargs: for the cluster class.
             adapt_kwargs: for the cluster's `adapt`, such as `{"minimum": 1, "maximum": 10}`.
             client_kwargs: for Dask's client, such as its `security`.
    """

    address: str | None = None
    cluster_class: str | Callable[..., Any] | None = None
    cluster_kwargs: Mapping[str, Any] | None = None
    adapt_kwargs: Mapping[str, Any] | None = None
    client_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.address is not None and (self.cluster_class or self.cluster_kwargs or self.adapt_kwargs):
            raise FlowInvalid(
                "DaskExecutor has an address, and says how to make a cluster. Give the one or the other."
            )

    def open(self, engine: Engine) -> Pool:
        """Return a pool for one run; the cluster is made when the first task is ready.

        Raises:  PackageMissing.
        """
        try:
            from blocks_flows.executors.dask_cluster import ClusterWanted  # late: optional and slow
            from blocks_flows.executors.dask_pool import DaskPool
        except ImportError as error:
            if not (error.name or "").startswith(("dask", "distributed")):
                raise
            raise PackageMissing(
                'DaskExecutor needs the package distributed. Run "pip install blocks-flows[dask]".'
            ) from error
        wanted = ClusterWanted(
            self.address, self.cluster_class, self.cluster_kwargs, self.adapt_kwargs, self.client_kwargs
        )
        return DaskPool(engine, wanted)
