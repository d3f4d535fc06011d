"""Block types and their schemas, and what the plugins offer that are installed where the server runs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.catalog import Catalog, CatalogEntry
from blocks_core.document import Json
from blocks_core.errors import FieldProblem
from blocks_core.schema import BlockType
from blocks_core.structure import structure_hash
from blocks_registry.access import Right
from blocks_registry.type_vetting import refuse_unfit_type
from blocks_server import answers
from blocks_server.bodies import TypeBody
from blocks_server.calls import Called, answer, items
from blocks_server.documenting import documented
from blocks_server.errors import RequestInvalid

router = APIRouter(tags=["types"])


@router.get("/types", **documented(answers.BlockTypes))
def list_types(call: Called) -> Response:
    """List the registered types in their newest versions."""
    return items([each.to_json() for each in call.registry.types()])


@router.post("/types", **documented(answers.Registration, body=TypeBody))
def register_type(call: Called) -> Response:
    """Note a type and its schema."""
    body = call.read(TypeBody)
    call.require(Right.REGISTER)
    block_type = BlockType.from_json(body.model_dump(by_alias=True))
    refuse_unfit_type(block_type)  # measured before it is read
    if structure_hash(block_type.schema) != block_type.structure_hash:
        problem = "is not the hash of the schema's structure"
        raise RequestInvalid(
            f"The type cannot be registered: structure_hash: {problem}. Send it as its class describes it.",
            [FieldProblem("structure_hash", problem)],
        )
    return answer({"outcome": call.registry.register(block_type).outcome})


@router.get("/types/{slug}", **documented(answers.BlockType))
def read_type(call: Called, slug: str) -> Response:
    """Return a registered type, its schema included, in its newest version."""
    return answer(call.registry.type(slug).to_json())


@router.get("/plugins", **documented(answers.Plugins))
def list_plugins(call: Called) -> Response:
    """List what the installed plugins offer, and what is wrong with them. Nothing is imported for it."""
    call.require(Right.READ)
    return items([_plugin(entry) for entry in Catalog().entries()])


def _plugin(entry: CatalogEntry) -> dict[str, Json]:
    known = entry.block_type
    return {
        "slug": entry.offer.name,
        "title": known.title if known else None,
        "capabilities": [*known.capabilities] if known else [],
        "distribution": entry.offer.distribution,
        "distribution_version": entry.offer.distribution_version,
        "target": entry.offer.target,
        "problem": entry.problem,
    }
