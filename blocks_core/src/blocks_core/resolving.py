"""Resolving secret references: all of a block's when it is loaded, and what a reference to a source leads to.

A loaded block has its references still: `get_secret_value()` reads a variable or a file anew each time, and asks a
source again once its value is older than the `cache_seconds` of that source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from blocks_core.block import Block
from blocks_core.capabilities import SecretSource
from blocks_core.current import asking_source, sources_asked
from blocks_core.document import Document, Encoded, dotted
from blocks_core.encoding import Walk
from blocks_core.errors import BlockInvalid, BlocksError, FieldProblem, SecretsInCircle, SecretUnresolved
from blocks_core.masking import without_secrets
from blocks_core.names import split_address
from blocks_core.secret import SecretBytesRef, SecretRef
from blocks_core.secret_reference import SecretReference
from blocks_core.source_values import DEFAULT_CACHE_SECONDS, SOURCE_VALUES, Identity


class Sources(Protocol):
    """Where blocks and types come from: a `blocks_core.library.Library`, which stands above this module."""

    @property
    def registry(self) -> Any:
        """Return the registry that has the documents."""
        ...

    def load(self, block_type: type[SecretSource], name: str) -> SecretSource:
        """Return a saved block."""
        ...

    def type(self, slug: str) -> type[Block]:
        """Return an installed type's class."""
        ...


References = Mapping[str, SecretRef | SecretBytesRef]
"""Pointer -> the reference that stands there."""


@dataclass(frozen=True)
class ReferenceState:
    """Whether a reference leads to something in this process. The value is not here."""

    reference: str
    where: str
    """In words."""
    problem: str = ""
    """Why it leads to nothing; empty where it leads to something."""
    source_version: int | None = None
    """Of the document that has it, if it is one."""
    cache_seconds: float | None = None
    """How long its value is kept; None where it is read each time."""
    age_seconds: float | None = None
    """How long it has been kept so far."""


def with_values(content: Encoded, references: References, address: str) -> Encoded:
    """Return a block's stored form with the values of its secret references in their places.

    Args:    references: all of them, by their pointers.
    Raises:  SecretUnresolved: with each field whose reference leads to nothing.
    """
    values: dict[str, Encoded] = {}
    errors: dict[str, SecretUnresolved] = {}
    for pointer, reference in references.items():
        try:
            values[pointer] = Walk(address).encode(reference.get_secret_value())
        except SecretsInCircle:
            raise
        except SecretUnresolved as error:
            errors[pointer] = error
    if errors:
        raise unresolved_in(address, errors) from next(iter(errors.values()))
    kinds = {pointer: f"secret:{reference.kind}" for pointer, reference in references.items()}
    return Encoded(content.data, {**content.marks, **kinds}, {**content.secrets, **values})


def unresolved_in(address: str, errors: Mapping[str, SecretUnresolved]) -> SecretUnresolved:
    """Return the error that says which fields of a block kept it from being loaded.

    Args:    errors: by the pointers of the fields; an empty one is the block as a whole.
    """
    fields = " and ".join(f"'{dotted(pointer)}'" for pointer in errors if pointer)
    field = f", for its field{'s' if len(errors) > 1 else ''} {fields}" if fields else ""
    reasons = " ".join(dict.fromkeys(str(error) for error in errors.values()))
    return SecretUnresolved(f"Block '{address}' was not loaded{field}. {reasons}")


def with_origins(error: BlockInvalid, references: References) -> BlockInvalid:
    """Return the refusal of values, saying of each that a reference led to it."""
    led_to = {dotted(pointer): reference.reference for pointer, reference in references.items()}
    problems = [
        FieldProblem(found.path, f"{found.problem} (the value is that of {led_to[found.path]})")
        if found.path in led_to
        else found
        for found in error.problems
    ]
    return BlockInvalid(error.what, problems)


def read_from_source(library: Sources, reference: SecretReference) -> bytes:
    """Return what the source that a reference names has under its key, or what it had not long ago.

    Raises:  SecretUnresolved.
    """
    address, asked = reference.place, sources_asked()
    if address in asked:
        circle = " -> ".join((*asked[asked.index(address) :], address))
        raise SecretsInCircle(
            f"The secret reference {reference} cannot be resolved: reading it needs a secret that it leads to itself "
            f"({circle}). Keep one of these secrets in another place."
        )
    try:
        document: Document = library.registry.read(*split_address(address))
        kept = SOURCE_VALUES.find(_identity(document, reference))
        if kept is not None:
            return kept.value
        with asking_source(address):
            return _ask(library, document, reference)
    except SecretsInCircle:
        raise
    except BlocksError as error:
        raise reference.unresolved(f"asked for {reference.where}: {str(error).rstrip('.')}") from error


def state_of(reference: SecretRef | SecretBytesRef, library: Sources) -> ReferenceState:
    """Return whether a reference leads to something now, by reading it.

    Raises:  LibraryMissing.
    """
    problem = ""
    try:
        reference.get_secret_value()
    except SecretUnresolved as error:
        problem = str(error).removeprefix(f"The secret reference {reference.reference} cannot be resolved: ")
    parts = reference.parts
    if parts.kind != "source" or problem:
        return ReferenceState(reference.reference, parts.where, problem)
    document: Document = library.registry.read(*split_address(parts.place))
    kept = SOURCE_VALUES.find(_identity(document, parts))
    return ReferenceState(
        reference.reference,
        parts.where,
        source_version=document.version,
        cache_seconds=kept.cache_seconds if kept else 0.0,
        age_seconds=SOURCE_VALUES.age_seconds(kept) if kept else None,
    )


def _ask(library: Sources, document: Document, reference: SecretReference) -> bytes:
    source = library.load(SecretSource, reference.place)
    return SOURCE_VALUES.get(
        _identity(document, reference), _cache_seconds_of(source), lambda: _answer(source, reference)
    )


def _answer(source: SecretSource, reference: SecretReference) -> bytes:
    problem = ""
    try:
        return source.read_secret(reference.key).get_secret_value()
    except BlocksError:
        raise
    except Exception as error:
        problem = f"{type(error).__name__}: {without_secrets(source, str(error))}"
        if without_secrets(source, str(error)) == str(error):
            raise SecretUnresolved(f"the type '{source.type_info.slug}' raised {problem}") from error
    raise SecretUnresolved(f"the type '{source.type_info.slug}' raised {problem}")


def _cache_seconds_of(source: SecretSource) -> float:
    seconds: object = getattr(source, "cache_seconds", DEFAULT_CACHE_SECONDS)
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0:
        return seconds
    return DEFAULT_CACHE_SECONDS


def _identity(document: Document, reference: SecretReference) -> Identity:
    return document.id, document.version, reference.key
