"""The audit: who did what, a page at a time, and whether the record of it is as it was written."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from blocks_core.records import AuditEntry
from blocks_server.pages.addresses import address_url, with_query
from blocks_server.pages.page_routes import PageRoute
from blocks_server.pages.rendering import render
from blocks_server.pages.visits import Visited

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROWS: Final = 100
_MAX_ROW: Final = 2**53


@router.get("/audit")
def list_audit(
    visit: Visited,
    subject: Annotated[str, Query(max_length=300)] = "",
    by: Annotated[str, Query(max_length=300)] = "",
    action: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int | None, Query(ge=1, le=_MAX_ROW)] = None,
) -> Response:
    """Show rows, the newest first."""
    wanted = {"subject": subject.strip(), "by": by.strip(), "action": action.strip()}
    asked = {key: value for key, value in wanted.items() if value}
    found = visit.registry.audit(**asked, before=before, limit=ROWS)
    after = found[-1].number if len(found) == ROWS else None

    def only(**narrower: str) -> str:
        return with_query("/audit", {**wanted, **narrower})

    return render(
        visit,
        "audit.html",
        wanted=wanted,
        is_narrowed=bool(asked),
        only=only,
        rows=[(row, subject_url(row)) for row in found],
        newest_url="" if before is None else with_query("/audit", wanted),
        next_url=with_query("/audit", {**wanted, "before": after}) if after else "",
    )


@router.get("/audit/report")
def verify_audit(visit: Visited, head: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Look at the whole chain, and compare it with the head of an earlier look where one is given."""
    report = visit.registry.verify_audit(head.strip() or None)
    return render(visit, "audit_report.html", report=report, head=head.strip())


def subject_url(row: AuditEntry) -> str:
    """Return the address of the page about what a row tells of; empty where there is none."""
    if row.action.startswith("block.") and row.action != "block.deleted" and "/" in row.subject:
        return address_url(row.subject)
    return ""
