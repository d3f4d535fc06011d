"""What an import would do, without doing it, and then doing it in one change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID, uuid4

from blocks_core.block import Block, Saved
from blocks_core.codec import digest_of
from blocks_core.document import Draft, Encoded
from blocks_core.encoding import digest
from blocks_core.errors import BlockNotFound, BlocksError, KeyringError
from blocks_core.library import Library
from blocks_core.limits import refuse_too_large
from blocks_core.names import join_address
from blocks_core.records import Summary
from blocks_core.registry import Put
from blocks_registry.importing.choosing import by_source, chosen, in_order
from blocks_registry.importing.drafting import KEPT_AS, Made, Maker, keep_as_secret, refusal_of
from blocks_registry.importing.found import Found, names_of
from blocks_registry.importing.mapping import System
from blocks_registry.importing.naming import our_name

State = Literal["new", "unchanged", "changed", "unmapped", "conflict"]

ACTION = "imported"


@dataclass(frozen=True)
class ImportOptions:
    """What is imported, and how."""

    only: tuple[str, ...] = ()
    """Shell patterns of `type/name`, or of the name alone."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """What every block gets that is imported, beside the labels that it has."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """`type/name` of the other system -> name here."""
    keep_unmapped: bool = False
    """Keep what has no counterpart as JSON in a secret."""
    overwrite: bool = False
    """Replace blocks that are saved and differ."""


@dataclass(repr=False)
class Row:
    """One block or connection of the other system, and what becomes of it."""

    made: Made
    state: State = "unmapped"
    address: str | None = None
    notes: list[str] = field(default_factory=list[str])
    draft: Draft | None = None
    version: int = 0
    """Of the block that is saved under the address; 0 where none is."""
    differs: bool = False
    """Whether that block has other content, or none that can be read."""

    @property
    def writes(self) -> bool:
        """Tell whether there is something to write, if it may be."""
        return self.state in ("new", "changed")

    @property
    def fields_left_out(self) -> tuple[str, ...]:
        """Return the names of the fields that say something and are not in the block that is made."""
        found = self.made.found
        if self.address is None and not found.problem:
            return tuple(names_of(found.fields))
        return self.made.left_out


@dataclass(frozen=True)
class Plan:
    """Rows in the order in which people look for them."""

    rows: tuple[Row, ...]
    overwrite: bool = False

    def to_write(self) -> list[Row]:
        """Return the rows that `carry_out` writes."""
        return [row for row in self.rows if row.state == "new" or (row.state == "changed" and self.overwrite)]

    def refused(self) -> list[Row]:
        """Return the rows that are not written although they could be: someone has to decide."""
        written = {id(row) for row in self.to_write()}
        return [row for row in self.rows if row.state in ("changed", "conflict") and id(row) not in written]

    def counts(self) -> Counter[State]:
        """Return how many rows there are of each state."""
        return Counter(row.state for row in self.rows)


def make_plan(library: Library, system: System, found: Sequence[Found], options: ImportOptions) -> Plan:
    """Return what an import would do; nothing is written.

    Raises:  KeyringError: what is saved cannot be compared.
    """
    return _Planner(library, system, options).plan(found)


def carry_out(library: Library, plan: Plan) -> int:
    """Write what a plan has to write, all of it or nothing, and return how many blocks that is.

    Raises:  VersionConflict: a block was saved since the plan was made; what `Registry.change` raises.
    """
    rows = plan.to_write()
    for row in rows:
        if row.draft is not None and row.made.block is not None:
            library.register_types_of(row.draft, type(row.made.block))
    library.registry.change([Put(row.draft, row.version) for row in rows if row.draft is not None])
    return len(rows)


class _Planner:
    """Goes through what was found, what others hold first."""

    def __init__(self, library: Library, system: System, options: ImportOptions) -> None:
        self._library = library
        self._system = system
        self._options = options
        self._saved = {join_address(one.slug, one.name): one for one in library.registry.find()}
        self._rows: dict[str, Row] = {}
        self._found: dict[str, Found] = {}

    def plan(self, found: Sequence[Found]) -> Plan:
        """Return the rows."""
        self._found = chosen(found, self._options.only)
        order, circular = in_order(self._found)
        maker = Maker(self._library, self._system)
        for one in order:
            if one.key in circular:
                one = replace(one, problem="it holds itself, through what it holds")
            self._rows[one.key] = Row(maker.make(one))
        named = [self._rows[one.key] for one in order if not one.anonymous]
        for row in named:
            self._name(row)
        self._refuse_same_addresses(named)
        for row in named:
            self._decide(row)
        rows = {row.made.found.key: row for row in named}
        return Plan(
            tuple(rows[one.key] for one in by_source(row.made.found for row in named)),
            self._options.overwrite,
        )

    def _name(self, row: Row) -> None:
        """Give a row its address, if there will be a block."""
        made, found = row.made, row.made.found
        row.notes += made.notes
        if made.block is None:
            row.notes.append(made.reason)
        given = self._options.renames.get(found.source)
        if made.block is not None:
            row.address = join_address(made.slug, given or our_name(found.name))
        elif self._options.keep_unmapped and not any(one.problem for one in (found, *self._below(found))):
            row.address = join_address(KEPT_AS, given or our_name(f"{found.type}.{found.name}"))
            row.notes.append("kept whole, as JSON in a secret")
        if row.address is not None and not row.address.endswith((f"/{found.name}", f".{found.name}")):
            row.notes.append("the name was changed")

    def _refuse_same_addresses(self, rows: Iterable[Row]) -> None:
        sources: dict[str, list[Row]] = {}
        for row in rows:
            if row.address is not None:
                sources.setdefault(row.address, []).append(row)
        for same in sources.values():
            for row in same if len(same) > 1 else ():
                others = ", ".join(f"'{other.made.found.source}'" for other in same if other is not row)
                row.state = "conflict"
                row.notes.append(f"{others} would have the same address: give one another name with --rename")

    def _decide(self, row: Row) -> None:
        """Find out what there is to write for a row, whose held ones have been decided."""
        if row.address is None or row.state == "conflict":
            return
        waiting = self._not_as_found(row)
        try:
            row.draft = self._draft(row)
        except KeyringError:
            raise
        except BlocksError as error:
            row.state, row.address = "unmapped", None
            row.notes.append(refusal_of(error, row.made.found))
            return
        row.state = self._compare(row)
        if waiting and row.writes:
            row.state = "conflict"
            row.notes.append(waiting)

    def _not_as_found(self, row: Row) -> str:
        """Say which block that a row holds will not be here as it is there, or nothing."""
        for held in self._held(row.made.found):
            below = self._rows[held.key]
            if below.state == "conflict" or (below.differs and not self._options.overwrite):
                return f"it holds '{held.source}', which is not imported as it is there"
        return ""

    def _held(self, found: Found) -> list[Found]:
        return [self._found[key] for key in found.links().values() if key in self._found]

    def _draft(self, row: Row) -> Draft:
        assert row.address is not None
        slug, _, name = row.address.partition("/")
        made, saved = row.made, self._saved.get(row.address)
        if made.block is None:
            made.block = keep_as_secret(made, self._system.title, self._library, self._places(made.found))
        draft = self._library.draft(made.block, name)
        labels = {**(saved.labels if saved else {}), **self._options.labels} if self._options.labels else None
        document_id = saved.id if saved else uuid4()
        draft = replace(draft, document_id=None if saved else document_id, labels=labels, action=ACTION)
        refuse_too_large(draft)
        row.version = saved.version if saved else 0
        _note_place(made.block, document_id, slug, name, row.version)
        return draft

    def _places(self, found: Found) -> dict[str, Found | str]:
        """Return where goes what a block holds: its address, or itself where it has none."""
        return {one.key: self._rows[one.key].address or one for one in self._below(found)}

    def _below(self, found: Found) -> list[Found]:
        """Return what a block holds, what that holds, and so on, each once."""
        seen: dict[str, Found] = {}
        waiting = self._held(found)
        while waiting:
            one = waiting.pop()
            if one.key not in seen:
                seen[one.key] = self._rows[one.key].made.found
                waiting += self._held(one)
        return list(seen.values())

    def _compare(self, row: Row) -> State:
        """Return the state of a row that could be written."""
        assert row.draft is not None
        saved = self._saved.get(f"{row.draft.slug}/{row.draft.name}")
        if saved is None:
            return "new"
        row.differs = not self._has_content(saved, row)
        if row.differs:
            row.notes.append("differs from the one that is saved here" + self._what_to_do())
            return "changed"
        if row.draft.labels is not None and dict(row.draft.labels) != dict(saved.labels):
            row.notes.append("lacks the labels" + self._what_to_do())
            return "changed"
        return "unchanged"

    def _what_to_do(self) -> str:
        return "" if self._options.overwrite else ": --overwrite replaces it"

    def _has_content(self, saved: Summary, row: Row) -> bool:
        """Tell whether a saved block is what a row would write; the secrets are compared too."""
        draft, registry = row.draft, self._library.registry
        assert draft is not None
        try:
            shown = registry.read(saved.slug, saved.name)  # which counts as no use of it
            if shown.type_version != draft.type_version or not _same_shown(shown.content, draft.content):
                return False
            there = (
                registry.load(saved.slug, saved.name).root.content if draft.content.secrets else shown.content
            )
        except KeyringError:
            raise
        except BlockNotFound:  # deleted meanwhile; writing it will say so
            return False
        except BlocksError as error:
            row.notes.append(f"what is saved here cannot be read: {error}")
            return False
        return digest(there) == digest(draft.content)


def _same_shown(one: Encoded, other: Encoded) -> bool:
    """Tell whether two contents are the same but for their secrets' values."""
    return digest(replace(one, secrets={})) == digest(replace(other, secrets={}))


def _note_place(block: Block, document_id: UUID, slug: str, name: str, version: int) -> None:
    """Let those that hold a block refer to it, before it is written."""
    saved = Saved(document_id, slug, name, version + 1, digest_of(block))
    block._set_saved(saved)  # pyright: ignore[reportPrivateUsage] as the library does it
