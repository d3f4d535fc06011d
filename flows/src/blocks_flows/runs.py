"""The record of runs, read back from the database that the journal writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blocks_flows.errors import RunNotFound
from blocks_flows.journal import RUNS
from blocks_flows.said import LEVEL, LOGGER, lines_of
from blocks_registry.database import Database
from blocks_registry.opening import open_database

_ID_LENGTH = 36
_WILD = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


@dataclass(frozen=True)
class RunFilter:
    """Which flow runs are wanted; None is any."""

    flow: str | None = None
    state: str | None = None
    """A state's type or name, in any case."""
    limit: int = 20


class RunRecords:
    """Reads flow runs, task runs, states, logs and alerts; times are Unix times in seconds."""

    def __init__(self, database: Database | None = None) -> None:
        self._database = database or open_database(purpose=RUNS, durable=False)

    @property
    def database(self) -> Database:
        """Return the database that is read."""
        return self._database

    def list_runs(self, wanted: RunFilter) -> list[dict[str, Any]]:
        """Return flow runs, the newest first."""
        where, values = ["1 = 1"], list[Any]()
        if wanted.flow is not None:
            where.append("flow_name = ?")
            values.append(wanted.flow)
        if wanted.state is not None:
            where.append("(lower(state_type) = ? OR lower(state_name) = ?)")
            values += [wanted.state.lower()] * 2
        query = f"SELECT * FROM flow_runs WHERE {' AND '.join(where)} ORDER BY scheduled_at DESC, id LIMIT ?"
        return [_plain(row) for row in self._select(query, [*values, wanted.limit])]

    def find_run(self, prefix: str) -> dict[str, Any]:
        """Return the flow run whose id begins like this.

        Raises:  RunNotFound: there is none, or there are several.
        """
        pattern = prefix[: _ID_LENGTH + 1].lower().translate(_WILD) + "%"  # SQLite refuses long patterns
        found = self._select("SELECT * FROM flow_runs WHERE id LIKE ? ESCAPE '\\' LIMIT 3", [pattern])
        if not found:
            raise RunNotFound(
                f'No flow run {prefix[:40]!r} is recorded. Run "block run ls" to see the last ones.'
            )
        if len(found) > 1:
            listed = ", ".join(row["id"] for row in found)
            raise RunNotFound(
                f"Several flow runs begin with {prefix[:40]!r} ({listed}, …). Give more of the id."
            )
        return _plain(found[0])

    def flow_runs(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the flow runs with these ids that are recorded."""
        if not ids:
            return []
        query = f"SELECT * FROM flow_runs WHERE id IN ({', '.join('?' * len(ids))})"
        return [_plain(row) for row in self._select(query, ids)]

    def open_runs(self, host: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
        """Return the flow runs that began on a host, and by itself, and are in a state of one of these types."""
        query = (
            f"SELECT * FROM flow_runs WHERE state_type IN ({', '.join('?' * len(kinds))}) AND host = ? "
            f"AND parent_flow_run_id IS NULL AND process_id > 0"
        )
        return [_plain(row) for row in self._select(query, [*kinds, host])]

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return the task runs of a flow run, in the order they began."""
        return self._of_run("task_runs", flow_run_id, "COALESCE(started_at, state_at), id")

    def states(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return every state of a flow run and its task runs."""
        found = self._of_run("run_states", flow_run_id, "at, id")
        return [{name: value for name, value in row.items() if name != "said"} for row in found]

    def logs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return the log of a flow run, with what the engine said of its task runs."""
        lines = [*self._of_run("run_logs", flow_run_id, "at, id"), *self._said(flow_run_id)]
        return sorted(lines, key=lambda line: (line["at"], line["id"]))

    def _said(self, flow_run_id: str) -> Iterator[dict[str, Any]]:
        query = (
            "SELECT run_states.*, task_runs.name AS task_run_name FROM run_states "
            "JOIN task_runs ON task_runs.id = run_states.task_run_id "
            "WHERE run_states.flow_run_id = ? AND said > 0"
        )
        for row in self._select(query, [flow_run_id]):
            line = {name: row[name] for name in ("id", "flow_run_id", "task_run_id", "at")}
            for text in lines_of(row["said"], row["task_run_name"], row["name"]):
                yield {**line, "level": LEVEL, "logger": LOGGER, "message": text}

    def alerts(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return who was told of a flow run, and whether it reached them."""
        return self._of_run("run_alerts", flow_run_id, "at, id")

    def children(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return the flow runs that a flow run began."""
        query = "SELECT * FROM flow_runs WHERE parent_flow_run_id = ? ORDER BY scheduled_at, id"
        return [_plain(row) for row in self._select(query, [flow_run_id])]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _of_run(self, table: str, flow_run_id: str, order: str) -> list[dict[str, Any]]:
        query = f"SELECT * FROM {table} WHERE flow_run_id = ? ORDER BY {order}"
        return self._select(query, [flow_run_id])

    def _select(self, query: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        self._database.migrate("flows", "blocks_flows.migrations")
        with self._database.reading() as connection:
            cursor = connection.execute(query, values)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "parameters": json.loads(row["parameters"]), "tags": json.loads(row["tags"])}
