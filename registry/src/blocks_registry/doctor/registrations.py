"""Whether the registry knows the types as they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from blocks_core.discovery import Offer
from blocks_core.errors import BlocksError, SchemaConflict, SchemaTooNew
from blocks_core.registry import decide_registration
from blocks_core.schema import BlockType
from blocks_registry.doctor.findings import Finding


def registered_types() -> dict[str, BlockType]:
    """Return the types of the registry that the settings name; none where there is no database yet.

    Raises:  BlocksError: it cannot be read.
    """
    from blocks_registry.opening import open_registry  # late: only where types are compared
    from blocks_registry.settings import Settings

    settings = Settings.from_environment()
    if not settings.is_postgresql and not settings.database_file.is_file():
        return {}  # a look at plugins makes no database
    with closing(open_registry(settings)) as registry:
        return {known.slug: known for known in registry.types()}


def findings_of(offer: Offer, installed: BlockType, registered: BlockType) -> Iterator[Finding]:
    """Yield how what the registry knows of a type differs from what is installed."""
    try:
        decide_registration([registered], installed)
    except (SchemaConflict, SchemaTooNew) as error:
        what, _, remedy = str(error).partition(". ")
        yield Finding(offer.origin, offer.name, what, remedy or "Raise the version of the type.")
        return
    except BlocksError as error:
        yield Finding(offer.origin, offer.name, str(error).rstrip("."), "Register it again.")
        return
    ours = (installed.version, installed.structure_hash, installed.distribution_version)
    theirs = (registered.version, registered.structure_hash, registered.distribution_version)
    if ours != theirs:
        yield Finding(
            offer.origin,
            offer.name,
            f"the registry knows it as of {registered.distribution} {registered.distribution_version}, version "
            f"{registered.version}: other programs, and forms, go by that",
            f'Register it again: "block register -m {offer.package}".',
            wrong=False,
        )
