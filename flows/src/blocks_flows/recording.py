"""Records what happens to the tasks of a run: in the journal, in the log, and to whoever asked to be told."""

from __future__ import annotations

import logging

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows.alerts import Occasion, send_alerts
from blocks_flows.entries import Entry, Surroundings
from blocks_flows.ids import new_id
from blocks_flows.journal_rows import STATES, TASK_RUNS
from blocks_flows.nodes import Node
from blocks_flows.run_logs import TASK_LOGGER, RunLog, traceback_of
from blocks_flows.said import BEGAN, ENDED, lines_of
from blocks_flows.states import FAILED, FINISHED, State, StateType
from blocks_flows.tasks import Task


class Recorder:
    """Keeps the record of one run's tasks; called on any thread."""

    def __init__(self, given: Surroundings) -> None:
        self._given = given
        self._log: RunLog = given.facts.sink

    def identify(self, node: Node, entry: Entry) -> None:
        """Give a task run its id, in a restarted run the one that it had."""
        if node.run_id:
            return
        if self._given.earlier is not None:
            known = self._given.earlier.run_of(entry.slug, node.map_index)
            if known is not None:
                node.run_id, node.revision = known
                return
        node.run_id = new_id()

    def record(self, node: Node, state: State, old: State) -> None:
        """Record a new state, say it, and tell who asked for it."""
        entry: Entry = node.note
        task = entry.task
        self.identify(node, entry)
        if self._was_recorded(node, entry, state):
            node.recorded = state
            for watcher in self._given.watchers:
                watcher.changed(node, state, task.name)
            return
        run_id, flow_run_id = node.run_id, self._given.facts.flow_run_id
        kind = state.type._value_  # pyright: ignore[reportPrivateUsage] `.value` takes longer than all the rest
        message = SECRETS_IN_USE.hide(state.message)
        is_finished = state.type in FINISHED
        stored = node.stored
        node.revision += 1
        append = self._given.journal.append
        append(
            TASK_RUNS,
            (
                run_id,
                flow_run_id,
                task.name,
                entry.slug,
                node.name,
                node.map_index,
                node.attempts,
                kind,
                state.name,
                message,
                state.at,
                node.revision,
                node.started_at,
                state.at if is_finished else None,
                stored and stored.storage,
                stored and stored.path,
                stored and stored.location,
            ),
        )
        said = _said_of(node, state, is_finished)
        append(STATES, (flow_run_id, run_id, state.at, kind, state.name, message, said))
        node.recorded = state
        if said:
            for line in lines_of(said, node.name, state.name):
                self._log.repeat(state.at, line)
        for watcher in self._given.watchers:
            watcher.changed(node, state, task.name)
        options = task.options
        if options.state_handlers or options.on_failure or options.on_completion:
            self._tell_task(task, node, state, old)

    def _was_recorded(self, node: Node, entry: Entry, state: State) -> bool:
        """Tell whether a task has succeeded before the run was restarted, and the record says so."""
        earlier = self._given.earlier
        if (
            earlier is None
            or state.type is not StateType.SUCCESS
            or node.attempts
            or node.children is not None
        ):
            return False
        return earlier.is_recorded(entry.slug, node.map_index)

    def _tell_task(self, task: Task, node: Node, state: State, old: State) -> None:
        for handler in task.options.state_handlers:
            try:
                handler(task, old, state)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - what a handler does must not change the run
                text = f"Task '{node.name}': a state handler raised.\n{traceback_of(error)}"
                self._log.say(TASK_LOGGER, logging.ERROR, text, node.run_id)
        entries = ()
        if state.type is StateType.SUCCESS:
            entries = task.options.on_completion
        elif state.type in FAILED and state.name != "TriggerFailed":
            entries = task.options.on_failure
        if entries and node.children is None:
            occasion = Occasion(
                task, self._given.facts, state, task_run_id=node.run_id, task_run_name=node.name
            )
            send_alerts(entries, occasion, self._given.journal)


def _said_of(node: Node, state: State, is_finished: bool) -> int:
    """Return what is said in the log of a new state."""
    is_mapped = state.name == "Mapped"
    if is_mapped and is_finished:
        return 0
    if is_finished and node.started_at is not None:
        return ENDED
    begins = state.type is StateType.RUNNING or (is_finished and node.started_at is None)
    if begins and state.type is StateType.SUCCESS:
        return 0  # it was restored, and one line for all says so
    ends = is_finished or is_mapped or state.type in (StateType.RETRYING, StateType.PAUSED)
    return BEGAN * begins + ENDED * ends
