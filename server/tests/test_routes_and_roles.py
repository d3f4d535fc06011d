"""Every route, with every role, a list, and no good token; what each may do is one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from api_stage import ACCOUNT, PLANTED, described, fields, fill, save, shows_secret
from fastapi.routing import iter_route_contexts
from served import Served, serving

from blocks_registry.access import Role
from blocks_registry.remote_wire import API

EVERYBODY, EDITORS, RUNNERS, ADMINS = "viewer editor runner admin", "editor admin", "runner admin", "admin"
RESTRICTABLE = [role for role in Role if role is not Role.ADMIN]

_NUMBERS = count(1)


@dataclass(frozen=True)
class May:
    """Who may ask for a route, with what, and what a token learns whose list does not name the block."""

    roles: str
    body: Callable[[str], Any] | None = None
    """Of the name of the block."""
    query: str = ""
    beyond: int | None = None
    """The status; None where no block is named, or nothing is told of it."""
    with_list: bool = True
    """Whether a token may ask that has a list at all."""


def new_name(name: str) -> dict[str, Any]:
    return {"new_name": f"mine-as-{next(_NUMBERS)}"}


TABLE = {
    "GET /blocks": May(EVERYBODY),
    "POST /blocks": May(
        EDITORS, lambda n: {"slug": ACCOUNT, "name": n, "overwrite": True, **fields()}, beyond=403
    ),
    "GET /blocks/{slug}/{name}": May(EVERYBODY, beyond=404),
    "PUT /blocks/{slug}/{name}": May(EDITORS, lambda n: fields(), beyond=403),
    "DELETE /blocks/{slug}/{name}": May(EDITORS, beyond=404),
    "GET /blocks/{slug}/{name}/load": May(RUNNERS, beyond=404),
    "POST /blocks/{slug}/{name}/reveal": May(ADMINS, lambda n: {}),
    "POST /blocks/{slug}/{name}/rename": May(EDITORS, new_name, beyond=404),
    "POST /blocks/{slug}/{name}/check": May("editor runner admin", beyond=404),
    "GET /blocks/{slug}/{name}/users": May(EVERYBODY, beyond=404),
    "GET /blocks/{slug}/{name}/usages": May(EVERYBODY, beyond=404),
    "GET /blocks/{slug}/{name}/versions": May(EVERYBODY, beyond=404),
    "GET /blocks/{slug}/{name}/diff": May(EVERYBODY, query="?old=1&new=1", beyond=404),
    "POST /blocks/{slug}/{name}/restore": May(EDITORS, lambda n: {"version": 1}, beyond=404),
    "POST /addresses": May(EVERYBODY, lambda n: {"ids": []}),
    "POST /changes": May(
        EDITORS,
        lambda n: {"edits": [{"edit": "put", "draft": {"slug": ACCOUNT, "name": n, **fields()}}]},
        beyond=403,
    ),
    "GET /types": May(EVERYBODY),
    "POST /types": May(EDITORS, lambda n: described(), with_list=False),
    "GET /types/{slug}": May(EVERYBODY),
    "GET /plugins": May(EVERYBODY),
    "GET /audit": May(ADMINS),
    "POST /audit": May(
        RUNNERS, lambda n: {"action": "block.exported", "subject": f"{ACCOUNT}/{n}"}, beyond=403
    ),
    "GET /audit/report": May(ADMINS),
    "GET /tokens": May(ADMINS),
    "POST /tokens": May(ADMINS, lambda n: {"name": f"made-{next(_NUMBERS)}", "role": "viewer"}),
    "DELETE /tokens/{name}": May(ADMINS),
    "GET /server": May(EVERYBODY),
}
OPEN = {
    "/openapi.json",
    "/docs",
    "/docs/reference.css",
    "/problems",
    "/problems/{slug}",
    "/healthz",
    "/readyz",
    "/metrics",
}
"""Told to everybody: what the software is, and how busy."""

GIVES_SECRETS = {"GET /blocks/{slug}/{name}/load": RUNNERS, "POST /blocks/{slug}/{name}/reveal": ADMINS}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        fill(served)
        yield served


def routes_of(served: Served) -> set[tuple[str, str]]:
    """Return method and path of each route, but those of pages, whose tests are theirs."""
    found: set[tuple[str, str]] = set()
    for each in iter_route_contexts(served.app.routes):
        route: Any = each
        module = getattr(route.endpoint, "__module__", "")
        if not module.startswith("blocks_server.pages"):
            found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return found


def ask(served: Served, key: str, name: str, token: str | None) -> Any:
    """Ask for a route, for a block of a name or for what has this name among tokens."""
    method, path = key.split(" ")
    may = TABLE[key]
    filled = path.replace("{slug}", ACCOUNT).replace("{name}", name)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    body = may.body(name) if may.body else None
    return served.ask(method, f"{API}{filled}{may.query}", body, role=None, headers=headers)


def target(served: Served, key: str) -> str:
    """Return the name of something that the route can be asked for, made for this request alone."""
    if key != "DELETE /tokens/{name}":
        return save(served)
    name = f"to-be-revoked-{next(_NUMBERS)}"
    served.service.access.tokens.create(name, Role.VIEWER)
    return name


def rows(served: Served) -> int:
    return served.service.registry.audit(limit=1)[0].number


def test_every_route_is_in_the_table_and_nothing_else_is(served: Served) -> None:
    """A new route fails here until somebody has written down who may ask for it."""
    api = {f"{method} {path.removeprefix(API)}" for method, path in routes_of(served) if path.startswith(API)}
    assert api == set(TABLE)
    assert {path for _, path in routes_of(served) if not path.startswith(API)} == OPEN


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("key", TABLE)
def test_a_role_may_do_what_it_is_for_and_nothing_else(served: Served, key: str, role: Role) -> None:
    name, token = target(served, key), served.token(role)
    before = rows(served)
    answer = ask(served, key, name, token)
    text = answer.data.decode()
    if role.value in TABLE[key].roles.split():
        assert answer.status < 400, text
        assert shows_secret(text) == (role.value in GIVES_SECRETS.get(key, "").split())
    else:
        assert (answer.status, answer.json()["code"]) == (403, "AccessDenied")
        assert rows(served) == before
        assert not shows_secret(text)
    assert not shows_secret(str(answer.headers))


@pytest.mark.parametrize("role", RESTRICTABLE)
@pytest.mark.parametrize("key", TABLE)
def test_what_a_list_names_is_there_and_what_it_does_not_name_is_not(
    served: Served, key: str, role: Role
) -> None:
    may, token = TABLE[key], served.token(role, f"{ACCOUNT}/mine-*")
    is_allowed = role.value in may.roles.split() and may.with_list
    answer = ask(served, key, target(served, key), token)
    assert (answer.status < 400) == is_allowed, answer.data
    versions = len(served.service.registry.history(ACCOUNT, "theirs"))
    told = []
    for name in ("theirs", "thisis"):  # as long, and not saved
        answer = ask(served, key, name, token)
        told.append((answer.status, answer.data.decode().replace(name, "NAME")))
        if may.beyond is not None:
            assert answer.status == (may.beyond if is_allowed else 403), answer.data
    if may.beyond is not None:
        assert told[0] == told[1]
    assert "theirs" not in told[0][1]
    assert not shows_secret(told[0][1])
    assert len(served.service.registry.history(ACCOUNT, "theirs")) == versions


@pytest.mark.parametrize("key", TABLE)
def test_without_a_good_token_nothing_is_done(
    served: Served, key: str, an_hour_later: Callable[[], None]
) -> None:
    tokens = served.service.access.tokens
    text = served.token(Role.ADMIN)
    ends = datetime.now(UTC) + timedelta(hours=1)
    expired = tokens.create(f"old-{next(_NUMBERS)}", Role.ADMIN, expires_at=ends).text
    revoked = tokens.create(f"revoked-{next(_NUMBERS)}", Role.ADMIN)
    served.service.access.revoke(revoked.token.name)
    name = target(served, key)
    before = rows(served)
    an_hour_later()
    wrong = f"{text[:-1]}{'A' if text[-1] != 'A' else 'B'}"
    for token, code in (
        (None, "TokenInvalid"),
        ("", "TokenInvalid"),
        (wrong, "TokenInvalid"),
        (revoked.text, "TokenRevoked"),
        (expired, "TokenExpired"),
    ):
        answer = ask(served, key, name, token)
        assert (answer.status, answer.json()["code"]) == (401, code), token
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert PLANTED not in answer.data.decode()
    assert rows(served) == before


def test_what_is_open_tells_no_name_of_a_block_or_a_token(served: Served) -> None:
    save(served, "telling-name")
    served.token(Role.VIEWER)
    for path in sorted(OPEN):
        answer = served.ask("GET", path.replace("{slug}", "block-exists"), role=None)
        text = answer.data.decode()
        assert answer.status == 200, (path, text)
        assert "telling-name" not in text
        assert "the-viewer" not in text
        assert not shows_secret(text)


def test_a_role_of_a_token_that_was_taken_back_ends_within_a_moment(served: Served) -> None:
    """By the server that took it back at once, whatever it had kept of it."""
    made = served.service.access.tokens.create("soon-gone", Role.ADMIN)
    assert ask(served, "GET /server", "", made.text).status == 200
    admin = served.token(Role.ADMIN)
    assert (
        served.ask(
            "DELETE", f"{API}/tokens/soon-gone", role=None, headers={"Authorization": f"Bearer {admin}"}
        ).status
        == 200
    )
    assert ask(served, "GET /server", "", made.text).status == 401
