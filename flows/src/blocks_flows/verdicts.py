"""Whether a task is to run, now that those before it have ended; and how a signal or a failure lets it end."""

from __future__ import annotations

from collections.abc import Callable

from blocks_flows.errors import TaskCancelled, TaskTimedOut, UpstreamFailed, WorkerLost
from blocks_flows.failures import describe
from blocks_flows.nodes import Node
from blocks_flows.signals import PAUSE, SKIP, SUCCESS, TRIGGERFAIL, Signal
from blocks_flows.states import State, StateType
from blocks_flows.triggers import Trigger


def verdict(node: Node, at: float, approves: Callable[[Node], bool] | None) -> State | None:
    """Return the state of a task that is not to run, now that it waits for nothing; None: it is to run."""
    if node.rules.trigger is not None:
        return _asked_verdict(node, node.rules.trigger, at, approves)
    if not node.upstreams and not node.mapped_over:
        return None
    blocker, skipped = _look_back(node)
    if blocker is not None:
        return _not_run(blocker, at)
    if node.parent is not None and node.upstreams:
        skipped = skipped or node.parent.skipped_before
    if skipped is None or not node.rules.skip_on_upstream_skip:
        return None
    if any(upstream.children is not None for upstream in node.mapped_over) and not _is_listless(node):
        node.skipped_before = skipped  # it is decided for each child: the one that it follows may have failed
        return None
    return _skipped(skipped.name, at)


def _look_back(node: Node) -> tuple[Node | None, Node | None]:
    """Return the first before a task that did not succeed, and one that was skipped or had a child that was."""
    skipped = None
    for upstream in node.upstreams:
        if upstream.state.type is not StateType.SUCCESS:
            if upstream.state.type is not StateType.SKIPPED:
                return upstream, None
            skipped = upstream
        elif upstream.children is not None and any(
            child.state.type is StateType.SKIPPED for child in upstream.children
        ):
            skipped = upstream
    for upstream in node.mapped_over:  # one that was expanded decides child by child
        if upstream.children is None and upstream.state.type is not StateType.SUCCESS:
            if upstream.state.type is not StateType.SKIPPED:
                return upstream, None
            skipped = upstream
    return None, skipped


def _is_listless(node: Node) -> bool:
    """Tell whether a task is mapped over one that was skipped, so that there is no list of its elements."""
    return any(
        upstream.children is None and upstream.state.type is StateType.SKIPPED
        for upstream in node.mapped_over
    )


def _asked_verdict(
    node: Node, trigger: Trigger, at: float, approves: Callable[[Node], bool] | None
) -> State | None:
    if node.parent is not None and not node.upstreams:
        return None  # it follows no other child: the trigger was asked before the task was expanded
    if any(upstream.children is not None for upstream in node.mapped_over):
        if node.rules.skip_on_upstream_skip and _is_listless(node):
            return _skipped("one", at)
        return None  # it will be asked for each child
    states = _states_before(node)
    is_skipped = any(state.type is StateType.SKIPPED for state in states)
    if is_skipped and node.rules.skip_on_upstream_skip and all(map(State.is_successful, states)):
        return _skipped("one", at)
    name = getattr(trigger, "__name__", type(trigger).__name__)
    try:
        if trigger(states):
            return None
    except PAUSE as signal:
        if approves is not None and approves(node):
            return None
        return signalled_state(signal, at)
    except Signal as signal:
        state = signalled_state(signal, at)
        return state or State(StateType.FAILED, "Failed", at, describe(signal), signal)
    except Exception as error:  # noqa: BLE001 - the trigger is the user's code
        text = f"The trigger '{name}' failed: {describe(error)}"
        return State(StateType.FAILED, "TriggerFailed", at, text, error)
    text = f"Not run, as its trigger '{name}' said no to how those before it ended."
    return State(StateType.FAILED, "TriggerFailed", at, text, UpstreamFailed(text))


def _states_before(node: Node) -> list[State]:
    """Return the states that a trigger goes by."""
    before = [*node.upstreams, *node.mapped_over]
    if node.parent is not None:
        before += node.parent.upstreams
        before += [upstream for upstream in node.parent.mapped_over if upstream.children is None]
    states: list[State] = []
    for upstream in before:
        if upstream.children is None:
            states.append(upstream.state)
        else:
            states += [child.state for child in upstream.children]
    return states


def kind_of_failure(error: BaseException) -> tuple[StateType, str]:
    """Return the type and the name of the state in which a task's run ends that fails with this error."""
    if isinstance(error, TaskTimedOut):
        return StateType.FAILED, "TimedOut"
    if isinstance(error, TaskCancelled):
        return StateType.CANCELLED, "Cancelled"
    if isinstance(error, WorkerLost):
        return StateType.CRASHED, "Crashed"
    return StateType.FAILED, "Failed"


def signalled_state(signal: Signal, at: float) -> State | None:
    """Return how a run ends that raised a signal; None: as after any other exception."""
    text = describe(signal).partition(": ")[2]
    if isinstance(signal, SUCCESS):
        return State(StateType.SUCCESS, "Success", at, text or "Task run succeeded.", signal.result)
    if isinstance(signal, SKIP):
        return State(StateType.SKIPPED, "Skipped", at, text or "The task skipped itself.", signal.result)
    if isinstance(signal, PAUSE):
        return State(StateType.PAUSED, "Paused", at, text or "Waits for somebody's word.", signal.result)
    if isinstance(signal, TRIGGERFAIL):
        return State(StateType.FAILED, "TriggerFailed", at, text or "Its trigger said no.", signal)
    return None


def _skipped(before: str, at: float) -> State:
    return State(StateType.SKIPPED, "Skipped", at, f"Skipped, as '{before}' before it was.")


def _not_run(blocker: Node, at: float) -> State:
    if blocker.children is None:
        text = f"Not run, as '{blocker.name}' before it ended as {blocker.state.name}."
    else:
        text = f"Not run, as '{blocker.name}' before it failed: {blocker.state.message}"
    return State(StateType.FAILED, "TriggerFailed", at, text, UpstreamFailed(text))
