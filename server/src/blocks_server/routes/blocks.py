"""Blocks: listed, read, loaded with their secrets, saved, renamed, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from blocks_core.document import Document, DocumentTree, Json
from blocks_core.registry import Put, Remove, Rename
from blocks_registry.access import GuardedRegistry, Right
from blocks_registry.remote_wire import MAX_PAGE, document_json, summary_json, tree_json
from blocks_registry.searching import Wanted
from blocks_server import answers
from blocks_server.bodies import AddressesBody, DraftBody, FieldsBody, RenameBody, RevealBody, SaveBody
from blocks_server.calls import Call, Called, answer, items
from blocks_server.documenting import documented
from blocks_server.drafting import draft_of
from blocks_server.errors import RequestInvalid
from blocks_server.listing import page_of
from blocks_server.tags import Expected, expected_of, is_known, tag_of

router = APIRouter(tags=["blocks"])

_BLOCK = "/blocks/{slug}/{name}"


@router.get("/blocks", **documented(answers.Summaries))
def list_blocks(
    call: Called,
    slug: Annotated[str | None, Query(description="Of one type only.")] = None,
    capability: Annotated[str | None, Query(description="Only what has this one.")] = None,
    q: Annotated[str, Query(description="Part of the address.", max_length=200)] = "",
    label: Annotated[list[str] | None, Query(description="`key=value`; only what has all of these.")] = None,
    after: Annotated[str | None, Query(description="The `next` of the page before.", max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Lines of the page.")] = 100,
) -> Response:
    """List blocks by their addresses, a page at a time."""
    labels = {key: value for key, _, value in (each.partition("=") for each in label or [])}
    page = page_of(call.registry, Wanted(slug, capability, q, labels=labels), after, limit)
    return items([summary_json(line) for line in page.lines], next=page.after)


@router.post("/blocks", **documented(answers.Document, body=SaveBody, status=201))
def save_block(call: Called) -> Response:
    """Save a block, as a new one or, where that is asked for, as the next version of the one that has its name."""
    body = call.read(SaveBody)
    document = _save(call.registry, body, body.overwrite, Expected(body.expected_version))
    return _saved(document)


@router.put(_BLOCK, **documented(answers.Document, body=FieldsBody))
def put_block(call: Called, slug: str, name: str) -> Response:
    """Save a block under an address, whatever is there.

    `If-Match` with the tag of a version, or `If-None-Match: *` for a new block, keeps what others saved meanwhile.
    """
    body = call.read(FieldsBody)
    call.require(Right.EDIT)
    expected = expected_of(call.request.headers, call.registry, slug, name)
    draft = DraftBody(**dict(body), slug=slug, name=name)
    return _saved(_save(call.registry, draft, True, expected), status=200)


@router.get(_BLOCK, **documented(answers.Document))
def read_block(call: Called, slug: str, name: str, version: int | None = None) -> Response:
    """Return a block without its secrets."""
    document = call.registry.read(slug, name, version=version)
    if is_known(call.request.headers, document):
        return Response(status_code=304, headers={"ETag": tag_of(document)})
    return answer(document_json(document), headers={"ETag": tag_of(document)})


@router.delete(_BLOCK, **documented(None, status=204))
def delete_block(call: Called, slug: str, name: str, force: bool = False) -> Response:
    """Remove a block with all its versions; one that others hold only by force."""
    registry = call.registry
    call.require(Right.EDIT)
    expected = expected_of(call.request.headers, registry, slug, name)
    registry.change([Remove(slug, name, force, expected.version, expected.id)])
    return Response(status_code=204)


@router.get(f"{_BLOCK}/load", **documented(answers.Tree))
def load_block(call: Called, slug: str, name: str, version: int | None = None) -> Response:
    """Return a block with its secrets and all that it refers to, for a run. It is recorded first."""
    return load(call, slug, name, version)


def load(call: Call, slug: str, name: str, version: int | None = None) -> Response:
    """Return the answer of `load_block`, which is given without the framework, too."""
    return loaded(call.registry.load(slug, name, version=version))


def loaded(tree: DocumentTree) -> Response:
    """Return a loaded block as an answer."""
    return answer(tree_json(tree))


@router.post(f"{_BLOCK}/reveal", **documented(answers.Document, body=RevealBody))
def reveal_block(call: Called, slug: str, name: str) -> Response:
    """Return one block with its secrets, to be shown to a person. Each time is a row of the audit."""
    version = call.read(RevealBody).version
    return answer(document_json(call.registry.reveal(slug, name, version=version)))


@router.post(f"{_BLOCK}/rename", **documented(answers.Document, body=RenameBody))
def rename_block(call: Called, slug: str, name: str) -> Response:
    """Give a block another name; blocks that hold it still do. `If-Match` keeps what others saved meanwhile."""
    new_name = call.read(RenameBody).new_name
    call.require(Right.EDIT)
    expected = expected_of(call.request.headers, call.registry, slug, name)
    (document,) = call.registry.change([Rename(slug, name, new_name, expected.version, expected.id)])
    assert document is not None
    return _saved(document, status=200)


@router.get(f"{_BLOCK}/users", **documented(answers.Users))
def list_users(call: Called, slug: str, name: str) -> Response:
    """List the blocks that refer to one."""
    found: list[Json] = [*call.registry.users(slug, name)]
    return answer({"items": found})


@router.post("/addresses", **documented(answers.Addresses, body=AddressesBody))
def find_addresses(call: Called) -> Response:
    """Return the addresses of blocks by their ids; ids of none are left out."""
    found = call.registry.addresses(call.read(AddressesBody).ids)
    return answer({"addresses": {str(each): address for each, address in found.items()}})


def _save(registry: GuardedRegistry, body: DraftBody, overwrite: bool, expected: Expected) -> Document:
    drafted = draft_of(body, registry)
    if not overwrite:
        if drafted.kept:
            raise RequestInvalid(
                'A secret can be kept only by a save that overwrites: send "overwrite": true.'
            )
        return registry.save(drafted.draft, expected_version=expected.version)
    if drafted.kept:
        return registry.save_keeping(
            drafted.draft, drafted.kept, expected_version=expected.version, expected_id=expected.id
        )
    (document,) = registry.change([Put(drafted.draft, expected.version, expected.id)])
    assert document is not None
    return document


def _saved(document: Document, status: int = 201) -> Response:
    return answer(document_json(document), status, {"ETag": tag_of(document)})
