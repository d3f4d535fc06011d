"""Making and changing blocks in the pages, without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from block_pages import CANARY, MARKUP, Login, Mirror, Stage, Store, staged
from pydantic import SecretStr

NEW, IT = "/catalog/page-store", "/blocks/page-store/it"


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """Return the stage without a block on it."""
    for line in [*shared.registry.find("page-store"), *shared.registry.find("page-login")]:
        shared.registry.delete(line.slug, line.name, force=True)
    return shared


def test_a_block_is_made_and_its_page_shown_with_a_message(stage):
    browser = stage.browser()
    sent = {
        ":name": "it",
        ":labels": "team=data\nenv=prod",
        "title": "One",
        "key": "set",
        "key~value": CANARY,
    }
    answer = browser.send(NEW, browser.get(NEW), sent)
    assert (answer.status, answer.location) == (303, IT)
    page = browser.get(IT)
    assert "page-store/it is saved" in page.text
    assert "is saved" not in browser.get(IT).text
    store = stage.library.load(Store, "it")
    assert (store.title, store.key.get_secret_value()) == ("One", CANARY)
    assert stage.registry.find("page-store")[0].labels == {"team": "data", "env": "prod"}


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept_but_no_secret(stage):
    browser = stage.browser()
    sent = {
        ":name": "No Good",
        ":labels": "nonsense",
        "title": "",
        "note": MARKUP,
        "key": "set",
        "key~value": CANARY,
    }
    answer = browser.send(NEW, browser.get(NEW), sent)
    assert answer.status == 422
    assert "3 things need another look" in answer.problems
    for words in ("Name must have 1 to 100", "Labels must be written as key=value", "Title is required"):
        assert words in answer.problems
    assert answer.form.control("note").value == MARKUP
    assert answer.form.control(":name").value == "No Good"
    assert MARKUP not in answer.html
    assert CANARY not in answer.html
    assert stage.registry.find("page-store") == []


def test_a_name_that_is_taken_is_said_while_typing_and_when_it_is_sent(stage):
    Store(title="old").save("it")
    browser = stage.browser()
    assert "is taken" in browser.part(f"{NEW}/name?%3Aname=it").text
    assert "is free" in browser.part(f"{NEW}/name?%3Aname=other").text
    assert "must have 1 to 100" in browser.part(f"{NEW}/name?%3Aname=No+Good").text
    answer = browser.send(NEW, browser.get(NEW), {":name": "it", "title": "new"})
    assert (answer.status, "Name is taken" in answer.problems) == (409, True)
    assert answer.form.control("title").value == "new"
    assert Store.load("it").title == "old"


def test_rows_and_branches_change_on_whole_pages_and_on_parts(stage):
    browser = stage.browser()
    page = browser.get(NEW)
    whole = browser.send(f"{NEW}/form", page, {"title": "kept", ":name": "kept-name"}, press="add mirrors")
    assert "mirrors[0].url" in whole.form.names()
    assert whole.form.control("title").value == "kept"
    assert whole.form.control(":name").value == "kept-name"
    assert "<h1>" in whole.html
    part = browser.send(f"{NEW}/form", whole, {"place~branch": "1"}, **{"HX-Request": "true"})
    assert "place.topic" in part.form.names()
    assert part.html.lstrip().startswith("<form")
    saved = browser.send(NEW, part, {"mirrors[0].url": "u", "place.topic": "t"})
    assert saved.status == 303
    store = stage.library.load(Store, "kept-name")
    assert (store.mirrors[0].url, store.place.topic) == ("u", "t")


def test_a_button_that_changes_the_form_saves_nothing_wherever_it_is_sent(stage):
    browser = stage.browser()
    answer = browser.send(NEW, browser.get(NEW), {":name": "it", "title": "x"}, press="add mirrors")
    assert answer.status == 200
    assert stage.registry.find("page-store") == []


def test_a_block_is_made_in_place_of_a_field_and_chosen_there(stage):
    browser = stage.browser()
    page = browser.send(f"{NEW}/form", browser.get(NEW), {"login": "inside:page-login", "title": "typed"})
    sent = {
        ":name": "it",
        "login~saved-as": "ann",
        "login.user": "Ann",
        "login.password": "set",
        "login.password~value": CANARY,
    }
    assert browser.send(NEW, page, sent).status == 303
    assert Store.load("it").login == Login.load("ann")
    assert Login.load("ann").password.get_secret_value() == CANARY
    assert '<a href="/blocks/page-login/ann">page-login/ann</a>' in browser.get(IT).html


def test_what_is_wrong_with_a_block_in_place_keeps_all_that_was_typed(stage):
    Login(user="Other").save("ann")
    browser = stage.browser()
    page = browser.send(f"{NEW}/form", browser.get(NEW), {"login": "inside:page-login"})
    answer = browser.send(
        NEW, page, {":name": "it", "title": "typed", "login~saved-as": "ann", "login.user": "Ann"}
    )
    assert answer.status == 409
    assert "Login is a name that another block of the type has" in answer.problems
    assert [answer.form.control(name).value for name in ("title", "login.user", "login~saved-as")] == [
        "typed",
        "Ann",
        "ann",
    ]
    assert stage.registry.find("page-store") == []


def test_saved_blocks_are_chosen_from_a_list(stage):
    Login(user="Ann").save("ann")
    browser = stage.browser()
    page = browser.get(NEW)
    (choice,) = [value for value, _ in page.form.control("login").options if len(value) == 36]
    assert browser.send(NEW, page, {":name": "it", "title": "x", "login": choice}).status == 303
    assert Store.load("it").login.user == "Ann"


def test_a_secret_is_kept_set_and_cleared(stage):
    Store(title="a", key=SecretStr(CANARY)).save("it")
    browser = stage.browser()
    page = browser.get(f"{IT}/edit")
    assert CANARY not in page.html
    assert browser.send(f"{IT}/edit", page, {"title": "b"}).status == 303
    assert stage.library.load(Store, "it").key.get_secret_value() == CANARY
    browser.send(f"{IT}/edit", browser.get(f"{IT}/edit"), {"key": "set", "key~value": "other"})
    assert stage.library.load(Store, "it").key.get_secret_value() == "other"
    browser.send(f"{IT}/edit", browser.get(f"{IT}/edit"), {"key": "none"})
    assert stage.library.load(Store, "it").key is None


def test_labels_are_changed_and_taken_away(stage):
    Store(title="a").save("it")
    browser = stage.browser()
    browser.send(f"{IT}/edit", browser.get(f"{IT}/edit"), {":labels": "team=data"})
    assert browser.get(f"{IT}/edit").form.control(":labels").value == "team=data"
    browser.send(f"{IT}/edit", browser.get(f"{IT}/edit"), {":labels": ""})
    assert stage.registry.find("page-store")[0].labels == {}


def test_who_saves_too_late_sees_what_changed_and_may_save_all_the_same(stage):
    Store(title="a", note="n", key=SecretStr(CANARY)).save("it")
    browser, other = stage.browser(), stage.browser("admin")
    mine, theirs = browser.get(f"{IT}/edit"), other.get(f"{IT}/edit")
    other.send(f"{IT}/edit", theirs, {"note": "theirs", "key": "set", "key~value": f"{CANARY}2"})
    late = browser.send(f"{IT}/edit", mine, {"title": "mine"})
    assert late.status == 409
    assert "Somebody else saved this block meanwhile" in late.text
    assert "theirs" in late.text
    assert "the-admin" in late.text
    assert late.form.control("title").value == "mine"
    assert CANARY not in late.html
    assert Store.load("it").note == "theirs"
    assert browser.send(f"{IT}/edit", late).status == 303
    store = stage.library.load(Store, "it")
    assert (store.title, store.note) == ("mine", "n")
    assert store.key.get_secret_value() == f"{CANARY}2"  # theirs is what is stored now, and kept


def test_a_secret_of_a_row_that_others_moved_is_not_given_to_another_row(stage):
    mirrors = [Mirror(url="a", token=SecretStr(f"{CANARY}a")), Mirror(url="b", token=SecretStr(f"{CANARY}b"))]
    Store(title="a", mirrors=mirrors).save("it")
    browser = stage.browser()
    mine = browser.get(f"{IT}/edit")
    Store(title="a", mirrors=mirrors[::-1]).save("it", overwrite=True)
    late = browser.send(f"{IT}/edit", mine, {"title": "mine"})
    again = browser.send(f"{IT}/edit", late)
    assert again.status == 409
    assert "was changed meanwhile. Set it anew" in again.problems
    assert [each.url for each in stage.library.load(Store, "it").mirrors] == ["b", "a"]


def test_a_block_that_was_made_anew_under_the_name_is_not_overwritten(stage):
    Store(title="a").save("it")
    browser = stage.browser()
    mine = browser.get(f"{IT}/edit")
    Store.delete("it")
    Store(title="another").save("it")
    assert browser.send(f"{IT}/edit", mine, {"title": "mine"}).status in (409, 412)
    assert Store.load("it").title == "another"


def test_a_type_that_is_installed_and_not_registered_is_registered_with_its_first_block(stage):
    browser = stage.browser()
    page = browser.get("/catalog/string")
    assert browser.send("/catalog/string", page, {":name": "it", "value": "x"}).status == 303
    assert stage.registry.type("string").distribution == "blocks-standard"
    stage.registry.delete("string", "it")


def test_viewers_and_runners_find_no_way_to_change_and_are_refused(stage):
    Store(title="a").save("it")
    editor = stage.browser()
    page = editor.get(f"{IT}/edit")
    for role in ("viewer", "runner"):
        browser = stage.browser(role)
        seen = browser.get(IT).html + browser.get("/blocks").html + browser.get(f"{IT}/versions").html
        for word in ("/edit", "/delete", "/rename", "New block", "/restore"):
            assert word not in seen
        for path in (NEW, f"{IT}/edit", f"{IT}/rename", f"{IT}/delete", f"{IT}/upgrade"):
            assert browser.get(path).status == 403, path
        csrf = browser.csrf()
        pairs = [("csrf", csrf), *[pair for pair in page.form.sent() if pair[0] != "csrf"]]
        for path in (NEW, f"{NEW}/form", f"{IT}/edit", f"{IT}/form"):
            assert browser.post(path, pairs).status == 403, path
        for path in ("rename", "delete", "restore", "upgrade"):
            assert browser.post(f"{IT}/{path}", [("csrf", csrf)]).status == 403, path
    assert Store.load("it").title == "a"
    assert stage.registry.read("page-store", "it").version == 1


def test_nobody_sees_or_makes_a_block_beyond_their_list(stage):
    Store(title="a").save("it")
    Login(user="Ann").save("ann")
    browser = stage.browser("editor", "page-login/*")
    assert "page-store" not in browser.get("/blocks").text
    for path in (IT, f"{IT}/edit", f"{IT}/versions", f"{IT}/delete"):
        assert browser.get(path).status == 404, path
    answer = browser.send(NEW, browser.get(NEW), {":name": "mine", "title": "x"})
    assert answer.status == 403
    assert "saves nothing as" in answer.problems
    other = stage.browser("editor", "page-store/*")
    assert "page-login/ann" not in other.get(NEW).html
