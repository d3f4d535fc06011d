"""What the driver is given: a run's surroundings, and of each task what the machine need not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Protocol

from blocks_flows.arguments import Arguments, MappedArguments, Reference
from blocks_flows.call_marks import mark_of
from blocks_flows.calls import Outcome
from blocks_flows.context import RunFacts
from blocks_flows.errors import ResultStorageMissing
from blocks_flows.journal import Journal
from blocks_flows.nodes import Node
from blocks_flows.parameters import Parameter
from blocks_flows.pools import Executor, Pool
from blocks_flows.results import DefaultResult, StoredResult
from blocks_flows.states import FINISHED, State
from blocks_flows.tasks import Task


class Watcher(Protocol):
    """Sees each change of a task run, such as a display of the progress; called on any thread."""

    def changed(self, node: Node, state: State, task_name: str) -> None:
        """Take note of a task run's new state."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """The value of a task run that succeeded before its flow run was restarted."""

    value: Any
    stored: StoredResult | None = None


class Earlier(Protocol):
    """What a restarted run did before; asked on any thread, by a task's slug and its place in a map, or -1."""

    def run_of(self, slug: str, map_index: int) -> tuple[str, int] | None:
        """Return the id and the revision of a task run; None: it had not begun."""
        ...

    def value_of(self, slug: str, map_index: int, mark: str, storage: Any) -> Kept | None:
        """Return the value of a task run that succeeded and need not be run again.

        Args:    mark: of the call, as it is now. storage: where the task keeps its results, as its code says now.
        """
        ...

    def is_recorded(self, slug: str, map_index: int) -> bool:
        """Tell whether the record has a task run as a success already."""
        ...

    def approves(self, slug: str, map_index: int) -> bool:
        """Tell whether somebody approved a task that had been paused."""
        ...


class Checkpoint(Protocol):
    """Keeps what a restart needs; called on any thread."""

    def keep(self, slug: str, map_index: int, mark: str, run_id: str, outcome: Outcome) -> None:
        """Take note that a task run succeeded, before anything behind it begins; never raises.

        Args:    mark: of the call.
        """
        ...


class Entry:
    """What the driver knows of a node and the machine need not; a mapped task's children share one."""

    __slots__ = (
        "_mark",
        "arguments",
        "context",
        "elements",
        "inline",
        "is_kept",
        "is_numbered",
        "references",
        "slug",
        "storage",
        "task",
    )

    def __init__(
        self, task: Task, slug: str, arguments: Arguments, references: Mapping[Reference, Node]
    ) -> None:
        self.task = task
        self.slug = slug
        self.arguments = arguments
        self.references = references
        self.storage: Any = None
        """Where its result is kept; None: it is not."""
        self.is_kept = not task.is_quick and task.options.persist_result is not False
        """Its value is kept for a restart of the run."""
        self.is_numbered = False
        """Its slug depends on the order of calls in a flow function."""
        self._mark = ""
        self.elements: MappedArguments | None = None
        """Of a mapped task, from its expansion on."""
        self.inline: Pool | None = None
        """Where to run it instead of in the run's pool: in the thread, or on the event loop, that called it."""
        self.context: Context | None = None
        """Of what is awaited: the context variables of the code that called it."""

    def mark(self) -> str:
        """Return the mark of the call; nothing where the slug tells calls apart."""
        if self.is_numbered and not self._mark:
            self._mark = mark_of(self.arguments.args, self.arguments.kwargs, self._name_of)
        return self._mark

    def _name_of(self, reference: Reference) -> str:
        entry: Entry = self.references[reference].note
        return f"{entry.slug} {entry.mark()}"

    def look_up(self, reference: Reference) -> Any:
        """Return the value that a reference stands for."""
        node = self.references[reference]
        return node.state.result if node.state.type in FINISHED else _ChildValues(node)


class _ChildValues(Sequence[Any]):
    """The values of a mapped task that is not finished: each is asked for when its run is."""

    def __init__(self, node: Node) -> None:
        self._children: list[Node] = node.children or []

    def __len__(self) -> int:
        return len(self._children)

    def __getitem__(self, index: Any) -> Any:
        children: Any = self._children
        return children[index].state.result


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is given."""

    facts: RunFacts
    journal: Journal
    executor: Executor
    storage: Any = None
    """Where results go, unless a task says otherwise."""
    serializer: str | None = None
    watchers: tuple[Watcher, ...] = ()
    checkpoint: Checkpoint | None = None
    earlier: Earlier | None = None
    """Of a run that is restarted."""


def storage_for(task: Task, storage: Any) -> Any:
    """Return where a task's result is kept; None: nowhere.

    Args:    storage: of its flow.
    Raises:  ResultStorageMissing.
    """
    wanted = task.options.persist_result
    if wanted is False or isinstance(task, Parameter):
        return None
    storage = task.options.result_storage or storage
    if storage is None and (task.options.cache is not None or task.options.storage_key is not None):
        return DefaultResult()
    if storage is None and wanted:
        raise ResultStorageMissing(
            f"Task '{task.name}' is to keep its result (persist_result=True), and there is no storage for it. "
            f"Give one to the task or to its flow: result_storage='s3/results', or a storage block."
        )
    return storage
