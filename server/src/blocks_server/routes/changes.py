"""Several edits at once: all are done, or none."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from blocks_core.document import Json
from blocks_core.registry import Edit, Put, Remove, Rename
from blocks_registry.access import GuardedRegistry
from blocks_registry.remote_wire import document_json
from blocks_server import answers
from blocks_server.bodies import ChangesBody, PutEdit, RemoveEdit, RenameEdit
from blocks_server.calls import Called, answer
from blocks_server.documenting import documented
from blocks_server.drafting import draft_of
from blocks_server.errors import RequestInvalid

router = APIRouter(tags=["blocks"])


@router.post("/changes", **documented(answers.Documents, body=ChangesBody))
def change_blocks(call: Called) -> Response:
    """Do several edits, all or none of them; blocks may refer to each other in any order."""
    edits = [_edit(each, call.registry) for each in call.read(ChangesBody).edits]
    done: list[Json] = [
        None if document is None else document_json(document) for document in call.registry.change(edits)
    ]
    return answer({"documents": done})


def _edit(body: PutEdit | RenameEdit | RemoveEdit, registry: GuardedRegistry) -> Edit:
    if isinstance(body, RenameEdit):
        return Rename(body.slug, body.name, body.new_name, body.expected_version, body.expected_id)
    if isinstance(body, RemoveEdit):
        return Remove(body.slug, body.name, body.force, body.expected_version, body.expected_id)
    drafted = draft_of(body.draft, registry)
    if drafted.kept:
        raise RequestInvalid("Secrets are kept by saving one block, not by several edits at once.")
    return Put(drafted.draft, body.expected_version, body.expected_id)
