"""Templates of the paths of results: `{flow_name}/{task_name}/{map_index}-{parameters[day]}.pkl`.

| field | what |
|---|---|
| `flow_name`, `flow_run_id`, `flow_run_name` | of the flow's run |
| `task_name`, `task_run_id`, `task_run_name` | of the task's run |
| `map_index` | place in a map; 0 for a task that is not mapped |
| `scheduled_start_time` | when the flow was to begin, in UTC: `{scheduled_start_time:%Y-%m-%d}` |
| `today` | the same, as `2026-01-31` |
| `parameters[NAME]` | an argument of the task, else a parameter of the flow |
| `NAME` | an argument of the task |
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Any, Final

from blocks_core.mask import SECRETS_IN_USE
from blocks_core.masking import secret_texts
from blocks_core.secret import is_secret
from blocks_core.storage_paths import clean_path
from blocks_flows.context import Frame
from blocks_flows.errors import ResultPathInvalid

_FACTS: Final = (
    *("flow_name", "flow_run_id", "flow_run_name", "map_index", "parameters", "scheduled_start_time"),
    *("task_name", "task_run_id", "task_run_name", "today"),
)


def fill_in(template: str, frame: Frame, arguments: Mapping[str, Any]) -> str:
    """Return the path that a template makes for one task run.

    Raises:  ResultPathInvalid: a field is unknown, or is a secret; PathRefused: the path leads outside.
    """
    SECRETS_IN_USE.add(secret_texts(arguments))
    try:
        path = _FORMATTER.vformat(template, (), {**arguments, **_facts(frame, arguments)})
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, ResultPathInvalid):
            raise
        raise ResultPathInvalid(
            f"The path '{template}' of a result of task '{frame.task_name}' cannot be made "
            f"({type(error).__name__}). Its fields may be {', '.join(_FACTS)}, and the task's arguments: "
            f"{', '.join(arguments) or 'none'}."
        ) from error
    return clean_path(path)


def _facts(frame: Frame, arguments: Mapping[str, Any]) -> dict[str, Any]:
    run = frame.run
    facts: dict[str, Any] = {
        "map_index": max(0, frame.map_index),
        "parameters": arguments,
        "task_name": frame.task_name,
        "task_run_id": frame.task_run_id,
        "task_run_name": frame.task_run_name,
    }
    if run is not None:
        start = datetime.fromtimestamp(run.scheduled_start, UTC)
        facts |= {
            "flow_name": run.flow_name,
            "flow_run_id": run.flow_run_id,
            "flow_run_name": run.flow_run_name,
            "parameters": ChainMap(dict(arguments), dict(run.parameters)),
            "scheduled_start_time": start,
            "today": start.strftime("%Y-%m-%d"),
        }
    return facts


class _PathFormatter(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        if is_secret(value) or SECRETS_IN_USE.hide(text) != text:
            raise ResultPathInvalid(
                "The path of a result would hold a secret, and paths are shown and recorded. Leave that field out "
                "of the template (result_storage_key, target or location)."
            )
        return text


_FORMATTER: Final = _PathFormatter()
