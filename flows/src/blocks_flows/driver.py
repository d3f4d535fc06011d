"""The driver: one for each run, between the machine that decides and the pool that runs.

Whoever finishes a task tells the machine, under the lock, and carries out what it commands: there is no
thread that does nothing but drive, and both forms of flows use the same engine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from random import random
from threading import Event, Lock
from time import monotonic, time

from blocks_core.masking import SECRETS_IN_USE, secret_texts
from blocks_flows.arguments import MappedArguments
from blocks_flows.calls import Outcome, TaskCall
from blocks_flows.context import Frame, Host
from blocks_flows.entries import Entry, Kept, Surroundings, storage_for
from blocks_flows.errors import (
    EngineFailed,
    RunStopped,
    TaskCancelled,
    TaskTimedOut,
)
from blocks_flows.failures import describe
from blocks_flows.machine import Machine
from blocks_flows.naps import Naps
from blocks_flows.nodes import Command, Expand, Node, Record, Run, Wait
from blocks_flows.performing import perform
from blocks_flows.pools import Pool
from blocks_flows.recording import Recorder
from blocks_flows.retry_conditions import is_to_be_tried_again
from blocks_flows.run_logs import TASK_LOGGER, RunLog, traceback_of
from blocks_flows.run_names import fill_name
from blocks_flows.signals import SUCCESS, Signal
from blocks_flows.stacks import HERE, is_stack_deep, run_on_new_stack
from blocks_flows.states import FAILED, FINISHED
from blocks_flows.tasks import bound_arguments


class Driver:
    """Carries out one run of a flow."""

    def __init__(self, given: Surroundings) -> None:
        earlier = given.earlier
        self.machine = Machine(
            None if earlier is None else lambda node: earlier.approves(node.note.slug, node.map_index)
        )
        self.host: Host | None = None
        """Whom tasks turn to that are called in a task."""
        self._given = given
        self._recorder = Recorder(given)
        self._log: RunLog = given.facts.sink
        self._lock = Lock()
        self._pool: Pool | None = None
        self._awaited: dict[Node | None, list[Callable[[], object]]] = {}
        self._carrying = 0
        self._stopped = False
        self._broken: BaseException | None = None
        self._naps = Naps()

    @property
    def is_stopped(self) -> bool:
        """Tell whether the run was told to stop, so that what waits for others need not."""
        return self._stopped

    @property
    def is_worked_here(self) -> bool:
        """Tell whether the current thread is one of those that run the tasks."""
        return HERE.pool is not None and HERE.pool is self.pool

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

        Raises:  ResultStorageMissing; RunStopped.
        """
        task = entry.task
        entry.storage = storage_for(task, self._given.storage)
        with self._lock:
            name = name or task.name
            self._check_going(name)
            node = self.machine.add(
                name, time(), upstreams, mapped_over=mapped_over, rules=task.options.rules
            )
            node.note = entry
        return node

    def begin(self, nodes: list[Node]) -> None:
        """Release added tasks.

        Raises:  RunStopped.
        """
        with self._lock:
            self._check_going(nodes[0].name if nodes else "")
            commands = self.machine.begin(nodes, time())
            self._carrying += 1
        self._carry_out(commands)

    def _check_going(self, name: str) -> None:
        if self._stopped:
            raise RunStopped(f"Task '{name}' is not run, as its flow run was stopped.")

    def execute(self, node: Node, perform: Callable[[TaskCall], Outcome] = perform) -> None:
        """Run a task and tell the machine.

        Tasks that run tasks, or serve others while they wait for some, may be nested deeper than one stack.

        Args:    perform: runs it, in another process maybe.
        """
        if is_stack_deep():
            run_on_new_stack(lambda: self._execute(node, perform))
        else:
            self._execute(node, perform)

    def _execute(self, node: Node, perform: Callable[[TaskCall], Outcome]) -> None:
        try:
            call = self.begin_try(node)
            if call is not None:
                self.finished(node, perform(call))
        except BaseException as error:  # not the task's: nobody may wait for what will not come
            self.break_off(error)
            raise

    def begin_try(self, node: Node) -> TaskCall | None:
        """Take note that a try begins and return its call; None: there is nothing to run any more."""
        entry: Entry = node.note
        if self._given.earlier is not None and node.attempts == 0:
            kept = self._given.earlier.value_of(entry.slug, node.map_index, entry.mark(), entry.storage)
            if kept is not None:
                self._restore(node, kept)
                return None
        call, problem = self._prepare(node, entry)
        with self._lock:
            if self._stopped or node.is_settled():
                return None
            commands = self.machine.started(node, time())
        self._obey(commands)  # nobody waits for this, so nobody has to be told that it was carried out
        if problem is not None:
            self.finished(node, Outcome(error=problem))
        return call

    def finished(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a try came to."""
        error = outcome.error
        if node.is_settled():  # it was left to itself, as its time, or that of a task around it, was over
            return
        may_retry = True
        if error is None or isinstance(error, SUCCESS):
            entry: Entry = node.note
            if self._given.checkpoint is not None and entry.is_kept:
                kept = outcome if error is None else Outcome(error.result)
                self._given.checkpoint.keep(entry.slug, node.map_index, entry.mark(), node.run_id, kept)
        elif isinstance(error, TaskCancelled):
            may_retry = False
        elif not isinstance(error, Signal):
            text = f"Task '{node.name}': Exception encountered during task execution!\n"
            self._log.say(TASK_LOGGER, logging.ERROR, text + traceback_of(error), node.run_id)
            may_retry = is_to_be_tried_again(node, node.note.task, self._given.facts, error)
        with self._lock:
            if self._stopped or node.is_settled():
                return
            commands = self._tell_machine(node, outcome, may_retry)
            self._carrying += 1
        self._carry_out(commands)

    def _tell_machine(self, node: Node, outcome: Outcome, may_retry: bool) -> list[Command]:
        node.stored, error, now = outcome.stored, outcome.error, time()
        if error is None:
            if outcome.is_cached:
                text = "The value was kept by an earlier run."
                return self.machine.succeeded(node, outcome.value, now, "Cached", text)
            return self.machine.succeeded(node, outcome.value, now)
        if isinstance(error, Signal):
            return self.machine.signalled(node, error, now)
        commands = self.machine.failed(node, error, now, may_retry=may_retry)
        if isinstance(error, TaskTimedOut):
            commands += self._give_up_below(node, now)
        return commands

    def _give_up_below(self, node: Node, at: float) -> list[Command]:
        """Take for cancelled what a task had called that is left to itself; nobody waits for it any more."""
        place = "" if node.map_index < 0 else f"[{node.map_index}]"
        prefix = f"{node.note.slug}{place}/"
        error = TaskCancelled(f"Task '{node.name}' that called it took too long.")
        commands: list[Command] = []
        for each in self.machine.nodes:
            if each.note is not None and not each.is_settled() and each.note.slug.startswith(prefix):
                commands += self.machine.failed(each, error, at, may_retry=False)
        return commands

    def _prepare(self, node: Node, entry: Entry) -> tuple[TaskCall | None, Exception | None]:
        """Return the call of a task that is ready, or why there can be none."""
        task = entry.task
        self._recorder.identify(node, entry)
        try:
            if node.parent is None:
                args, kwargs = entry.arguments.resolved(entry.look_up)
            else:
                assert entry.elements is not None
                args, kwargs = entry.elements.of(node.map_index)
            if task.options.run_name is not None:
                bound = bound_arguments(task, args, kwargs)
                SECRETS_IN_USE.add(secret_texts(bound))
                node.name = fill_name(task.options.run_name, bound)
        except Exception as error:  # noqa: BLE001 - names and elements are the user's code
            return None, error
        frame = Frame(
            self.host, self._given.facts, task.name, node.run_id, node.name, node.map_index, task.options.tags
        )
        frame.slug, frame.run_count = entry.slug, node.attempts + 1
        if self._given.earlier is not None:
            frame.resume = self._given.earlier.approves(entry.slug, node.map_index)
        serializer = task.options.serializer or self._given.serializer
        return TaskCall(
            task, args, kwargs, frame, entry.storage, serializer, task.options.timeout_seconds
        ), None

    def _restore(self, node: Node, kept: Kept) -> None:
        """Let a task be what it was before the run was restarted."""
        with self._lock:
            if self._stopped:
                return
            node.stored = kept.stored
            text = "It had succeeded before the run was restarted."
            commands = self.machine.succeeded(node, kept.value, time(), "Success", text)
            self._carrying += 1
        self._carry_out(commands)

    def wait_for(self, node: Node | None, timeout: float | None = None) -> None:
        """Block until a node, or all, are finished; for those who do not run tasks meanwhile.

        Args:    timeout: seconds to wait at most.
        Raises:  EngineFailed: a thread met what the engine did not foresee.
        """
        if timeout is None:
            self._naps.take(self.machine.unfinished)
        event, begun = Event(), monotonic()
        self.tell_when(node, event.set)
        event.wait(timeout)
        self.check()
        self._naps.note(monotonic() - begun)

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
        if isinstance(self._broken, EngineFailed):
            raise self._broken
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
                    self._recorder.record(node, node.state, node.state)

    def failures(self) -> list[Node]:
        """Return the task runs that failed by themselves, not for what others did."""
        return [
            node
            for node in self.machine.nodes
            if node.state.type in FAILED and node.state.name != "TriggerFailed" and not node.children
        ]

    def break_off(self, error: BaseException) -> None:
        """Let nobody wait any longer: a thread met what the engine did not foresee."""
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
            with self._lock:
                self._carrying -= 1
                calls = self._take_awaited(commands)
            for call in calls:
                call()

    def _take_awaited(self, commands: list[Command]) -> list[Callable[[], object]]:
        """Return what is to be called, now that these commands were carried out."""
        awaited = self._awaited
        if not awaited:
            return []
        calls: list[Callable[[], object]] = []
        done: list[Node | None] = [None] if None in awaited and self._is_done(None) else []
        for command in commands:
            node = command.node
            if node.held:  # and with it what waits for it
                done = [each for each in awaited if self._is_done(each)]
                break
            if node in awaited and node.state.type in FINISHED:
                done.append(node)
        for each in done:
            calls += awaited.pop(each, ())
        return calls

    def _obey(self, commands: list[Command]) -> None:
        ready: list[Node] = []
        for command in commands:
            node = command.node
            if isinstance(command, Record):
                self._recorder.record(node, command.state, command.old)
            elif isinstance(command, Run):
                inline: Pool | None = node.note.inline
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
        return node.is_settled()

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
        seconds = command.seconds * (1 + random() * command.jitter)  # noqa: S311 - nothing secret
        if seconds <= 0:
            wake()
        else:
            (entry.inline or self.pool).later(seconds, wake)
