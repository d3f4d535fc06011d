"""Entity tags of blocks, and what a request expects of the version that is saved now.

Source:  RFC 9110 sections 8.8.3 (ETag) and 13.1 (If-Match, If-None-Match).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from blocks_core.document import Document
from blocks_core.errors import BlockNotFound, VersionConflict
from blocks_core.names import join_address
from blocks_registry.access import GuardedRegistry
from blocks_server.errors import RequestInvalid


@dataclass(frozen=True)
class Expected:
    """What a request expects of the block that it changes; the registry looks again as it changes it."""

    version: int | None = None
    """0 of a new block, None of any."""
    id: UUID | None = None
    """None of any; a block that was made anew under the name has another."""


def tag_of(document: Document) -> str:
    """Return the tag of a version of a block."""
    return f'"{document.id}.{document.version}"'


def expected_of(headers: Mapping[str, str], registry: GuardedRegistry, slug: str, name: str) -> Expected:
    """Return what a request expects of a block.

    Raises:  AccessDenied; VersionConflict: it is not the one that `If-Match` names. RequestInvalid: a header cannot
             be read.
    """
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise RequestInvalid("A change takes 'If-None-Match: *', for a block that must not be there yet.")
    if match is not None and none_match is not None:
        raise RequestInvalid("A change takes If-Match or If-None-Match, not both.")
    if none_match is not None:
        return Expected(0)
    if match is None:
        return Expected()
    try:
        found = registry.read(slug, name)
    except BlockNotFound:
        raise VersionConflict(join_address(slug, name), _version_in(match), 0) from None
    if match.strip() == "*":
        return Expected(id=found.id)
    if tag_of(found) in [each.strip() for each in match.split(",")]:
        return Expected(found.version, found.id)
    raise VersionConflict(found.address, _version_in(match), found.version)


def is_known(headers: Mapping[str, str], document: Document) -> bool:
    """Tell whether the client says that it has this version."""
    known = headers.get("if-none-match", "")
    return known.strip() == "*" or tag_of(document) in [
        each.strip().removeprefix("W/") for each in known.split(",")
    ]


def _version_in(match: str) -> int:
    """Return the version that a tag names, for a message; 1 where it names none."""
    text = match.strip().strip('"').rpartition(".")[2]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
