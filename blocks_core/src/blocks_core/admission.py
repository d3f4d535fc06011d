"""The gate that every document passes on its way into a registry: limits, labels, and the schema of its type."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Protocol, cast
from uuid import UUID

from blocks_core.document import Draft, Encoded
from blocks_core.errors import BlockInvalid, ValueNotStorable
from blocks_core.names import check_labels, check_name, join_address

if TYPE_CHECKING:
    from blocks_core.schema import BlockType
    from blocks_core.validation import Held, Validator

_MAX_ACTION = 200


class Known(Protocol):
    """What a registry knows in the transaction that a document is to be kept in."""

    def stamp(self, slug: str, version: int) -> str:
        """Return what changes whenever the stored description of a type's version does.

        Raises:  BlockTypeNotFound.
        """
        ...

    def described(self, slug: str, version: int) -> BlockType:
        """Return the stored description of a type's version.

        Raises:  BlockTypeNotFound.
        """
        ...

    def held(self, document_id: UUID) -> Held | None:
        """Return what is known of a saved block, or None where there is none of that id."""
        ...


class Admission:
    """Admits documents; keeps the validators of the types that it met."""

    def __init__(self) -> None:
        self._validators: dict[tuple[str, int], tuple[str, Validator, Held]] = {}
        self._lock = Lock()

    def admit(self, draft: Draft) -> None:
        """Refuse a draft that no registry takes, whatever it knows.

        Raises:  NameInvalid, LimitExceeded, ValueNotStorable; BlockInvalid: it is no stored form of a block.
        """
        from blocks_core.limits import (  # late, like the next: loading needs neither
            refuse_too_deep,
            refuse_too_large,
        )
        from blocks_core.well_formed import refuse_malformed

        check_name(draft.name)
        if draft.labels is not None:
            check_labels(draft.labels)
        action = cast("object", draft.action)
        if not isinstance(action, str) or len(action) > _MAX_ACTION or not action.isprintable():
            raise ValueNotStorable(
                f"Block '{join_address(draft.slug, draft.name)}' was not saved: its action, which the history shows, "
                f"must be a line of up to {_MAX_ACTION} printable characters."
            )
        refuse_too_deep(draft)
        refuse_malformed(draft.content, f"Block '{join_address(draft.slug, draft.name)}'")
        refuse_too_large(draft)

    def refuse_unfit(self, slug: str, name: str, type_version: int, content: Encoded, known: Known) -> None:
        """Refuse content that does not fit the stored schema of its type, blocks stored inside it included.

        Raises:  BlockInvalid: with one problem for each field. BlockTypeNotFound: a type is not registered.
        """
        validator, _ = self._validator(slug, type_version, known)
        problems = validator.problems(content, known.held, self._finder(known))
        if problems:
            raise BlockInvalid(f"Block '{join_address(slug, name)}'", problems)

    def _finder(self, known: Known) -> Callable[[str, int], tuple[Validator, Held]]:
        return lambda slug, version: self._validator(slug, version, known)

    def _validator(self, slug: str, version: int, known: Known) -> tuple[Validator, Held]:
        stamp = known.stamp(slug, version)
        with self._lock:
            found = self._validators.get((slug, version))
        if found is not None and found[0] == stamp:
            return found[1], found[2]
        from blocks_core.validation import Held, Validator  # late: loading validates nothing

        described = known.described(slug, version)
        made = Validator(described.schema), Held(slug, described.capabilities)
        with self._lock:
            self._validators[slug, version] = (stamp, *made)
        return made
