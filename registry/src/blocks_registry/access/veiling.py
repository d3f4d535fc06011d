"""What errors and differences say to a token that does not reach every block: nothing of those beyond its list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from blocks_core.document import Encoded, dotted
from blocks_core.errors import BlockInUse, BlockNotFound, BlocksError, DocumentDamaged, ReferenceBroken
from blocks_core.records import FieldChange
from blocks_registry.access.reach import Reach

BEYOND = "(one beyond this token's list)"
"""What stands for the address of a block that a token may not know of, whether it is saved or not."""


def veiled(error: BlocksError, reach: Reach, address: str) -> BlocksError:
    """Return an error as a token may see it; the same one where it says nothing of other blocks.

    Args:    address: of the block that was asked for, which is in reach.
    """
    if isinstance(error, BlockNotFound):
        return absent(error.address, reach, version=error.version)
    if isinstance(error, BlockInUse):
        return BlockInUse(error.address, users_in_reach(error.users, reach))
    if isinstance(error, ReferenceBroken):
        if reach.names_address(error.address):
            target = error.target if reach.names_address(error.target) else BEYOND
            return ReferenceBroken(error.address, error.field, target)
        return DocumentDamaged(address, "a block that it holds holds one that is not saved any more")
    if isinstance(error, DocumentDamaged) and not reach.names_address(error.address):
        return DocumentDamaged(address, "a block that it holds cannot be read")
    return error


def absent(address: str, reach: Reach, *, version: int | None = None) -> BlockNotFound:
    """Return the error for a block that is not there for a token: the same where it is not saved at all.

    What may have been meant is not said, as that would tell of names beyond the list.
    """
    return BlockNotFound(address, version=version, hint=f"The token is for {reach}, and sees no others.")


def users_in_reach(users: Iterable[str], reach: Reach) -> list[str]:
    """Return the addresses of a block's users; of those beyond the list only how many there are."""
    found = list(users)
    seen = [user for user in found if reach.names_address(user)]
    beyond = len(found) - len(seen)
    return [*seen, f"{beyond} beyond this token's list"] if beyond else seen


def veiled_changes(
    changes: Iterable[FieldChange],
    contents: Iterable[Encoded],
    addresses: Mapping[UUID, str],
    reach: Reach,
) -> list[FieldChange]:
    """Return changes of fields with the addresses of blocks beyond the list taken out.

    Args:    contents: what was compared. addresses: of the blocks that these refer to.
    """
    paths = {dotted(pointer) for content in contents for pointer, _ in content.references()}
    beyond = {address for address in addresses.values() if not reach.names_address(address)}
    return [
        replace(
            change,
            before=BEYOND if change.before in beyond else change.before,
            after=BEYOND if change.after in beyond else change.after,
        )
        if change.path in paths
        else change
        for change in changes
    ]
