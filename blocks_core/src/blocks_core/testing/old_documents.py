"""Documents that older versions of a type stored, in a registry as those versions left them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from blocks_core.block import Block, slug_of
from blocks_core.chain import Upgraded, bring_up_to_date
from blocks_core.document import Document, Draft, Encoded
from blocks_core.library import Library
from blocks_core.schema import describe


def plant_old_document(
    library: Library,
    block_type: type[Block],
    version: int,
    content: Encoded,
    held: Mapping[str, Block] | None = None,
) -> str:
    """Save content in a library as an older version of its type did, and return the document's name.

    Args:    version: of the type. held: saved blocks that the content refers to, by the ids in its marks.
    """
    for document_id, block in (held or {}).items():
        draft = replace(library.draft(block, f"held-{document_id}"), document_id=UUID(document_id))
        library.register_types_of(draft, type(block))
        library.registry.save(draft)
    for mark in content.marks.values():
        if mark.startswith("inline:"):
            slug, _, inner = mark.removeprefix("inline:").rpartition("@")
            _register_version(library, library.type(slug), int(inner))
    slug = slug_of(block_type)
    _register_version(library, block_type, version)
    name = f"stored-by-version-{version}"
    library.registry.save(Draft(slug, name, version, _hash_of(version), content), overwrite=True)
    library.register(block_type)
    return name


def upgraded(library: Library, block_type: type[Block], version: int, content: Encoded) -> Upgraded:
    """Return content of an older version in the form of the installed one; nothing is saved."""
    name = f"stored-by-version-{version}"
    now = datetime.now(UTC)
    document = Document(uuid4(), slug_of(block_type), name, 1, version, content, now)
    return bring_up_to_date(document, block_type, library.type)


def with_canaries(content: Encoded) -> tuple[Encoded, list[str]]:
    """Return content with each of its secrets replaced by a text that stands nowhere else, and these texts."""
    numbers = count(1)
    canaries = {pointer: f"canary-{next(numbers)}-{uuid4().hex}" for pointer in content.secrets}
    secrets = {pointer: Encoded(canary) for pointer, canary in canaries.items()}
    return replace(content, secrets=secrets), list(canaries.values())


def _register_version(library: Library, block_type: type[Block], version: int) -> None:
    """Register an older version of a type; what its schema was nobody knows any more, so it takes any object."""
    if version == block_type.type_info.version:
        library.register(block_type)
        return
    schema: dict[str, Any] = {"type": "object"}
    library.registry.register(
        replace(
            describe(block_type),
            version=version,
            schema=schema,
            structure_hash=_hash_of(version),
            upgrades=(),
        )
    )


def _hash_of(version: int) -> str:
    return f"of version {version}"
