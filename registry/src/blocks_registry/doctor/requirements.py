"""Whether what a distribution requires is installed, in a version that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from blocks_registry.doctor.findings import Finding

CORE = "blocks-core"


def findings_of(found: Distribution, origin: str) -> Iterator[Finding]:
    """Yield what is wrong with the requirements of an installed distribution.

    Args:    origin: the distribution and its version, as people write it.
    """
    texts = found.requires or []
    named: set[str] = set()
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            yield Finding(
                origin,
                "",
                f"its requirement {text!r} cannot be read ({error})",
                "Tell its author to mend it.",
            )
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            named.add(canonicalize_name(requirement.name))
            yield from _unmet(requirement, origin)
    if CORE not in named and canonicalize_name(found.name) != CORE:
        yield Finding(
            origin,
            "",
            f"it does not say that it requires {CORE}, so nobody knows which version it was written for",
            f"Let its author add '{CORE}>={_installed(CORE)}' to its dependencies.",
            wrong=False,
        )


def how_to_install(found: Distribution | None, package: str) -> str:
    """Return the command that brings a package which a distribution's code imports.

    An extra of the distribution that has a package of that name is named; else the package.
    """
    wanted = canonicalize_name(package)
    for text in (found.requires or []) if found else []:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != wanted or found is None:
            continue
        for extra in found.metadata.get_all("Provides-Extra") or []:
            marker = requirement.marker
            if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
                return f"pip install '{found.name}[{extra}]'"
        return f"pip install '{requirement.name}{requirement.specifier}'"
    return f"pip install {package}"


def _unmet(requirement: Requirement, origin: str) -> Iterator[Finding]:
    wanted = f"{requirement.name}{requirement.specifier}"
    version = _installed(requirement.name)
    if not version:
        yield Finding(
            origin,
            "",
            f"it requires {wanted}, which is not installed",
            f"Install it: pip install '{wanted}'.",
        )
    elif not requirement.specifier.contains(version, prereleases=True):
        yield Finding(
            origin,
            "",
            f"it requires {wanted}, and {requirement.name} {version} is installed",
            f"Install one that fits: pip install '{wanted}', or another version of the plugin.",
        )


def _installed(name: str) -> str:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return ""
