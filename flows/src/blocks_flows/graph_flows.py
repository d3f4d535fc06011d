"""Flows as graphs: tasks are declared first, and then run."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from contextvars import Token
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import time
from types import TracebackType
from typing import Any, Self, Unpack, cast

from blocks_flows.arguments import Reference
from blocks_flows.context import FRAME, Frame
from blocks_flows.deadlines import Deadline
from blocks_flows.driver import Driver
from blocks_flows.entries import Entry
from blocks_flows.errors import FlowInvalid, RunStopped
from blocks_flows.executors import Executor, LocalExecutor
from blocks_flows.failures import describe
from blocks_flows.flow_options import GraphArguments, changed_arguments, read_flow_options
from blocks_flows.flow_run import FlowRun, Wanted, run_by_schedule, start_seconds
from blocks_flows.graph import Graph
from blocks_flows.graph_editing import GraphEditing
from blocks_flows.hosts import FunctionHost
from blocks_flows.lineages import is_passed_over
from blocks_flows.machine import final_state
from blocks_flows.nodes import Node
from blocks_flows.parameter_schemas import schema_of_declared
from blocks_flows.parameters import Parameter, choose_values
from blocks_flows.progress import Display, shown_progress
from blocks_flows.run_logs import FLOW_LOGGER, traceback_of
from blocks_flows.states import State, StateType
from blocks_flows.tasks import Task


class Flow(GraphEditing):
    """A graph of tasks: `with Flow("train") as f:` declares it, `f.run()` runs it.

    The executor is by default `LocalExecutor()`: one task after another.
    """

    def __init__(self, name: str, **arguments: Unpack[GraphArguments]) -> None:
        self.name = name
        self.options = read_flow_options(f"Flow '{name}'", arguments, GraphArguments)
        self._declared_with = arguments
        caller = inspect.currentframe()
        if caller is not None and caller.f_back is not None:  # as functions have it: where it is declared
            self.__module__ = caller.f_back.f_globals.get("__name__", "")
        self.graph = Graph(name)
        self._reference: list[Task] | None = None
        self._tokens: list[Token[Frame | None]] = []

    def with_options(self, **changes: Unpack[GraphArguments]) -> Self:
        """Return a flow of the same graph, but for some options.

        Raises:  OptionUnknown, FlowInvalid.
        """
        twin = copy.copy(self)
        twin._declared_with = cast("GraphArguments", changed_arguments(self._declared_with, changes))
        twin.options = read_flow_options(f"Flow '{self.name}'", twin._declared_with, GraphArguments)
        return twin

    def __enter__(self) -> Self:
        outer = FRAME.get()
        self._tokens.append(FRAME.set(Frame(host=self.graph, run=None if outer is None else outer.run)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        FRAME.reset(self._tokens.pop())

    def __repr__(self) -> str:
        return f"<Flow: {self.name}>"

    @property
    def tasks(self) -> list[Task]:
        """Return the tasks in the order they were placed."""
        return list(self.graph.placements)

    def visualize(
        self,
        state: State | None = None,
        path: str | Path | None = None,
        format: str | None = None,  # noqa: A002 - the word of the earlier generations
    ) -> str:
        """Return a picture of the graph, and write it to a file where a path is given.

        Args:    state: how a run ended: the tasks show their states.
                 path: ends in `.svg`, `.mmd` or `.md`, which tells the format.
                 format: `svg` or `mermaid`, where the path does not tell.
        Raises:  DrawingUnknown.
        """
        from blocks_flows.visualizing import visualize  # late: start-up time; few programs draw

        return visualize(self.graph, state=state, path=path, format=format)

    def parameter_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters, typed as their defaults are."""
        return schema_of_declared(self.name, self.graph.parameters)

    def parameters(self) -> list[Parameter]:
        """Return the declared parameters."""
        return list(self.graph.parameters.values())

    @property
    def reference_tasks(self) -> list[Task]:
        """Return the tasks that decide how a run ends: those that none waits for, unless others were set."""
        return self.graph.leaves() if self._reference is None else list(self._reference)

    @reference_tasks.setter
    def reference_tasks(self, tasks: Iterable[Task]) -> None:
        chosen = list(tasks)
        for task in chosen:
            if task not in self.graph.placements:
                raise FlowInvalid(
                    f"{task!r} is no task of flow '{self.name}', so it cannot decide how it ends."
                )
        self._reference = chosen

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Do what setting `reference_tasks` does."""
        self.reference_tasks = tasks

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        scheduled_start_time: datetime | None = None,
        progress: bool | Display = False,
        run_on_schedule: bool = True,
        **more: Any,
    ) -> State:
        """Run the graph and return how it ended; `state.result[task]` is the state of a task.

        A flow with a schedule waits for each of its times and runs then, until there is none any more, unless a
        start time is given.

        Args:    parameters, more: the parameters' values.
                 progress: show how far the tasks are.
                 run_on_schedule: False: run once, now.
        Raises:  ParametersInvalid.
        """
        if is_passed_over(self.name):
            return cast("State", None)
        given = {**(parameters or {}), **more}
        if self.options.schedule is not None and run_on_schedule and scheduled_start_time is None:
            return run_by_schedule(self, given, executor=executor, progress=progress)
        values = choose_values(self.name, self.graph.parameters, given)
        with shown_progress(self.name, progress) as watchers:
            run = FlowRun(
                self, self.name, self.options, Wanted(values, start_seconds(scheduled_start_time), watchers)
            )
            driver = run.driver(executor or self.options.executor or LocalExecutor())
            with run.acting():
                seconds = self.options.timeout_seconds
                deadline = None if seconds is None else Deadline(seconds, run.time_out)
                try:
                    run.begin()
                    return self._drive(run, driver, deadline)
                except BaseException as error:
                    run.interrupted(driver, error)
                    raise
                finally:
                    if deadline is not None:
                        deadline.close()
                    driver.close()

    def _drive(self, run: FlowRun, driver: Driver, deadline: Deadline | None) -> State:
        driver.host = FunctionHost(driver)
        nodes: dict[Reference, Node] = {}
        with suppress(RunStopped) if deadline is not None else nullcontext():
            self._add_all(driver, nodes)
            driver.begin(list(nodes.values()))
        driver.wait_for_all()
        driver.close()
        results = {task: node.state for task, node in nodes.items()}
        if deadline is not None:
            deadline.close()
            if run.state.is_finished():
                return replace(run.state, result=results)
        reference = [nodes[task] for task in self.reference_tasks]
        state = self._last_word(final_state(reference, driver.machine.nodes, results, time()), reference, run)
        if state.is_successful():
            return run.end(state, "Flow run SUCCESS: all reference tasks succeeded", driver)
        return run.end(
            state, f"Flow run {state.name.upper()}: {state.message[0].lower()}{state.message[1:]}", driver
        )

    def _last_word(self, state: State, reference: list[Node], run: FlowRun) -> State:
        """Let the terminal_state_handler decide how a run ends; where it fails, the run does."""
        handler = self.options.terminal_state_handler
        if handler is None or not state.is_finished():
            return state
        try:
            decided = handler(self, state, [node.state for node in reference])
            return state if decided is None else replace(decided, result=state.result)
        except Exception as error:  # noqa: BLE001 - it is the user's code
            run.log.say(
                FLOW_LOGGER, logging.ERROR, f"The terminal_state_handler raised.\n{traceback_of(error)}"
            )
            text = f"The terminal_state_handler failed: {describe(error)}"
            return State(StateType.FAILED, "Failed", time(), text, state.result)

    def _add_all(self, driver: Driver, nodes: dict[Reference, Node]) -> None:
        for placement in self.graph.in_order():
            entry = Entry(placement.task, placement.slug, placement.arguments, nodes)
            upstreams = [nodes[task] for task in placement.upstreams]
            mapped_over = [nodes[task] for task in placement.mapped_over] if placement.mapped else None
            nodes[placement.task] = driver.add(entry, upstreams, mapped_over)
