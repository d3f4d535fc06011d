"""What upgrading saved blocks would change in them, and writing them back in their new form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from blocks_core.block import Block
from blocks_core.chain import Upgraded, bring_up_to_date
from blocks_core.comparing import compare
from blocks_core.document import Document, Draft, Encoded, Json, dotted
from blocks_core.errors import BlocksError, BlockTypeNotFound, VersionConflict
from blocks_core.library import Library
from blocks_core.masking import Mask, secret_texts
from blocks_core.names import join_address
from blocks_core.records import FieldChange, Summary


@dataclass(frozen=True)
class UpgradeChange:
    """What becomes of one field. Of a secret, no value is here."""

    kind: Literal["added", "dropped", "moved", "copied", "changed"]
    path: str
    """Dotted path where it is after the upgrade; of a field that is dropped, where it was."""
    source: str = ""
    """Dotted path where it was, of a field that is moved (renamed) or copied."""
    before: Json = None
    after: Json = None
    secret: bool = False


@dataclass(frozen=True)
class TypeUpgrade:
    """A block that is upgraded: the document, or one that is stored inside it."""

    path: str
    """Dotted path of the field that holds it, empty for the document."""
    slug: str
    from_version: int
    to_version: int


@dataclass(frozen=True)
class UpgradePlan:
    """What upgrading one saved block changes in it."""

    slug: str
    name: str
    version: int
    """Of the document as it is."""
    upgrades: tuple[TypeUpgrade, ...]
    changes: tuple[UpgradeChange, ...]

    @property
    def address(self) -> str:
        """Return `slug/name`."""
        return join_address(self.slug, self.name)


def find_outdated(
    library: Library, summaries: Iterable[Summary]
) -> Iterator[tuple[Summary, BlocksError | None]]:
    """Yield the documents that are stored in an older form than the installed one, or of which nobody can tell why.

    Blocks stored inside count. A document of a version newer than installed is among them, too: planning says so.
    """
    for summary in summaries:
        try:
            block_type = library.type(summary.slug)
            outdated = summary.type_version != block_type.type_info.version or library.is_outdated(
                library.registry.read(summary.slug, summary.name), block_type
            )
        except BlocksError as error:
            yield summary, error
        else:
            if outdated:
                yield summary, None


def plan_upgrade(library: Library, slug: str, name: str) -> UpgradePlan | None:
    """Return what upgrading a saved block changes, having made sure that it can be done; None where it is current.

    Raises:  BlockNotFound; UpgradeMissing, UpgradeFailed, SchemaTooNew; BlockInvalid, ValueNotStorable: what the
             upgrades made of it does not fit its type; KeyringError.
    """
    prepared = _prepare(library, slug, name)
    if prepared is None:
        return None
    changes = _changes(prepared.upgraded, prepared.draft.content, prepared.addresses)
    mask = Mask(secret_texts(prepared.block))
    upgrades = tuple(
        TypeUpgrade(dotted(pointer), steps[0].slug, steps[0].from_version, steps[-1].from_version + 1)
        for pointer, steps in sorted(prepared.upgraded.steps.items())
        if steps
    )
    document = prepared.upgraded.document
    return UpgradePlan(
        slug, name, document.version, upgrades, tuple(_masked(found, mask) for found in changes)
    )


def upgrade_block(library: Library, plan: UpgradePlan) -> Document:
    """Write a saved block back as a new version, in the form of the installed version of its type.

    Raises:  VersionConflict: it was changed since the plan was made; what `plan_upgrade` and saving raise.
    """
    prepared = _prepare(library, plan.slug, plan.name)
    if prepared is None:
        raise VersionConflict(plan.address, plan.version, plan.version + 1)
    draft = prepared.draft
    try:
        return library.registry.save(draft, overwrite=True, expected_version=plan.version)
    except BlockTypeNotFound:
        library.register_types_of(draft, type(prepared.block))
        return library.registry.save(draft, overwrite=True, expected_version=plan.version)


@dataclass(frozen=True)
class _Prepared:
    upgraded: Upgraded
    block: Block
    draft: Draft
    addresses: Mapping[str, str]


def _prepare(library: Library, slug: str, name: str) -> _Prepared | None:
    tree = library.registry.load(slug, name)
    document, block_type = tree.root, library.type(slug)
    if not library.is_outdated(document, block_type):
        return None
    upgraded = bring_up_to_date(document, block_type, library.type)
    block = library.build(tree, block_type)
    inner = "" if upgraded.steps[""] else ", blocks stored inside"
    draft = replace(
        library.draft(block, name), action=f"upgraded from version {document.type_version}{inner}"
    )
    addresses = {str(found): other.address for found, other in tree.others.items()}
    return _Prepared(upgraded, block, draft, addresses)


def _changes(upgraded: Upgraded, made: Encoded, addresses: Mapping[str, str]) -> list[UpgradeChange]:
    found = {
        (change.kind, change.path): change for change in compare(upgraded.document.content, made, addresses)
    }
    moves = [*_moved_places(upgraded.origins, found), *_moved_values(found)]
    for pointer in upgraded.steps:  # that a block stored inside is of another version, the plan says itself
        found.pop(("changed", dotted(pointer)), None)
    others = [_other(change) for change in found.values()]
    return sorted([*moves, *others], key=lambda change: (change.path, change.kind))


_Found = dict[tuple[str, str], FieldChange]


def _moved_places(origins: Mapping[str, str], found: _Found) -> Iterator[UpgradeChange]:
    """Yield the secrets and references that stand elsewhere now, which is known; take them out of what was found."""
    gone = set[str]()
    for pointer, source in origins.items():
        path, old = dotted(pointer), dotted(source)
        change = found.get(("added", path)) or found.get(("changed", path))
        if pointer == source or change is None:
            continue
        stays = origins.get(source) == source or source in gone
        gone.add(source)
        del found[change.kind, path]
        found.pop(("removed", old), None)
        yield UpgradeChange("copied" if stays else "moved", path, old, secret=change.secret)


def _moved_values(found: _Found) -> Iterator[UpgradeChange]:
    """Yield the plain values that went from one place and came to another, where only one can be meant."""
    gone, come = _by_value(found, "removed"), _by_value(found, "added")
    for value in gone.keys() & come.keys():
        if len(gone[value]) == len(come[value]) == 1:
            (before,), (after,) = gone[value], come[value]
            del found["removed", before.path], found["added", after.path]
            yield UpgradeChange("moved", after.path, before.path)


def _by_value(found: _Found, kind: str) -> dict[str, list[FieldChange]]:
    values: dict[str, list[FieldChange]] = {}
    for change in found.values():
        if change.kind == kind and not change.secret:
            value = change.before if kind == "removed" else change.after
            values.setdefault(json.dumps(value), []).append(change)
    return values


def _other(change: FieldChange) -> UpgradeChange:
    kind = "dropped" if change.kind == "removed" else change.kind
    return UpgradeChange(kind, change.path, "", change.before, change.after, change.secret)


def _masked(change: UpgradeChange, mask: Mask) -> UpgradeChange:
    """Return a change whose texts do not show what has become a secret."""
    return replace(change, before=_hidden(change.before, mask), after=_hidden(change.after, mask))


def _hidden(value: Json, mask: Mask) -> Json:
    return mask.hide(value) if isinstance(value, str) else value
