"""Customizations of a Job's manifest by JSON Patch, within what a handle relies on.

Source:  RFC 6902 (JSON Patch), RFC 6901 (pointers).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

from blocks_core.errors import JobRefused
from blocks_kubernetes.manifest import LABEL, Manifest

_NEEDS = {
    "add": {"value"},
    "replace": {"value"},
    "test": {"value"},
    "move": {"from"},
    "copy": {"from"},
}
"""Members that an operation must have, beside op and path."""
_FIXED: Mapping[str, tuple[str, ...]] = {
    "/apiVersion": ("apiVersion",),
    "/kind": ("kind",),
    "/metadata/name": ("metadata", "name"),
    "/metadata/namespace": ("metadata", "namespace"),
    "/metadata/labels/blocks~1job": ("metadata", "labels", LABEL),
    "/spec/backoffLimit": ("spec", "backoffLimit"),
    "/spec/completions": ("spec", "completions"),
    "/spec/parallelism": ("spec", "parallelism"),
    "/spec/template/metadata/labels/blocks~1job": ("spec", "template", "metadata", "labels", LABEL),
    "/spec/template/spec/restartPolicy": ("spec", "template", "spec", "restartPolicy"),
}
"""Pointers to what no customization may change: a job is one pod that runs once, and found again by its name."""


def problem_of_patch(operations: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with a JSON Patch, whatever it is for, or None; no value is repeated."""
    from jsonpatch import JsonPatch, JsonPatchException  # late, like the next: start-up time
    from jsonpointer import JsonPointerException

    for number, operation in enumerate(operations):
        try:
            JsonPatch([dict(operation)])
            if not _NEEDS.get(str(operation["op"]), set()) <= operation.keys():
                raise TypeError
        except (JsonPatchException, JsonPointerException, TypeError, AttributeError):
            return (
                f"Customization {number} is no operation of JSON Patch. Write such as "
                f'{{"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {{…}}}}; op is add, remove, '
                f"replace, move, copy or test, and a path begins with '/'."
            )
    return None


def customized(manifest: Manifest, operations: Sequence[Mapping[str, Any]]) -> Manifest:
    """Return a manifest with customizations applied.

    Raises:  JobRefused: one does not fit the manifest, or changes what may not be changed.
    """
    from jsonpatch import JsonPatch, JsonPatchException  # late, like the next: start-up time
    from jsonpointer import JsonPointerException

    changed = copy.deepcopy(manifest)
    for number, operation in enumerate(operations):
        try:
            changed = JsonPatch([dict(operation)]).apply(changed)
        except (JsonPatchException, JsonPointerException, TypeError, AttributeError) as error:
            raise JobRefused(
                f"Customization {number} ({operation.get('op')} {operation.get('path')}) does not fit the Job "
                f"({type(error).__name__}). Leave it out, and look at what manifest(job) returns."
            ) from error
    for pointer, place in _FIXED.items():
        if _at(changed, place) != _at(manifest, place):
            raise JobRefused(
                f"A customization changes {pointer}, on which waiting, cancelling and finding the job again rely. "
                f"Leave it as it is."
            )
    if not _at(changed, ("spec", "template", "spec", "containers")):
        raise JobRefused("A customization takes the Job's containers away. Leave one.")
    return changed


def _at(manifest: object, place: Sequence[str]) -> object:
    for name in place:
        if not isinstance(manifest, dict):
            return None
        manifest = cast("Manifest", manifest).get(name)
    return manifest
