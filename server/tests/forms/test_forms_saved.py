"""A form at work: an editor, who reads no secret, changes a stored block, and its secrets are still there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from form_browser import FormPage
from form_stage import CANARY, FORM, PAGE, Host, Login, Stage
from pydantic import SecretStr

from blocks_core import SecretRef, use_library
from blocks_core.document import Draft
from blocks_core.errors import BlockInvalid
from blocks_core.key_file import FileKeyProvider
from blocks_core.library import Library
from blocks_core.schema import describe
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.access import GuardedRegistry, Holder, Role
from blocks_registry.sqlite_database import SqliteDatabase
from blocks_server.forms import Answer, Filled, render_form


@pytest.fixture
def library(tmp_path) -> Iterator[Library]:
    keys = FileKeyProvider(tmp_path / "keys.json")
    library = Library(LocalRegistry(SqliteDatabase(tmp_path / "blocks.db"), Vault(keys)))
    with use_library(library):
        library.register(Login)
        yield library
    library.close()


@pytest.fixture
def editor(library: Library) -> GuardedRegistry:
    return GuardedRegistry(library.registry, Holder("id", "ed", Role.EDITOR))


def send(editor: GuardedRegistry, changes: dict[str, str], *presses: str) -> Filled:
    """Open the form of the block, press buttons, change inputs, and send it."""
    content = editor.read("stage", "it").content
    assert not content.secrets
    filled = FORM.show(content)
    for press in presses:
        filled = FORM.read(FormPage(render_form(filled, PAGE)).sent(press=press), content)
    html = render_form(filled, PAGE)
    assert CANARY not in html
    return FORM.read(FormPage(html).sent(changes), content)


def save(editor: GuardedRegistry, answer: Answer) -> None:
    described = describe(Stage)
    draft = Draft("stage", "it", described.version, described.structure_hash, answer.content)
    editor.save_keeping(draft, answer.kept)


def test_secrets_are_kept_moved_set_and_cleared_by_who_never_sees_them(library, editor):
    Stage(
        title="a",
        hosts=[
            Host(name="one", token=SecretStr(f"{CANARY}1")),
            Host(name="two", token=SecretStr(f"{CANARY}2")),
        ],
        keys={"x": SecretRef("env:X"), "y": SecretStr(f"{CANARY}y")},
        secret=SecretStr(CANARY),
        login=Login(user="me", password=SecretStr(f"{CANARY}p")),
    ).save("it")
    changes = {
        "secret": "none",
        "hosts[1].name": "second",
        "keys[1]~key": "z",
        "raw": "set",
        "raw~value": "new",
    }
    save(editor, send(editor, changes, "add hosts", "remove hosts[0]", "remove hosts[2]").answer)
    found = library.load(Stage, "it", resolve=False)
    assert [(host.name, host.token.get_secret_value()) for host in found.hosts] == [("second", f"{CANARY}2")]
    assert found.keys["z"].get_secret_value() == f"{CANARY}y"
    assert found.keys["x"] == SecretRef("env:X")
    assert found.secret is None
    assert found.raw.get_secret_value() == b"new"
    assert found.login.password.get_secret_value() == f"{CANARY}p"


def test_nothing_changes_where_nothing_was_touched(library, editor):
    Stage(title="a", hosts=[Host(name="one", token=SecretStr(CANARY))], raw=b"x", number=5).save("it")
    save(editor, send(editor, {}).answer)
    assert library.registry.diff("stage", "it", 1, 2) == []


def test_what_only_the_registry_refuses_lands_on_the_field(library, editor):
    Stage(title="a", login=Login(user="me")).save("it")
    filled = send(editor, {"login.user": "x"})
    draft = Draft("stage", "it", 1, describe(Stage).structure_hash, filled.answer.content)
    with pytest.raises(BlockInvalid) as caught:
        editor.save_keeping(draft, {"/login/password": "/nowhere"})
    shown = filled.with_problems(caught.value.problems)
    assert shown.problems == {"login.password": "there is no secret to keep"}
    assert "Login > Password" in FormPage(render_form(shown, PAGE)).text
