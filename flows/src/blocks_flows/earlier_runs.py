"""What a flow run did before it is restarted: from its checkpoint, and from the record where that is all there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.checkpoint_reading import KeptForm, Notes, decode
from blocks_flows.entries import Kept
from blocks_flows.errors import CheckpointInvalid
from blocks_flows.failures import describe
from blocks_flows.results import StoredResult, read_recorded
from blocks_flows.states import StateType

LATER: Final = 1_000
"""By how much a restarted run's revisions go on: what its dead process spooled may be written after them."""


class EarlierRun:
    """Answers the driver of a restarted run; see `entries.Earlier`.

    Args:    rows: the task runs that are recorded.
             main: name of the module that the flow was loaded as: see `kept_values.from_pickle`.
    """

    def __init__(
        self,
        notes: Notes,
        rows: Sequence[Mapping[str, Any]],
        main: str,
        is_approved: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> None:
        self.notes = notes
        self.main = main
        self.approval = is_approved
        self.say: Callable[[str], object] = lambda _text: None
        """Is told why something is run again that had succeeded."""
        self._rows = {(row["task_slug"], row["map_index"]): row for row in rows}
        self._approved = {
            key
            for key, row in self._rows.items()
            if is_approved is not None and row["state_type"] == StateType.PAUSED and is_approved(row)
        }

    def run_of(self, slug: str, map_index: int) -> tuple[str, int] | None:
        """Return the id and the revision of a task run; None: it had not begun."""
        row = self._rows.get((slug, map_index))
        if row is not None:
            return row["id"], row["revision"] + LATER
        kept = self.notes.tasks.get((slug, map_index))
        return None if kept is None else (kept.run_id, LATER)

    def value_of(self, slug: str, map_index: int, mark: str, storage: Any) -> Kept | None:
        """Return the value of a task run that succeeded and need not be run again.

        Args:    mark: of the call, as it is now. storage: where the task keeps its results, as its code says now.
        """
        kept = self._kept(slug, map_index)
        if kept is not None and mark and kept.mark and kept.mark != mark:
            self.say(
                f"Task run '{slug}' had succeeded and is run again, as it is called with other arguments now: the "
                f"flow function does not call its tasks in the same order, or not with the same values, as before."
            )
            return None
        return self._read(kept, storage, f"Task run '{slug}'")

    def is_recorded(self, slug: str, map_index: int) -> bool:
        """Tell whether the record has a task run as a success already."""
        row = self._rows.get((slug, map_index))
        return row is not None and row["state_type"] == StateType.SUCCESS

    def approves(self, slug: str, map_index: int) -> bool:
        """Tell whether somebody approved a task that had been paused."""
        return (slug, map_index) in self._approved

    def value_of_child(self, slug: str, row: Mapping[str, Any] | None, storage: Any) -> Kept | None:
        """Return what a child flow run returned that succeeded and need not be run again."""
        kept = self.notes.ended.get(slug)
        if kept is None and row is not None and row["state_type"] == StateType.SUCCESS:
            kept = _recorded(row)
        return self._read(kept, storage, f"Flow run '{slug}'")

    def count(self) -> tuple[int, int]:
        """Return how many of how many task runs need not be run again; a mapped one counts by its children."""
        known = {key for key, row in self._rows.items() if self._counts(key, row)} | set(self.notes.tasks)
        done = sum(1 for slug, map_index in known if self._is_kept(slug, map_index))
        return done, len(known)

    def _counts(self, key: tuple[str, int], row: Mapping[str, Any]) -> bool:
        """Tell whether a task run is one that people count: not a mapped one, nor so quick that none is kept."""
        return row["state_name"] != "Mapped" and not (self.is_recorded(*key) and self._kept(*key) is None)

    def _is_kept(self, slug: str, map_index: int) -> bool:
        kept = self._kept(slug, map_index)
        return kept is not None and kept.form != "none"

    def _kept(self, slug: str, map_index: int) -> KeptForm | None:
        kept = self.notes.tasks.get((slug, map_index))
        if kept is None and self.is_recorded(slug, map_index):
            return _recorded(self._rows[slug, map_index])
        return kept

    def _read(self, kept: KeptForm | None, storage: Any, what: str) -> Kept | None:
        if kept is None:
            return None
        try:
            if kept.form == "stored":
                stored = StoredResult(*map(str, kept.data))
                return Kept(read_recorded(stored, storage), stored)
            return Kept(decode(self.notes.place, kept, self.main))
        except CheckpointInvalid as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the storage's code, or the value's class, may raise anything
            reason = describe(error)
        self.say(
            f"{what} had succeeded and is run again, as its value is not there: {SECRETS_IN_USE.hide(reason)}"
        )
        return None


def _recorded(row: Mapping[str, Any]) -> KeptForm | None:
    """Return the form of a result that the record names, if it does."""
    if row["result_path"] is None:
        return None
    return KeptForm(row["id"], "stored", [row["result_storage"], row["result_path"], row["result_location"]])
