"""Looks at the installed plugins one after the other; each part of it knows one kind of fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from blocks_core.diagnosis import find_fault
from blocks_core.discovery import GROUPS, Offer, read_offers
from blocks_core.errors import BlocksError, NameInvalid, did_you_mean
from blocks_core.names import check_slug, suggest
from blocks_core.schema import BlockType
from blocks_registry.doctor import imports, registrations, requirements, shipped
from blocks_registry.doctor.findings import Finding
from blocks_registry.errors import ModuleInvalid

TYPES = "blocks.types"


@dataclass(frozen=True)
class Examination:
    """What was looked at, and what was found."""

    distributions: tuple[str, ...]
    types: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong; advice may remain."""
        return not any(finding.wrong for finding in self.findings)


def examine(name: str | None = None) -> Examination:
    """Look at one installed distribution, or at all that offer something.

    Raises:  ModuleInvalid: no such distribution offers anything.
    """
    offers = [offer for group in GROUPS for offer in read_offers(group)]
    garbled = {found.name: found for found in _unreadable()}
    names = sorted({offer.distribution for offer in offers} | garbled.keys())
    if name is not None:
        wanted = name.lower().replace("_", "-")
        if wanted not in {known.lower() for known in names}:
            raise ModuleInvalid(
                f"No installed distribution '{name}' offers block types, commands or keys"
                f'{did_you_mean(suggest(wanted, names))}. Install it, or look at all with "block plugin doctor".'
            )
        names = [known for known in names if known.lower() == wanted]
    chosen = [offer for offer in offers if offer.distribution in names]
    findings = [
        *(_garbled(garbled[known]) for known in names if known in garbled),
        *_findings(chosen, offers),
    ]
    ordered = sorted(dict.fromkeys(findings), key=lambda found: (found.distribution, not found.wrong))
    types = sum(offer.group == TYPES for offer in chosen)
    return Examination(tuple(names), types, tuple(ordered))


def _findings(chosen: list[Offer], everybodys: list[Offer]) -> Iterator[Finding]:
    seen = {offer: list(_seen_without_importing(offer, everybodys)) for offer in chosen}
    trials = imports.try_imports([offer for offer, problems in seen.items() if not problems])
    types = {offer: known for trial in trials for offer, known in trial.types.items()}
    for problems in seen.values():
        yield from problems
    for trial in trials:
        yield from imports.findings_of(trial)
    for origin in sorted({offer.origin for offer in chosen}):
        mine = [offer for offer in chosen if offer.origin == origin]
        found = _distribution(mine[0].distribution)
        if found is not None:
            yield from requirements.findings_of(found, origin)
        yield from _manifests(origin, [offer for offer in mine if offer.group == TYPES], types)
    for offer, known in types.items():
        yield from shipped.findings_of_type(offer, known)
    yield from _registered(types)


def _manifests(origin: str, offers: list[Offer], types: dict[Offer, BlockType]) -> Iterator[Finding]:
    for package in sorted({offer.package for offer in offers}):
        inside = [offer for offer in offers if offer.package == package]
        known = {offer.name: types[offer] for offer in inside if offer in types}
        yield from shipped.findings_of_manifest(origin, inside, known)


def _seen_without_importing(offer: Offer, everybodys: list[Offer]) -> Iterator[Finding]:
    if offer.group == TYPES:
        try:
            check_slug(offer.name)
        except NameInvalid as error:
            what, _, how = str(error).partition(": ")
            yield Finding(offer.origin, offer.name, what, f"Let its author {how}")
    claims = Counter((other.group, other.name) for other in everybodys)
    if claims[offer.group, offer.name] > 1:
        others = [
            other.origin
            for other in everybodys
            if (other.group, other.name) == (offer.group, offer.name) and other.origin != offer.origin
        ]
        what = "slug" if offer.group == TYPES else "name"
        by = f"{' and '.join(others)}, too" if others else "it twice"
        yield Finding(
            offer.origin,
            offer.name,
            f"the {what} '{offer.name}' is claimed by {by}, so it is given to none",
            "Uninstall all but one of them.",
        )
    fault = find_fault(offer)
    if fault and fault.missing_package:
        how = requirements.how_to_install(_distribution(offer.distribution), fault.missing_package)
        yield Finding(offer.origin, offer.name, fault.problem, f"Install it: {how}.")
    elif fault:
        yield Finding(
            offer.origin, offer.name, fault.problem, f"Upgrade, reinstall or remove {offer.distribution}."
        )


def _registered(types: dict[Offer, BlockType]) -> Iterator[Finding]:
    if not types:
        return
    try:
        known = registrations.registered_types()
    except BlocksError as error:
        what, _, remedy = str(error).partition(". ")
        yield Finding("registry", "", what, remedy or "Mend that first.", wrong=False)
        return
    for offer, installed in types.items():
        if offer.name in known:
            yield from registrations.findings_of(offer, installed, known[offer.name])


def _unreadable() -> Iterator[Distribution]:
    """Yield the distributions whose file of entry points is malformed: nobody sees what they offer."""
    from configparser import ConfigParser, Error  # late, like the next: reading them all takes a while
    from importlib.metadata import distributions

    for found in distributions():
        text = found.read_text("entry_points.txt") or ""
        if "blocks." in text:
            try:
                ConfigParser(delimiters=("=",), strict=False, interpolation=None).read_string(text)
            except Error:
                yield found


def _garbled(found: Distribution) -> Finding:
    return Finding(
        f"{found.name} {found.version}",
        "",
        "its entry_points.txt cannot be read, so nothing that it offers is seen",
        f"Reinstall or remove {found.name}.",
    )


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
