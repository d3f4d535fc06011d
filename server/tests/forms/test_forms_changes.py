"""Buttons that change a form: rows, branches, models; what was typed stays, and secrets stay with their rows."""

from __future__ import annotations

from uuid import uuid4

import pytest
from form_stage import CANARY, PAGE, Dog, Host, Login, Visit, stored
from pydantic import BaseModel, Field, SecretStr

from blocks_core import Block
from blocks_core.schema import describe
from blocks_server.forms import BlockChoice, Form, render_form


def hosts(*names: str) -> list[Host]:
    return [Host(name=name, token=SecretStr(f"{CANARY}-{name}")) for name in names]


def test_a_row_is_added_and_what_was_typed_stays():
    visit = Visit(stored(hosts=hosts("one")))
    visit.send({"title": "typed", "hosts[0].name": ""}, press="add hosts")
    assert visit.filled.answer is None
    assert not visit.filled.problems
    assert visit.page.control("title").value == "typed"
    answer = visit.send({"hosts[0].name": "first", "hosts[1].name": "second", "hosts[1].port": "23"}).answer
    assert [host["name"] for host in answer.content.data["hosts"]] == ["first", "second"]
    assert answer.content.data["hosts"][1] == {"name": "second", "port": 23, "token": None}
    assert answer.kept == {"/hosts/0/token": "/hosts/0/token"}


def test_a_new_row_takes_the_focus():
    visit = Visit(stored())
    visit.send(press="add hosts")
    assert [one.name for one in visit.page.controls if "autofocus" in one.attributes] == ["hosts[0].name"]
    visit.send(press="add labels")
    assert [one.name for one in visit.page.controls if "autofocus" in one.attributes] == ["labels[0]~key"]


def test_a_removed_row_takes_its_secret_along_and_no_other():
    visit = Visit(stored(hosts=hosts("one", "two", "three")))
    visit.send(press="remove hosts[0]")
    answer = visit.send().answer
    assert [host["name"] for host in answer.content.data["hosts"]] == ["two", "three"]
    assert answer.kept == {"/hosts/0/token": "/hosts/1/token", "/hosts/1/token": "/hosts/2/token"}
    assert answer.cleared == ("/hosts/0/token",)


def test_a_row_that_is_added_after_another_was_removed_gets_nothing_of_it():
    visit = Visit(stored(hosts=hosts("one", "two")))
    visit.send(press="remove hosts[1]")
    visit.send(press="add hosts")
    answer = visit.send({"hosts[2].name": "new"}).answer
    assert answer.kept == {"/hosts/0/token": "/hosts/0/token"}
    assert answer.content.data["hosts"][1]["token"] is None


def test_rows_are_moved_with_their_secrets():
    visit = Visit(stored(hosts=hosts("one", "two")))
    visit.send(press="down hosts[0]")
    answer = visit.send().answer
    assert [host["name"] for host in answer.content.data["hosts"]] == ["two", "one"]
    assert answer.kept == {"/hosts/0/token": "/hosts/1/token", "/hosts/1/token": "/hosts/0/token"}
    visit.send(press="up hosts[0]")
    assert [host["name"] for host in visit.send().answer.content.data["hosts"]] == ["one", "two"]


def test_a_key_is_renamed_and_keeps_its_secret():
    visit = Visit(stored(keys={"a": SecretStr(CANARY), "b": SecretStr(CANARY)}))
    answer = visit.send({"keys[0]~key": "a b/~."}).answer
    assert answer.kept == {"/keys/a b~1~0.": "/keys/a", "/keys/b": "/keys/b"}


def test_two_rows_of_one_key_are_a_problem_at_the_second():
    visit = Visit(stored(labels={"a": "1", "b": "2"}))
    assert "another row" in visit.send({"labels[1]~key": "a"}).problems["labels[1]"]


def test_a_row_without_a_key_is_a_problem_and_an_untouched_one_is_none():
    visit = Visit(stored())
    visit.send(press="add labels")
    assert visit.send().answer.content.data["labels"] == {}
    assert visit.send({"labels[0]": "x"}).problems == {"labels[0]": "needs a key"}


def test_switching_a_branch_keeps_what_was_typed_where_names_agree():
    visit = Visit(stored(pet=Dog(name="Rex", token=SecretStr(CANARY))))
    visit.send({"pet~branch": "0", "pet.name": "Renamed"}, press="show pet")
    assert visit.page.control("pet.name").value == "Renamed"
    assert "pet.token" not in visit.page.names()
    answer = visit.send().answer
    assert answer.content.data["pet"] == {"kind": "cat", "name": "Renamed", "lives": 9}
    assert answer.cleared == ("/pet/token",)


def test_switching_there_and_back_shows_what_is_stored_again():
    visit = Visit(stored(pet=Dog(name="Rex", token=SecretStr(CANARY))))
    visit.send({"pet~branch": "0"}, press="show pet")
    visit.send({"pet~branch": "1"}, press="show pet")
    assert visit.send().answer.kept == {"/pet/token": "/pet/token"}


def test_a_switched_branch_that_was_never_shown_is_read_with_its_defaults():
    """Without JavaScript nobody need press "Show" first."""
    visit = Visit(stored())
    assert visit.send({"pet~branch": "1"}).answer.content.data["pet"] == {
        "kind": "dog",
        "name": "Tom",
        "token": None,
    }


def test_a_block_is_made_inside_then_chosen_then_taken_out():
    saved = BlockChoice(uuid4(), "stage-login", "prod")
    visit = Visit(stored(), choices=(saved, BlockChoice(uuid4(), "other", "x")))
    assert "other/x" not in visit.html
    visit.send({"login": "inside:stage-login"}, press="show login")
    assert visit.send().problems == {"login.user": "is required"}
    visit.send({"login.user": "me", "login.password": "set", "login.password~value": CANARY})
    answer = visit.filled.answer
    assert answer.content.marks["/login"] == "inline:stage-login@1"
    assert answer.content.secrets["/login/password"].data == CANARY
    answer = visit.send({"login": str(saved.id)}).answer
    assert answer.content.marks["/login"] == f"block:{saved.id}"
    assert answer.content.data["login"] is None
    assert answer.blocks == {"/login": "stage-login/prod"}
    assert answer.plain()["login"] == "stage-login/prod"
    answer = visit.send({"login": ""}).answer
    assert "/login" not in answer.content.marks


def test_a_block_that_is_not_for_its_reader_to_see_stays_until_another_is_chosen():
    login = Login(user="x")
    from blocks_core import use_library
    from blocks_core.testing import memory_library

    with use_library(memory_library()):
        login.save("hidden")
        content = stored(login=login)
    visit = Visit(content)
    assert "not there any more, or not for you to see" in visit.html
    assert visit.send().answer.content.marks == content.marks
    assert (
        "Choose another block" in visit.send({"login": "inside:nothing"}).problems["login"]
        or visit.filled.problems
    )


def test_any_of_very_many_blocks_is_chosen_by_its_address():
    many = tuple(BlockChoice(uuid4(), "stage-login", f"n{number}") for number in range(500))
    visit = Visit(stored(), choices=many)
    assert visit.html.count("stage-login/n") == 200
    visit.send({"login": "by-address", "login~address": "stage-login/n450"})
    assert visit.filled.answer.content.marks["/login"] == f"block:{many[450].id}"
    assert "stage-login/n450" in visit.html
    assert "login" in visit.send({"login": "by-address", "login~address": "stage-login/<none>"}).problems
    assert visit.page.control("login~address").value == "stage-login/<none>"


class Part(BaseModel):
    size: int = 1


class Whole(Block, slug="stage-whole"):
    part: Part = Field(default_factory=Part)


def test_a_model_is_filled_in_and_left_out_by_buttons():
    visit = Visit(form=Form.of(describe(Whole).schema))
    assert visit.send().answer.content.data == {}
    visit.send(press="open part")
    assert visit.send({"part.size": "4"}).answer.content.data == {"part": {"size": 4}}
    visit.send(press="close part")
    assert visit.send().answer.content.data == {}


class Endless(Block, slug="stage-endless"):
    next: Endless


class Chain(BaseModel):
    link: Chain


class Chained(Block, slug="stage-chained"):
    chain: Chain


@pytest.mark.parametrize("block_type", [Endless, Chained])
def test_a_type_that_needs_itself_is_shown_all_the_same(block_type):
    form = Form.of(describe(block_type).schema, [describe(block_type)])
    assert render_form(form.show(), PAGE)
