"""Every page with every role; what each may do is one table, in which a new page must be written down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from block_pages import CANARY, Login, Stage, staged
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr

from blocks_registry.access import Role

EVERYBODY, EDITORS, CHECKERS, ADMINS = (
    "viewer editor runner admin",
    "editor admin",
    "editor runner admin",
    "admin",
)
BLOCK = "/blocks/{slug}/{name}"
TABLE = {
    "GET /": EVERYBODY,
    "POST /theme": EVERYBODY,
    "GET /plugins": EVERYBODY,
    "GET /keys": ADMINS,
    "GET /tokens": ADMINS,
    "POST /tokens": ADMINS,
    "POST /tokens/revoke": ADMINS,
    "GET /audit": ADMINS,
    "GET /audit/report": ADMINS,
    "GET /blocks": EVERYBODY,
    "GET /catalog": EVERYBODY,
    "GET /logos/{slug}": EVERYBODY,
    "GET /catalog/{slug}": EDITORS,
    "GET /catalog/{slug}/name": EVERYBODY,
    "POST /catalog/{slug}": EDITORS,
    "POST /catalog/{slug}/form": EDITORS,
    f"GET {BLOCK}": EVERYBODY,
    f"GET {BLOCK}/edit": EDITORS,
    f"POST {BLOCK}/edit": EDITORS,
    f"POST {BLOCK}/form": EDITORS,
    f"GET {BLOCK}/versions": EVERYBODY,
    f"GET {BLOCK}/diff": EVERYBODY,
    f"POST {BLOCK}/restore": EDITORS,
    f"POST {BLOCK}/check": CHECKERS,
    f"GET {BLOCK}/rename": EDITORS,
    f"POST {BLOCK}/rename": EDITORS,
    f"GET {BLOCK}/delete": EDITORS,
    f"POST {BLOCK}/delete": EDITORS,
    f"GET {BLOCK}/upgrade": EDITORS,
    f"POST {BLOCK}/upgrade": EDITORS,
}
OPEN = {"GET /login", "POST /login", "POST /logout", "GET /static/{name}"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


def test_every_page_is_in_the_table_and_nothing_else_is(stage):
    found = set()
    for context in iter_route_contexts(stage.app.routes):
        route = context.original_route
        if route.endpoint.__module__.startswith("blocks_server.pages"):
            found |= {f"{method} {context.path}" for method in route.methods - {"HEAD"}}
    assert found == set(TABLE) | OPEN


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("key", TABLE)
def test_a_role_sees_and_does_what_it_is_for_and_nothing_else(stage, key, role):
    Login(user="ann", password=SecretStr(CANARY)).save("it", overwrite=True)
    Login(user="bob", password=SecretStr(CANARY)).save("it", overwrite=True)
    browser = stage.browser(role)
    method, path = key.split(" ")
    address = path.replace("{slug}", "page-login").replace("{name}", "it")
    query = "?old=1&new=2" if path.endswith("/diff") else ""
    csrf = browser.csrf()
    before = stage.registry.audit(limit=1)[0].number
    page = browser.get(address + query) if method == "GET" else browser.post(address, [("csrf", csrf)])
    if role.value in TABLE[key].split():
        assert page.status not in (403, 401), page.text
        assert page.status < 500, page.text
    else:
        assert page.status == 403, page.text
        assert stage.registry.audit(limit=1)[0].number == before
    assert CANARY not in page.html
    assert CANARY not in str(page.headers)


@pytest.mark.parametrize("key", [key for key in TABLE if BLOCK in key])
def test_a_block_beyond_the_list_is_not_there(stage, key):
    Login(user="ann", password=SecretStr(CANARY)).save("theirs", overwrite=True)
    browser = stage.browser(Role.EDITOR, "page-login/mine-*")
    method, path = key.split(" ")
    csrf = browser.csrf()
    told = []
    for name in ("theirs", "nobody"):
        address = path.replace("{slug}", "page-login").replace("{name}", name)
        query = "?old=1&new=1" if path.endswith("/diff") else ""
        page = browser.get(address + query) if method == "GET" else browser.post(address, [("csrf", csrf)])
        told.append((page.status, page.text.replace(name, "NAME")))
    assert told[0] == told[1]
    assert told[0][0] == 404
