"""The chain of upgrades: brings what an older version of a type stored to the form of the installed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from blocks_core.block import Block, TypeInfo
from blocks_core.decoding import decode
from blocks_core.document import Document, Encoded, dotted
from blocks_core.encoding import Walk, fields_of
from blocks_core.errors import (
    BlockInvalid,
    DocumentDamaged,
    FieldProblem,
    SchemaTooNew,
    UpgradeFailed,
    UpgradeMissing,
)
from blocks_core.placeholders import MarkedDict, NotPlain, PlainForm
from blocks_core.trail import UNKNOWN, Step, Steps, explained, lost, steps_around, whence

TypeOf = Callable[[str], type[Block]]
"""Slug -> the installed type."""


@dataclass(frozen=True)
class Upgraded:
    """Content that was brought up to date, and how."""

    document: Document
    """As it is stored."""
    content: Encoded
    origins: Mapping[str, str]
    """Pointer of each secret and reference in the content -> where it is stored."""
    steps: Mapping[str, Steps]
    """Pointer of each block that was upgraded, empty for the whole -> the steps, in order."""

    def refusal(self, error: BlockInvalid, pointer: str) -> BlockInvalid:
        """Return why the block at a place was refused, saying which upgrade left a field over."""
        steps = self.steps.get(pointer)
        return explained(error, steps) if steps else error

    def fault(self, error: DocumentDamaged) -> DocumentDamaged | UpgradeFailed:
        """Return whose fault it is that the content cannot be read: of what is stored, or of an upgrade."""
        try:
            decode(self.document.content, _no_block, address=error.address)
        except DocumentDamaged as damaged:
            return damaged
        steps = "; ".join(str(step) for chain in self.steps.values() for step in chain)
        return UpgradeFailed(
            f"Block '{error.address}' was not upgraded: {error.problem}, after {steps}. {_REMEDY.format('it')}."
        )

    def refuse_leftovers(self, block: Block) -> None:
        """Make sure that every field of the content came into the block that was made of it.

        A type that forbids extra fields says so itself; a nested model that ignores them would drop them unseen.

        Raises:  BlockInvalid: with one problem for each field that is not in the block.
        """
        problems = [
            FieldProblem(dotted(pointer), f"{UNKNOWN}; {whence(steps, pointer.removeprefix(start))}")
            for pointer in lost(self.content, Walk("it").encode(fields_of(block)))
            for start, steps in [steps_around(self.steps, pointer)]
            if steps
        ]
        if problems:
            raise BlockInvalid(f"Block '{self.document.address}', upgraded,", problems)


def bring_up_to_date(document: Document, block_type: type[Block], type_of: TypeOf) -> Upgraded:
    """Return a document's content in the form of the installed version.

    Blocks stored inside are brought to their own installed versions first, the innermost before.

    Raises:  UpgradeMissing, UpgradeFailed, SchemaTooNew, DocumentDamaged; what `type_of` raises.
    """
    try:
        return _Chain(document, type_of).run(block_type)
    except NotPlain as error:
        place = dotted(error.pointer) or "its content"
        raise DocumentDamaged(document.address, f"{place} {error.problem}") from error


def missing_steps(
    version: int, installed: int, upgrades: Mapping[int, object] | tuple[int, ...]
) -> list[int]:
    """Return the versions from which no upgrade leads on, on the way from one version to the installed one.

    >>> missing_steps(1, 4, (1, 3))
    [2]
    """
    return [start for start in range(version, installed) if start not in upgrades]


def _no_block(pointer: str, mark: str, members: Any) -> None:
    """Make nothing of a block: what is in it was decoded before."""


def _named(error: BaseException) -> str:
    """Return an error's type and text; that of an error made of a placeholder cannot be had."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as refused:  # noqa: BLE001 the code of an upgrade's error may raise anything
        return f"{kind}, whose text cannot be read ({type(refused).__name__})"
    if len(text) > _MAX_SHOWN:
        text = f"{text[:_MAX_SHOWN]}…"
    return f"{kind}: {text}" if text else kind


_MAX_SHOWN = 2000
_REMEDY = "Nothing was changed. Upgrade the plugin that provides {}, or tell its author what you read here"


class _Chain:
    """One run over one document."""

    def __init__(self, document: Document, type_of: TypeOf) -> None:
        self._document = document
        self._type_of = type_of
        self._form = PlainForm(document.content, self._bring_inline)

    def run(self, block_type: type[Block]) -> Upgraded:
        data = self._form.open()
        if not isinstance(data, dict):
            raise NotPlain("", "is no object of fields")
        version, info = self._document.type_version, block_type.type_info
        fields, steps = self._bring(cast("dict[str, Any]", data), version, info, "")
        restored = self._form.restore(fields)
        notes = cast("Mapping[str, Steps]", restored.notes)
        return Upgraded(self._document, restored.content, restored.origins, {**notes, "": steps})

    def _bring_inline(self, rest: str, fields: MarkedDict, pointer: str) -> MarkedDict:
        slug, _, version = rest.rpartition("@")
        if not version.isdecimal():
            raise NotPlain(pointer, f"has the mark 'inline:{rest}'")
        info = self._type_of(slug).type_info
        upgraded, steps = self._bring(fields, int(version), info, pointer)
        found = MarkedDict(upgraded)
        found.mark, found.note = f"inline:{slug}@{info.version}", steps or None
        return found

    def _bring(
        self, fields: dict[str, Any], version: int, info: TypeInfo, pointer: str
    ) -> tuple[dict[str, Any], Steps]:
        self._refuse_unreachable(version, info, pointer)
        steps: list[Step] = []
        for start in range(version, info.version):
            steps.append(self._step(fields, start, info, pointer))
            fields = cast("dict[str, Any]", steps[-1].after)
        return fields, tuple(steps)

    def _step(self, fields: dict[str, Any], start: int, info: TypeInfo, pointer: str) -> Step:
        function = info.upgrades[start]
        name = getattr(function, "__name__", "a function")
        what = (
            f"{self._what(pointer)} was not upgraded: the upgrade of '{info.slug}' from version {start} to "
            f"{start + 1} ({name})"
        )
        remedy = _REMEDY.format(f"'{info.slug}'")
        given = self._form.checked(fields)
        try:
            result = cast("object", function(given))
        except (Exception, SystemExit) as error:  # one that ends the process would end all others of a batch
            raise UpgradeFailed(f"{what} raised {_named(error)}. {remedy}.") from error
        if not isinstance(result, dict):
            kind = "None" if result is None else f"a {type(result).__name__}"
            raise UpgradeFailed(f"{what} returned {kind}, not a dict of fields. {remedy}.")
        try:
            after = self._form.checked(cast("object", result))
        except NotPlain as error:
            place = f"'{dotted(error.pointer)}' of what it returned" if error.pointer else "what it returned"
            raise UpgradeFailed(f"{what} cannot be stored: {place} {error.problem}. {remedy}.") from error
        return Step(info.slug or "", start, name, fields, after)

    def _refuse_unreachable(self, version: int, info: TypeInfo, pointer: str) -> None:
        what = f"{self._what(pointer)} was stored by version {version} of its type"
        if version > info.version:
            raise SchemaTooNew(
                f"{what}, and version {info.version} is installed here. Upgrade the plugin that provides "
                f"'{info.slug}'."
            )
        missing = missing_steps(version, info.version, tuple(info.upgrades))
        if missing:
            listed = " and ".join(f"from version {start} to {start + 1}" for start in missing)
            raise UpgradeMissing(
                f"{what}, version {info.version} is installed here, and there is no upgrade {listed}. Install a "
                f"release of the plugin that provides '{info.slug}' which has it (its author adds "
                f"@upgrades(from_version={missing[0]})), or load the block with the release that stored it and save "
                f"it anew."
            )

    def _what(self, pointer: str) -> str:
        field = f", field '{dotted(pointer)}'," if pointer else ""
        return f"Block '{self._document.address}'{field}"
