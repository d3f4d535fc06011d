"""What the tests of forms share: one block with much in it, shown and sent."""

from __future__ import annotations

from typing import Annotated, Literal

from form_browser import FormPage
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr

from blocks_core import Block
from blocks_core.document import Encoded
from blocks_core.schema import describe
from blocks_server.forms import BlockChoice, Filled, Form, Page, render_form

CANARY = "canary-51c0de"
PAGE = Page("/save", "/change")


class Login(Block, slug="stage-login"):
    """Who one is."""

    user: str = Field(min_length=1)
    password: SecretStr | None = None


class Host(BaseModel):
    name: str
    port: int = Field(22, ge=1, le=65535)
    token: SecretStr | None = None


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str
    token: SecretStr | None = None


class Stage(Block, slug="stage"):
    """A bit of everything."""

    title: str
    note: str | None = None
    hosts: list[Host] = []
    labels: dict[str, str] = {}
    keys: dict[str, SecretStr] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(name="Tom")
    secret: SecretStr | None = None
    raw: SecretBytes | None = None
    number: Secret[int] | None = None
    login: Login | None = None


FORM = Form.of(describe(Stage).schema, [describe(Login)])


def stored(**changes: object) -> Encoded:
    """Return content as a registry reads it."""
    from dataclasses import replace

    from blocks_core.codec import encode_block

    return replace(encode_block(Stage(**{"title": "a", **changes}), address="it"), secrets={})


def page_of(filled: Filled) -> FormPage:
    return FormPage(render_form(filled, PAGE))


class Visit:
    """A browser on the form of a block."""

    def __init__(
        self, content: Encoded | None = None, *, form: Form = FORM, choices: tuple[BlockChoice, ...] = ()
    ) -> None:
        self._content, self._form, self._choices = content, form, choices
        self.filled = form.show(content, choices)

    @property
    def html(self) -> str:
        return str(render_form(self.filled, PAGE))

    @property
    def page(self) -> FormPage:
        return FormPage(self.html)

    def send(
        self, changes: dict[str, str] | None = None, *, press: str = "", without: tuple[str, ...] = ()
    ) -> Filled:
        """Give inputs other values, press a button, and look at what comes back."""
        sent = self.page.sent(changes or {}, press=press, without=without)
        self.filled = self._form.read(sent, self._content, self._choices)
        return self.filled
