"""The driver: one for each run, between the machine that decides and the pool that runs.

Whoever finishes a task tells the machine, under the lock, and carries out what it commands: there is no
thread that does nothing but drive, and both forms of flows use the same engine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Lock
from time import time
from typing import Any

from blocks_core.masking import SECRETS_IN_USE, secret_texts
from blocks_flows.alerts import Occasion, send_alerts
from blocks_flows.arguments import MappedArguments
from blocks_flows.context import Frame, Host
from blocks_flows.entries import Entry, Surroundings
from blocks_flows.errors import EngineFailed, ResultStorageMissing, RunStopped
from blocks_flows.executors import InlinePool, Pool, is_stack_deep, run_on_new_stack
from blocks_flows.ids import new_id
from blocks_flows.journal import STATES, TASK_RUNS
from blocks_flows.machine import Command, Expand, Machine, Node, Record, Run, Wait, describe
from blocks_flows.parameters import Parameter
from blocks_flows.performing import Outcome, TaskCall, perform
from blocks_flows.run_logs import TASK_LOGGER, RunLog, traceback_of
from blocks_flows.states import FAILED, FINISHED, State, StateType
from blocks_flows.tasks import Task


class Driver:
    """Carries out one run of a flow."""

    def __init__(self, given: Surroundings) -> None:
        self.machine = Machine()
        self.host: Host | None = None
        """Whom tasks turn to that are called in a task."""
        self._given = given
        self._log: RunLog = given.facts.sink
        self._lock = Lock()
        self._pool: Pool | None = None
        self._awaited: dict[Node | None, list[Callable[[], object]]] = {}
        self._carrying = 0
        self._stopped = False
        self._broken: BaseException | None = None

    @property
    def pool(self) -> Pool:
        """Return the run's pool, opened at first use."""
        if self._pool is None:
            with self._lock:
                if self._pool is None:
                    self._pool = self._given.executor.open(self)
        return self._pool

    def add(
        self,
        entry: Entry,
        upstreams: Iterable[Node],
        mapped_over: Iterable[Node] | None = None,
        name: str = "",
    ) -> Node:
        """Add a task; `begin` releases it.

        Raises:  ResultStorageMissing.
        """
        task = entry.task
        entry.storage = self._storage_for(task)
        with self._lock:
            name = name or task.name
            node = self.machine.add(
                name, time(), upstreams, mapped_over=mapped_over, retry=task.options.retry
            )
            node.note = entry
        return node

    def begin(self, nodes: list[Node]) -> None:
        """Release added tasks.

        Raises:  RunStopped.
        """
        with self._lock:
            if self._stopped:
                raise RunStopped(f"Task '{nodes[0].name}' is not run, as its flow run was stopped.")
            commands = self.machine.begin(nodes, time())
            self._carrying += 1
        self._carry_out(commands)

    def execute(self, node: Node) -> None:
        """Run a task here and tell the machine.

        Tasks that run tasks, or serve others while they wait for some, may be nested deeper than one stack.
        """
        if is_stack_deep():
            run_on_new_stack(lambda: self._execute(node))
        else:
            self._execute(node)

    def _execute(self, node: Node) -> None:
        try:
            call, problem = self.prepare(node)
            if self.started(node):
                self.finished(node, Outcome(error=problem) if call is None else perform(call))
        except BaseException as error:  # not the task's: nobody may wait for what will not come
            self._break(error)
            raise

    def prepare(self, node: Node) -> tuple[TaskCall | None, Exception | None]:
        """Return the call of a task that is ready, or why there can be none."""
        entry: Entry = node.note
        task = entry.task
        if not node.run_id:
            node.run_id = new_id()
        try:
            if node.parent is None:
                args, kwargs = entry.arguments.resolved(entry.look_up)
            else:
                assert entry.elements is not None
                args, kwargs = entry.elements.of(node.map_index)
            if task.options.task_run_name is not None:
                node.name = _run_name(task, task.options.task_run_name, args, kwargs)
        except Exception as error:  # noqa: BLE001 - names and elements are the user's code
            return None, error
        frame = Frame(
            self.host, self._given.facts, task.name, node.run_id, node.name, node.map_index, task.options.tags
        )
        return TaskCall(task, args, kwargs, frame, entry.storage), None

    def started(self, node: Node) -> bool:
        """Take note that a try has begun; tell whether it may."""
        with self._lock:
            if self._stopped:
                return False
            commands = self.machine.started(node, time())
            self._carrying += 1
        self._carry_out(commands)
        return True

    def finished(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a try came to."""
        if outcome.error is not None:
            text = f"Task '{node.name}': Exception encountered during task execution!\n"
            self._log.say(TASK_LOGGER, logging.ERROR, text + traceback_of(outcome.error), node.run_id)
        with self._lock:
            if self._stopped:
                return
            node.stored = outcome.stored
            if outcome.error is None:
                commands = self.machine.succeeded(node, outcome.value, time())
            else:
                commands = self.machine.failed(node, outcome.error, time())
            self._carrying += 1
        self._carry_out(commands)

    def wait_for(self, node: Node | None) -> None:
        """Block until a node, or all, are finished; for those who do not run tasks meanwhile.

        Raises:  EngineFailed: a thread met what the engine did not foresee.
        """
        event = Event()
        self.tell_when(node, event.set)
        event.wait()
        self.check()

    def tell_when(self, node: Node | None, call: Callable[[], object]) -> None:
        """Call something when a node, or all, are finished, or the engine broke; at once where that is so."""
        with self._lock:
            if self._broken is None and not self._is_done(node):
                self._awaited.setdefault(node, []).append(call)
                return
        call()

    def check(self) -> None:
        """Raise EngineFailed if a thread met what the engine did not foresee, or the interrupt that one met."""
        if isinstance(self._broken, KeyboardInterrupt):
            raise KeyboardInterrupt(*self._broken.args) from self._broken
        if self._broken is not None:
            raise EngineFailed(
                f"Flow '{self._given.facts.flow_name}' was stopped by a fault of the engine, not of a task: "
                f"{describe(self._broken)}. Report it with its traceback."
            ) from self._broken

    def wait_for_all(self) -> None:
        """Run, or let run, until every task is finished."""
        if self.machine.unfinished or self._carrying:
            self.pool.wait(lambda: not self.machine.unfinished)
            self.wait_for(None)

    def stop(self, message: str) -> None:
        """Begin nothing more, and take what was not finished for cancelled.

        A task without a note was about to be added when the run was interrupted: it never was.
        """
        with self._lock:
            commands = [each for each in self.machine.abandon(message, time()) if each.node.note is not None]
            self._stopped = True
            self._carrying += 1
        self._carry_out(commands)

    def close(self) -> None:
        """Let go of threads; what still runs is waited for."""
        if self._pool is not None:
            self._pool.close()
        if self._stopped:  # maybe by an interrupt between a change and its record
            for node in self.machine.nodes:
                if node.state.type in FINISHED and node.recorded is not node.state and node.note is not None:
                    self._record(node, node.state, node.state)

    def failures(self) -> list[Node]:
        """Return the task runs that failed by themselves, not for what others did."""
        return [
            node
            for node in self.machine.nodes
            if node.state.type in FAILED and node.state.name != "TriggerFailed" and not node.children
        ]

    def _break(self, error: BaseException) -> None:
        with self._lock:
            self._broken = error
            calls = [call for some in self._awaited.values() for call in some]
            self._awaited.clear()
        for call in calls:
            call()

    def _carry_out(self, commands: list[Command]) -> None:
        try:
            self._obey(commands)
        finally:
            calls: list[Callable[[], object]] = []
            with self._lock:
                self._carrying -= 1
                for node in [each for each in self._awaited if self._is_done(each)]:
                    calls += self._awaited.pop(node)
            for call in calls:
                call()

    def _obey(self, commands: list[Command]) -> None:
        ready: list[Node] = []
        for command in commands:
            node = command.node
            if isinstance(command, Record):
                self._record(node, command.state, command.old)
            elif isinstance(command, Run):
                inline: InlinePool | None = node.note.inline
                if inline is None:
                    ready.append(node)
                else:
                    inline.push([node])
            elif isinstance(command, Expand):
                if ready:  # in this order, so that the last one is run first
                    self.pool.push(ready)
                    ready = []
                self._expand(node)
            else:
                self._wake_later(command)
        if ready:
            self.pool.push(ready)

    def _is_done(self, node: Node | None) -> bool:
        if node is None:
            return self.machine.unfinished == 0 and self._carrying == 0
        return node.state.type in FINISHED

    def _expand(self, node: Node) -> None:
        entry: Entry = node.note
        try:
            entry.elements = MappedArguments(f"Task '{node.name}'", entry.arguments, entry.look_up)
        except Exception as error:  # noqa: BLE001 - a value's length is the user's code
            self.finished(node, Outcome(error=error))
            return
        with self._lock:
            if self._stopped:
                return
            commands = self.machine.expanded(node, entry.elements.length, time())
            for child in node.children or ():
                child.note = entry
            self._carrying += 1
        self._carry_out(commands)

    def _wake_later(self, command: Wait) -> None:
        node = command.node

        def wake() -> None:
            with self._lock:
                commands = self.machine.woken(node)
                self._carrying += 1
            self._carry_out(commands)

        entry: Entry = node.note
        if command.seconds <= 0:
            wake()
        else:
            (entry.inline or self.pool).later(command.seconds, wake)

    def _record(self, node: Node, state: State, old: State) -> None:
        entry: Entry = node.note
        task = entry.task
        if not node.run_id:
            node.run_id = new_id()
        run_id, flow_run_id, kind = node.run_id, self._given.facts.flow_run_id, state.type
        message = SECRETS_IN_USE.hide(state.message)
        is_finished = kind in FINISHED
        stored = node.stored
        node.revision += 1
        append = self._given.journal.append
        append(
            TASK_RUNS,
            (
                *(run_id, flow_run_id, task.name, entry.slug, node.name, node.map_index, node.attempts),
                *(kind.value, state.name, message, state.at, node.revision, node.started_at),
                state.at if is_finished else None,
                *((stored.storage, stored.path, stored.location) if stored else (None, None, None)),
            ),
        )
        append(STATES, (flow_run_id, run_id, state.at, kind.value, state.name, message))
        node.recorded = state
        self._say(node, state, is_finished)
        for watcher in self._given.watchers:
            watcher.changed(node, state, task.name)
        if task.options.state_handlers or task.options.on_failure:
            self._tell_task(task, node, state, old)

    def _say(self, node: Node, state: State, is_finished: bool) -> None:
        is_mapped = state.name == "Mapped"
        if is_mapped and is_finished:
            return
        if state.type is StateType.RUNNING or state.name == "TriggerFailed":
            text = f"Task '{node.name}': Starting task run..."
            self._log.say(TASK_LOGGER, logging.INFO, text, node.run_id)
        if is_finished or is_mapped or state.type is StateType.RETRYING:
            text = f"Task '{node.name}': Finished task run for task with final state: '{state.name}'"
            self._log.say(TASK_LOGGER, logging.INFO, text, node.run_id)

    def _tell_task(self, task: Task, node: Node, state: State, old: State) -> None:
        for handler in task.options.state_handlers:
            try:
                handler(task, old, state)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what a handler does must not change the run
                text = f"Task '{node.name}': a state handler raised.\n{traceback_of(error)}"
                self._log.say(TASK_LOGGER, logging.ERROR, text, node.run_id)
        if state.type in FAILED and state.name != "TriggerFailed" and not node.children:
            occasion = Occasion(
                task, self._given.facts, state, task_run_id=node.run_id, task_run_name=node.name
            )
            send_alerts(task.options.on_failure, occasion, self._given.journal)

    def _storage_for(self, task: Task) -> Any:
        wanted = task.options.persist_result
        if wanted is False or isinstance(task, Parameter):
            return None
        storage = task.options.result_storage or self._given.storage
        if storage is None and wanted:
            raise ResultStorageMissing(
                f"Task '{task.name}' is to keep its result (persist_result=True), and there is no storage for it. "
                f"Give one to the task or to its flow: result_storage='s3/results', or a storage block."
            )
        return storage


def _run_name(task: Task, template: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    bound = task.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    SECRETS_IN_USE.add(secret_texts(bound.arguments))
    return SECRETS_IN_USE.hide(template.format(**bound.arguments))
