"""Templates of pages as answers: every text escaped, nothing kept by anybody between, and no script but our own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from blocks_server.pages import messages
from blocks_server.pages.addresses import address_url, block_url, logo_url, new_url
from blocks_server.pages.assets import asset_url
from blocks_server.pages.cookies import drop_cookie
from blocks_server.pages.navigation import current_entry, entries_for
from blocks_server.pages.themes import theme_of

if TYPE_CHECKING:
    from blocks_server.pages.visits import Visit

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(visit: Visit | None, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page, or a part of one.

    Args:    visit: None where nobody is known, as on the page of the login.
    """
    response = HTMLResponse(render_text(visit, template, **values), status, HEADERS)
    if visit is not None and visit.message and not visit.is_part:
        drop_cookie(response, visit.request, messages.COOKIE)  # it is shown now
    return response


def render_text(visit: Visit | None, template: str, **values: Any) -> str:
    """Return what a template makes."""
    entries = entries_for(visit.holder) if visit else []
    current = current_entry(visit.request.url.path) if visit else ""
    theme = theme_of(visit.request) if visit else ""
    around = {"visit": visit, "entries": entries, "current": current, "theme": theme}
    return _templates().get_template(template).render(around, **values)


def piece(visit: Visit, template: str, **values: Any) -> Markup:
    """Return a piece of HTML to be put into a page."""
    return Markup(render_text(visit, template, **values))  # noqa: S704 by a template that escapes


def fragment(html: str, status: int = 200) -> HTMLResponse:
    """Return HTML that was made elsewhere as a part of a page."""
    return HTMLResponse(html, status, HEADERS)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("blocks_server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known: dict[str, Any] = environment.globals  # pyright: ignore[reportAssignmentType] it names its first ones only
    known |= {"address_url": address_url, "asset_url": asset_url, "block_url": block_url}
    known |= {"logo_url": logo_url, "new_url": new_url}
    return environment
