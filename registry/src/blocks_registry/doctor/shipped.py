"""What a plugin ships beside its code: manifest, logos, descriptions, results of its tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from blocks_core.discovery import Offer
from blocks_core.errors import PluginBroken
from blocks_core.logos import problem_of_logo
from blocks_core.manifest import FILE_NAME, manifest_file, manifest_text, read_manifest
from blocks_core.quality import quality_file, quality_of
from blocks_core.schema import BlockType
from blocks_registry.doctor.findings import Finding


def findings_of_manifest(
    origin: str, offers: list[Offer], types: Mapping[str, BlockType]
) -> Iterator[Finding]:
    """Yield what is wrong with the manifest of one package.

    Args:    offers: of that package. types: what the classes that could be imported say.
    """
    package = offers[0].package
    write = f'Let its author write it: "block plugin manifest {package}".'
    file = manifest_file(package)
    if file is None or not file.is_file():
        why = f"it ships no {FILE_NAME}, so its types are not shown before they are imported"
        yield Finding(origin, "", why, write)
        return
    for offer in offers:
        try:
            if read_manifest(offer) is None:
                yield Finding(origin, offer.name, f"{FILE_NAME} does not have this type", write)
        except PluginBroken as error:
            reason = str(error.__cause__ or error)
            yield Finding(origin, "", f"{FILE_NAME} cannot be read ({reason})", write)
            return
    if len(types) == len(offers):
        found = _by_slug(file.read_text("utf-8"))
        for slug, expected in _by_slug(manifest_text(types.values())).items():
            if slug in found and found[slug] != expected:
                yield Finding(origin, slug, _drift(found[slug], expected), write)


def findings_of_type(offer: Offer, known: BlockType) -> Iterator[Finding]:
    """Yield what is wrong with what a type shows of itself."""
    if not known.logo:
        yield Finding(
            offer.origin,
            offer.name,
            "it has no logo",
            f"Let its author add logos/{offer.name}.svg to the package '{offer.package}'.",
            wrong=False,
        )
    elif problem := problem_of_logo(known.logo):
        yield Finding(
            offer.origin,
            offer.name,
            f"its logo cannot be shown: {problem}",
            "Let its author draw it as one SVG of plain shapes, with viewBox '0 0 64 64'.",
        )
    undescribed = [name for name, node in _fields(known) if not str(node.get("description", "")).strip()]
    if undescribed:
        have = "has" if len(undescribed) == 1 else "have"
        yield Finding(
            offer.origin,
            offer.name,
            f"its docs are missing: {', '.join(undescribed)} {have} no description",
            "Let its author describe each field in a sentence: Field(description=…).",
            wrong=False,
        )
    if not known.description.strip():
        yield Finding(
            offer.origin,
            offer.name,
            "its docs are missing: the class has no docstring",
            "Let its author say in a sentence what the block is for, and show an example.",
            wrong=False,
        )
    yield from _findings_of_results(offer, known)


def _findings_of_results(offer: Offer, known: BlockType) -> Iterator[Finding]:
    """Yield why results that a package ships do not count; a package that ships none is not blamed."""
    file = quality_file(offer.package)
    if file is not None and file.is_file():
        quality = quality_of(offer, known)
        unusable = [text for text in quality.lacks if file.name in text]
        for text in unusable:
            yield Finding(
                offer.origin,
                offer.name,
                f"its tier is not known: {text}",
                "Let its author run the tests again: pytest --blocks-quality.",
                wrong=False,
            )


def _fields(known: BlockType) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties: Any = known.schema.get("properties", {})
    yield from properties.items()


def _drift(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    if (
        found.get("structure_hash") != expected["structure_hash"]
        and found.get("version") == expected["version"]
    ):
        return (
            f"{FILE_NAME} has another schema than the class, at the same version {expected['version']}: forms and "
            f"validation go by the one, and code by the other"
        )
    parts = [name for name in expected if found.get(name) != expected[name]]
    return f"{FILE_NAME} is out of date: {', '.join(parts)} differ from the class"


def _by_slug(text: str) -> dict[str, Mapping[str, Any]]:
    return {entry["slug"]: entry for entry in json.loads(text)["types"]}
