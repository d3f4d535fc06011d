"""What the tests of blocks' pages share: a registry with blocks in it, and a browser without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import FastAPI
from form_browser import FormPage
from pydantic import BaseModel, Field, SecretStr
from served import running
from starlette.testclient import TestClient

from blocks_core import Block, use_library
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import StorageFailed
from blocks_core.library import Library
from blocks_registry import Settings
from blocks_registry.access import GuardedRegistry, Holder, Reach, Role
from blocks_server import Service, create_app
from blocks_server.pages.routers import add_pages

__all__ = ["running"]

CANARY = "canary-7e57ed"
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Login(Block, slug="page-login"):
    """Who somebody is.

    Used by <b>stores</b>.
    """

    user: str = Field(min_length=2, description="Who asks.")
    password: SecretStr | None = None


class Mirror(BaseModel):
    url: str
    token: SecretStr | None = None


class Folder(BaseModel):
    kind: Literal["folder"] = "folder"
    path: str


class Queue(BaseModel):
    kind: Literal["queue"] = "queue"
    topic: str


class Store(Block, slug="page-store"):
    """Keeps things."""

    title: str
    login: Login | None = None
    mirrors: list[Mirror] = []
    options: dict[str, str] = {}
    place: Annotated[Folder | Queue, Field(discriminator="kind")] = Folder(path="/")
    key: SecretStr | None = None
    note: str | None = None
    fast: bool = False

    def check(self) -> CheckReport:
        checker = Checker()
        checker.step("list", lambda: "3 things")
        checker.step("write", self._write)
        return checker.report()

    def _write(self) -> str:
        raise StorageFailed(f"nobody writes with {self.key.get_secret_value() if self.key else 'nothing'}")


@dataclass
class Stage:
    """A server's app over a registry of its own, and who is at its pages."""

    app: FastAPI
    service: Service
    _browsers: dict[tuple[str, ...], Browser] = field(default_factory=dict)

    def browser(self, role: Role | str = Role.EDITOR, *patterns: str) -> Browser:
        """Return the browser of somebody with a role and a list."""
        key = (str(role), *patterns)
        if key not in self._browsers:
            self._browsers[key] = Browser(self.app, self.service, role, *patterns)
        return self._browsers[key]

    @property
    def registry(self) -> GuardedRegistry:
        """Return the registry as somebody sees it who may do all."""
        return self.service.access.guard(self.service.registry, Holder("id", "the-stage", Role.ADMIN))

    @property
    def library(self) -> Library:
        """Return the blocks as programs load them."""
        return Library(self.service.registry)


@contextmanager
def staged(home: Path) -> Iterator[Stage]:
    """Give a stage for a while, its types registered."""
    service = Service.open(Settings(home, f"sqlite:///{home / 'blocks.db'}"))
    stage = Stage(add_pages(create_app(service)), service)
    with use_library(stage.library):
        for block_type in (Login, Store):
            stage.library.register(block_type)
        yield stage
    service.close()


@dataclass
class Answered:
    """A page, as a person sees it."""

    status: int
    html: str
    location: str
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """Return what can be read, without tags."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def form(self) -> FormPage:
        """Return the block's form on the page."""
        found = re.search(r'<form class="block-form".*?</form>', self.html, re.S)
        assert found, self.text
        return FormPage(found[0])

    @property
    def problems(self) -> str:
        """Return the lines of the summary of problems."""
        found = re.search(r'<div class="problems".*?</div>', self.html, re.S)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", found[0])).split()) if found else ""


class Browser:
    """One person at the pages, who has no scripts unless they say so."""

    def __init__(self, app: FastAPI, service: Service, role: Role | str, *patterns: str) -> None:
        self._client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        name = "-".join([str(role), *(re.sub(r"[^a-z0-9]", ".", each) for each in patterns)])
        made = service.access.tokens.create(f"the-{name}", Role(role), reach=Reach.of(patterns or ("*",)))
        log_in(self._client, made.text)

    def get(self, path: str, **headers: str) -> Answered:
        return self._answered("GET", path, None, headers)

    def part(self, path: str) -> Answered:
        """Ask for a part of a page, as htmx does."""
        return self.get(path, **{"HX-Request": "true"})

    def post(self, path: str, pairs: Sequence[tuple[str, str]], **headers: str) -> Answered:
        return self._answered("POST", path, urlencode(pairs), headers)

    def send(
        self,
        path: str,
        page: Answered,
        changes: Mapping[str, str | Sequence[str]] | None = None,
        *,
        press: str = "",
        **headers: str,
    ) -> Answered:
        """Send the form of a page, some inputs changed."""
        return self.post(path, page.form.sent(changes or {}, press=press), **headers)

    def csrf(self) -> str:
        """Return what the pages of this person put into their forms against forged requests."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/blocks").html)
        return found[1] if found else "CSRF"

    def act(self, path: str, **pairs: str) -> Answered:
        """Send a form that has buttons only."""
        return self.post(path, [("csrf", self.csrf()), *pairs.items()])

    def raw(self, path: str, body: bytes) -> Answered:
        """Send bytes as a form."""
        return self._answered("POST", path, body, {})

    def _answered(
        self, method: str, path: str, body: str | bytes | None, headers: Mapping[str, str]
    ) -> Answered:
        sent = {
            **headers,
            **({"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}),
        }
        found = self._client.request(method, path, content=body, headers=sent)
        return Answered(found.status_code, found.text, found.headers.get("location", ""), found.headers)


def log_in(client: TestClient, token: str) -> None:
    """Open a session as a person does who pastes a token."""
    page = client.get("/login").text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    pairs = {"token": token, **({"csrf": found[1]} if found else {})}
    answer = client.post("/login", data=pairs)
    assert answer.status_code == 303, answer.text
