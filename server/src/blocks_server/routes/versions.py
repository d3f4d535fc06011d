"""The versions of a block: listed, compared, restored; and who resolved which."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from blocks_registry.access import Right
from blocks_registry.remote_wire import change_json, document_json, usage_json, version_json
from blocks_server import answers
from blocks_server.bodies import RestoreBody
from blocks_server.calls import Called, answer, items
from blocks_server.documenting import documented
from blocks_server.tags import expected_of, tag_of

router = APIRouter(tags=["versions"])

_BLOCK = "/blocks/{slug}/{name}"


@router.get(f"{_BLOCK}/versions", **documented(answers.Versions))
def list_versions(call: Called, slug: str, name: str) -> Response:
    """List the versions of a block, the newest first."""
    return items([version_json(each) for each in call.registry.history(slug, name)])


@router.get(f"{_BLOCK}/diff", **documented(answers.Changes))
def compare_versions(
    call: Called,
    slug: str,
    name: str,
    old: Annotated[int, Query(description="A version.")],
    new: Annotated[int, Query(description="Another one.")],
) -> Response:
    """Tell how two versions of a block differ; secrets are compared, and never shown."""
    return items([change_json(each) for each in call.registry.diff(slug, name, old, new)])


@router.post(f"{_BLOCK}/restore", **documented(answers.Document, body=RestoreBody))
def restore_version(call: Called, slug: str, name: str) -> Response:
    """Make an older version of a block the newest again, as a version of its own.

    `If-Match` with the tag of the newest version keeps what others saved meanwhile.
    """
    version = call.read(RestoreBody).version
    call.require(Right.EDIT)
    expected = expected_of(call.request.headers, call.registry, slug, name)
    document = call.registry.restore(
        slug, name, version, expected_version=expected.version, expected_id=expected.id
    )
    return answer(document_json(document), headers={"ETag": tag_of(document)})


@router.get(f"{_BLOCK}/usages", **documented(answers.Usages))
def list_usages(call: Called, slug: str, name: str) -> Response:
    """Tell who resolved a block, the last one first."""
    return items([usage_json(each) for each in call.registry.usages(slug, name)])
