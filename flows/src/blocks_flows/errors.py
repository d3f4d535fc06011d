"""Every error that the flow engine raises.

BlocksError
└── FlowsError
    ├── FlowInvalid              a flow or a task is not declared as it should be
    │   ├── OptionUnknown        an argument that flows or tasks do not have
    │   ├── CycleFound           tasks that wait for each other
    │   └── ScheduleInvalid      a schedule, clock or filter is not as it should be
    ├── ScheduleEnded            a flow was to run on a schedule that has no more events
    ├── DrawingUnknown           a flow was to be drawn in a form that there is not
    ├── FlowMissing              a task was called where no flow is
    ├── RunMissing               something of a run was asked for outside of one
    ├── ParametersInvalid        parameters of a run are missing, unknown or of a wrong type
    ├── MapLengthsDiffer         arguments that a task is mapped over differ in length
    ├── NotMappable              an argument that a task is mapped over is no sequence
    ├── UpstreamFailed           a task was not run, because one before it failed
    ├── TasksFailed              task runs failed and nobody looked at their results
    ├── TaskTimedOut             a task took longer than it may
    ├── TaskCancelled            a task was cancelled by whoever awaited it
    ├── FlowTimedOut             a flow run took longer than it may
    ├── FlowFailed               a flow function returned the state of something that failed
    ├── FutureNotReady           a future was not waited for any longer
    ├── FutureNotAwaited         a future was waited for in a way that stops what runs it
    ├── WorkerLost               the process that ran a task died
    ├── NotSendable              a task, its arguments or what it returned cannot go to another process
    ├── TaskRaised               a task raised in another process what cannot come from there
    ├── RunStopped               a task was not run, because its flow run was stopped
    ├── RunPaused                a task's value was asked for, which waits for somebody's word
    ├── RunNotFound              no such run is recorded
    ├── RunRefused               a run cannot be restarted or cancelled as it stands
    ├── FlowNotLoaded            a file or module gives no such flow
    ├── CheckpointInvalid        what was kept for a restart cannot be used
    ├── ResultError
    │   ├── ResultStorageMissing a result is to be kept, and there is no storage for it
    │   ├── ResultInvalid        a file is no result, or was changed since it was written
    │   ├── ResultNotStorable    the serializer cannot write the value
    │   ├── ResultPathInvalid    a template of a result's path cannot be filled in
    │   └── ResultRefused        a recorded result lies in a storage that its run does not name
    ├── CacheKeyInvalid          what a cached value is found by cannot be made, or is no text
    ├── SettingInvalid           an environment setting has no meaning
    ├── EngineFailed             a run was stopped by a fault of the engine
    │   ├── ClusterUnavailable   a cluster was to run its tasks, and cannot be started or reached
    │   └── ClusterLost          the cluster that ran its tasks is gone
    └── IllegalTransition        the engine was told something that cannot happen: a bug in a driver

A message says what happened, why, and what to do; it never holds a secret's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from blocks_core.errors import BlocksError, FieldProblem, NotFound, did_you_mean


class FlowsError(BlocksError):
    """The flow engine could not do what was asked."""


class FlowInvalid(FlowsError, ValueError):
    """A flow or a task is not declared as it should be."""


_OF_AGENTS: Final = frozenset({"storage", "run_config", "environment"})
"""Words of the older programs for what runs flows elsewhere."""


class OptionUnknown(FlowInvalid, TypeError):
    """An argument that flows or tasks do not have."""

    def __init__(self, what: str, option: str, suggestions: Iterable[str], known: Iterable[str]) -> None:
        if option in _OF_AGENTS:
            why = ": it is for agents, which are not here yet. Leave it out."
        else:
            why = f"{did_you_mean(suggestions)}. It takes: {', '.join(sorted(known))}."
        super().__init__(f"{what} has no argument '{option}'{why}")


class CycleFound(FlowInvalid):
    """Tasks that wait for each other."""


class ScheduleInvalid(FlowInvalid):
    """A schedule, or a clock, filter or adjustment of one, is not as it should be."""


class ScheduleEnded(FlowsError, ValueError):
    """A flow was to run on a schedule that has no more events."""


class DrawingUnknown(FlowsError, ValueError):
    """A flow was to be drawn in a form that there is not."""


class FlowMissing(FlowsError):
    """A task was called where no flow is."""


class RunMissing(FlowsError, AttributeError):
    """Something of a run was asked for outside of one; an attribute, for those who ask whether there is one."""


class ParametersInvalid(FlowsError, ValueError):
    """Parameters of a run are missing, unknown or of a wrong type; `problems` has one entry for each."""

    def __init__(self, flow: str, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        listed = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"The parameters for flow '{flow}' are not valid: {listed}. Nothing was run.")


class MapLengthsDiffer(FlowsError, ValueError):
    """Arguments that a task is mapped over differ in length."""


class NotMappable(FlowsError, TypeError):
    """An argument that a task is mapped over is no sequence."""


class UpstreamFailed(FlowsError):
    """A task was not run, because one before it failed."""


class TasksFailed(FlowsError):
    """Task runs failed and nobody looked at their results."""


class TaskTimedOut(FlowsError, TimeoutError):
    """A task took longer than it may."""


class TaskCancelled(FlowsError):
    """A task was cancelled by whoever awaited it, such as a time-out around several of them."""


class FlowTimedOut(FlowsError, TimeoutError):
    """A flow run took longer than it may."""


class FlowFailed(FlowsError):
    """A flow function returned the state of something that failed, without an exception in it."""


class FutureNotReady(FlowsError, TimeoutError):
    """A task run was not finished after the time that somebody would wait for it."""


class FutureNotAwaited(FlowsError, RuntimeError):
    """A future was waited for in a way that stops the event loop that is to run its task."""


class WorkerLost(FlowsError):
    """The process that ran a task died."""


class NotSendable(FlowsError, TypeError):
    """A task, one of its arguments or what it returned cannot go to another process."""


class TaskRaised(FlowsError):
    """A task raised in another process an exception that cannot come from there; this one stands for it."""


class RunStopped(FlowsError):
    """A task was not run, or not to its end, because its flow run was stopped."""


class RunPaused(FlowsError):
    """A task's value was asked for, which waits for somebody's word, or for a task that does."""


class RunNotFound(FlowsError, NotFound):
    """No such run is recorded."""


class RunRefused(FlowsError):
    """A run cannot be restarted, resumed or cancelled as it stands, or as its process does."""


class FlowNotLoaded(FlowsError, LookupError):
    """A file or a module cannot be read, or gives no such flow."""


class CheckpointInvalid(FlowsError, ValueError):
    """What was kept for a restart cannot be used."""


class ResultError(FlowsError):
    """A task's result could not be kept or read."""


class ResultStorageMissing(ResultError):
    """A result is to be kept, and there is no storage for it."""


class ResultInvalid(ResultError, ValueError):
    """A file is no result, or was changed since it was written."""


class ResultNotStorable(ResultError, TypeError):
    """The serializer cannot write the value."""


class ResultPathInvalid(ResultError, ValueError):
    """A template of a result's path cannot be filled in, or would put a secret into it."""


class ResultRefused(ResultError):
    """A recorded result lies in a storage that its run does not name, so it was not read."""


class CacheKeyInvalid(FlowsError, TypeError):
    """What a task's cached value is found by cannot be made of its inputs, or is no text."""


class SettingInvalid(FlowsError, ValueError):
    """An environment setting has no meaning."""


class EngineFailed(FlowsError, RuntimeError):
    """A run was stopped by a fault of the engine, not of a task."""


class ClusterUnavailable(EngineFailed):
    """A cluster was to run the tasks of a run, and cannot be started or reached."""


class ClusterLost(EngineFailed):
    """A run was stopped, as the cluster that ran its tasks is gone."""


class IllegalTransition(FlowsError, RuntimeError):
    """The engine was told something that cannot happen: a bug in a driver, not in the flow."""
