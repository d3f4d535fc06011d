"""The audit: its rows, whether they are as they were written, and notes of what was done elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from blocks_registry.remote_wire import MAX_PAGE, entry_json, report_json
from blocks_server import answers
from blocks_server.bodies import NoteBody
from blocks_server.calls import Called, answer, items
from blocks_server.documenting import documented

router = APIRouter(tags=["audit"])


@router.get("/audit", **documented(answers.AuditEntries))
def list_audit(
    call: Called,
    subject: Annotated[str | None, Query(description="A slug, a key id, or an address.")] = None,
    by: Annotated[str | None, Query(description="The name or the user of who acted.")] = None,
    action: Annotated[str | None, Query(description="`block.saved` and the like.")] = None,
    before: Annotated[int | None, Query(description="Only rows of a lower number.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows of the page.")] = 100,
) -> Response:
    """List rows of the audit, the newest first."""
    found = call.registry.audit(subject=subject, by=by, action=action, before=before, limit=limit)
    more = found[-1].number if len(found) == limit else None
    return items([entry_json(each) for each in found], next=more)


@router.post("/audit", **documented(None, body=NoteBody, status=204))
def note_in_audit(call: Called) -> Response:
    """Record what was done with secrets outside of the registry, such as writing them to a file."""
    body = call.read(NoteBody)
    call.registry.note(body.action, body.subject, body.detail)
    return Response(status_code=204)


@router.get("/audit/report", **documented(answers.AuditReport))
def verify_audit(
    call: Called, head: Annotated[str | None, Query(description="Of an earlier report.")] = None
) -> Response:
    """Look whether each row of the audit is as it was written, in its place, and none is missing."""
    return answer(report_json(call.registry.verify_audit(head)))
