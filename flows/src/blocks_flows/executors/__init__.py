"""Executors: where the tasks of a run are run.

| executor | where |
|---|---|
| `LocalExecutor()` | one after another, in the thread that runs the flow |
| `LocalDaskExecutor(num_workers=…)` | on threads of this process |
| `LocalDaskExecutor(scheduler="processes")` | in processes of this machine |
| `DaskExecutor(address=…)` | on a Dask cluster, or one of its own |
"""

from blocks_flows.executors.dask import DaskExecutor
from blocks_flows.executors.local import LocalDaskExecutor, LocalExecutor
from blocks_flows.pools import Executor

__all__ = ["DaskExecutor", "Executor", "LocalDaskExecutor", "LocalExecutor"]
