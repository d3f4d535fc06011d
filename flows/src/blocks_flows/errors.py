"""Every error that the flow engine raises.

BlocksError
└── FlowsError
    ├── FlowInvalid              a flow or a task is not declared as it should be
    │   ├── OptionUnknown        an argument that flows or tasks do not have
    │   └── CycleFound           tasks that wait for each other
    ├── FlowMissing              a task was called where no flow is
    ├── RunMissing               something of a run was asked for outside of one
    ├── ParametersInvalid        parameters of a run are missing, unknown or of a wrong type
    ├── MapLengthsDiffer         arguments that a task is mapped over differ in length
    ├── NotMappable              an argument that a task is mapped over is no sequence
    ├── UpstreamFailed           a task was not run, because one before it failed
    ├── TasksFailed              task runs failed and nobody looked at their results
    ├── TaskTimedOut             a task took longer than it may
    ├── WorkerLost               the process that ran a task died
    ├── RunStopped               a task was not run, because its flow run was stopped
    ├── RunPaused                a task's value was asked for, which waits for somebody's word
    ├── RunNotFound              no such run is recorded
    ├── ResultError
    │   ├── ResultStorageMissing a result is to be kept, and there is no storage for it
    │   ├── ResultInvalid        a file is no result, or was changed since it was written
    │   └── ResultNotStorable    the serializer cannot write the value
    ├── SettingInvalid           an environment setting has no meaning
    ├── EngineFailed             a run was stopped by a fault of the engine
    └── IllegalTransition        the engine was told something that cannot happen: a bug in a driver

A message says what happened, why, and what to do; it never holds a secret's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blocks_core.errors import BlocksError, FieldProblem, NotFound, did_you_mean


class FlowsError(BlocksError):
    """The flow engine could not do what was asked."""


class FlowInvalid(FlowsError, ValueError):
    """A flow or a task is not declared as it should be."""


class OptionUnknown(FlowInvalid, TypeError):
    """An argument that flows or tasks do not have."""

    def __init__(self, what: str, option: str, suggestions: Iterable[str], known: Iterable[str]) -> None:
        super().__init__(
            f"{what} has no argument '{option}'{did_you_mean(suggestions)}. "
            f"It takes: {', '.join(sorted(known))}."
        )


class CycleFound(FlowInvalid):
    """Tasks that wait for each other."""


class FlowMissing(FlowsError):
    """A task was called where no flow is."""


class RunMissing(FlowsError):
    """Something of a run was asked for outside of one."""


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


class WorkerLost(FlowsError):
    """The process that ran a task died."""


class RunStopped(FlowsError):
    """A task was not run, or not to its end, because its flow run was stopped."""


class RunPaused(FlowsError):
    """A task's value was asked for, which waits for somebody's word, or for a task that does."""


class RunNotFound(FlowsError, NotFound):
    """No such run is recorded."""


class ResultError(FlowsError):
    """A task's result could not be kept or read."""


class ResultStorageMissing(ResultError):
    """A result is to be kept, and there is no storage for it."""


class ResultInvalid(ResultError, ValueError):
    """A file is no result, or was changed since it was written."""


class ResultNotStorable(ResultError, TypeError):
    """The serializer cannot write the value."""


class SettingInvalid(FlowsError, ValueError):
    """An environment setting has no meaning."""


class EngineFailed(FlowsError, RuntimeError):
    """A run was stopped by a fault of the engine, not of a task."""


class IllegalTransition(FlowsError, RuntimeError):
    """The engine was told something that cannot happen: a bug in a driver, not in the flow."""
