"""How well a block type is tested: what the kit's suites saw of it, and the tier that follows from that.

A package ships `blocks-quality.json` beside its manifest: for each type, which criteria (the tests of a suite) were
fulfilled. `pytest --blocks-quality` writes it (`blocks_core.testing.quality_report`). It holds no tier: whoever reads
it works the tier out by these rules.

| tier | asks for |
|---|---|
| bronze | `BlockSuite`: every criterion passed |
| silver | and the suite of each capability: every criterion passed, somewhere |
| gold | and `DocsSuite`, with nothing skipped in any suite |

Results count for one structure of the type and one version of its distribution. Each entry has a digest, which finds
what was edited by hand or merged badly. It proves nothing about who wrote it: who means to deceive works it out anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, cast

from blocks_core.discovery import Offer
from blocks_core.manifest import manifest_file
from blocks_core.schema import BlockType

FILE_NAME = "blocks-quality.json"
_FORMAT = 1

Tier = Literal["none", "bronze", "silver", "gold"]

Suites = Mapping[str, Mapping[str, str]]
"""Suite -> criterion -> outcome: `passed`; `inapplicable`, as the kit itself found; `partly`, where some test classes
skipped it; `skipped`; `failed`; `replaced` by a test that is not the kit's; `missing`, where it was not run."""

SUITES_OF_CAPABILITIES: Mapping[str, str] = {
    "credentials": "CredentialsSuite",
    "infrastructure": "InfrastructureSuite",
    "notifier": "NotifierSuite",
    "readable-storage": "ReadableStorageSuite",
    "secret-source": "SecretSourceSuite",
    "storage": "StorageSuite",
}

_COVERED_BY = {"readable-storage": "storage"}
"""A capability that another one includes: the suite of that tries both."""

_FULFILLED = frozenset({"passed", "inapplicable"})
_FULFILLED_SOMEWHERE = _FULFILLED | {"partly"}


@dataclass(frozen=True)
class TypeResults:
    """What the suites saw of one block type."""

    slug: str
    version: int
    structure_hash: str
    distribution: str
    distribution_version: str
    kit: str
    """Version of blocks-core, whose suites these were."""
    suites: Suites

    @property
    def digest(self) -> str:
        """Return a digest of all the fields."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of a file."""
        return asdict(self) | {"digest": self.digest}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Return what `to_json` gave.

        Raises:  ValueError: the digest is not that of the entry. KeyError, TypeError: it is no entry.
        """
        found = cls(**{name: entry[name] for name in cls.__dataclass_fields__})
        if found.digest != entry["digest"]:
            raise ValueError(f"the results of '{found.slug}' are not as the kit wrote them")
        return found

    def is_of(self, block_type: BlockType) -> bool:
        """Tell whether these are results of a type as it is now."""
        return (self.slug, self.version, self.structure_hash, self.distribution_version) == (
            block_type.slug,
            block_type.version,
            block_type.structure_hash,
            block_type.distribution_version,
        )


@dataclass(frozen=True)
class Quality:
    """A tier, and what the next one lacks."""

    tier: Tier
    lacks: tuple[str, ...] = ()
    """A clause for each; empty at the highest tier."""


def quality_of(offer: Offer, block_type: BlockType) -> Quality:
    """Return the tier of an installed type, from the file that its package ships; nothing is imported."""
    file = quality_file(offer.package)
    if file is None or not file.is_file():
        return Quality("none", (f"{offer.distribution} ships no {FILE_NAME}",))
    try:
        found = next((entry for entry in read_entries(file) if entry.get("slug") == block_type.slug), None)
        results = TypeResults.from_json(found) if found else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Quality("none", (f"{FILE_NAME} cannot be used: {error}",))
    if results is None:
        return Quality("none", (f"{FILE_NAME} has no results of it",))
    if not results.is_of(block_type):
        return Quality("none", (f"the results in {FILE_NAME} are of another schema or version",))
    return judge(results.suites, block_type.capabilities)


def judge(suites: Suites, capabilities: Iterable[str]) -> Quality:
    """Return the tier that results make.

    >>> judge({"BlockSuite": {"test_it_is_pickled": "passed"}}, ["notifier"])
    Quality(tier='bronze', lacks=('NotifierSuite was not run',))
    """
    asked = _suites_of(frozenset(capabilities))
    steps: tuple[tuple[Tier, list[str]], ...] = (
        ("bronze", list(_lacking(suites, ["BlockSuite"], _FULFILLED))),
        ("silver", list(_lacking(suites, asked, _FULFILLED_SOMEWHERE))),
        ("gold", list(_lacking(suites, ["BlockSuite", *asked, "DocsSuite"], _FULFILLED))),
    )
    reached: Tier = "none"
    for tier, lacks in steps:
        if lacks:
            return Quality(reached, tuple(lacks))
        reached = tier
    return Quality(reached)


def quality_file(package: str) -> Path | None:
    """Return where a package's results are or would be, without importing the package."""
    manifest = manifest_file(package)
    return manifest.with_name(FILE_NAME) if manifest else None


def read_entries(file: Path) -> list[dict[str, Any]]:
    """Return the entries of a file as they are; none where there is no file.

    Raises:  ValueError: it has not the form of one.
    """
    if not file.is_file():
        return []
    content: Any = json.loads(file.read_text("utf-8"))
    entries = cast("dict[str, Any]", content).get("types") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it has no list of types")  # noqa: TRY004 what is wrong is the file, not an argument
    return [entry for entry in cast("list[Any]", entries) if isinstance(entry, dict)]


def file_text(results: Iterable[TypeResults]) -> str:
    """Return the text of a file with these results."""
    ordered = sorted(results, key=lambda found: (found.distribution, found.slug))
    content = {"format": _FORMAT, "types": [found.to_json() for found in ordered]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def merged(old: Iterable[Mapping[str, Any]], new: Iterable[TypeResults]) -> list[TypeResults]:
    """Return new results, with those older ones of the same types, as they are now, whose suites were not run."""
    found = {result.slug: result for result in new}
    for entry in old:
        try:
            before = TypeResults.from_json(entry)
        except (ValueError, KeyError, TypeError):
            continue  # of no use, whatever it is
        now = found.get(before.slug)
        if now is None:
            found[before.slug] = before
        elif _identity(now) == _identity(before):
            suites = {**before.suites, **now.suites}
            found[before.slug] = replace(now, suites=dict(sorted(suites.items())))
    return list(found.values())


def _suites_of(capabilities: frozenset[str]) -> list[str]:
    wanted = [name for name in sorted(capabilities) if _COVERED_BY.get(name) not in capabilities]
    return [SUITES_OF_CAPABILITIES[name] for name in wanted if name in SUITES_OF_CAPABILITIES]


def _identity(results: TypeResults) -> tuple[object, ...]:
    return tuple(value for name, value in vars(results).items() if name != "suites")


def _lacking(suites: Suites, asked: Iterable[str], fulfilled: frozenset[str]) -> Iterator[str]:
    for name in asked:
        criteria = suites.get(name, {})
        if not criteria:
            yield f"{name} was not run"
        elif not any(outcome == "passed" for outcome in criteria.values()):
            yield f"{name} passed nothing"
        else:
            yield from (
                f"{name}.{criterion} is {outcome}"
                for criterion, outcome in criteria.items()
                if outcome not in fulfilled
            )
