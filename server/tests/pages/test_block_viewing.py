"""Finding and looking at blocks in the pages: lists, the catalog, one block, its versions, tests, renames, deletions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from block_pages import CANARY, MARKUP, Folder, Login, Mirror, Stage, Store, staged
from pydantic import SecretStr

from blocks_core import Block, SecretRef
from blocks_core.upgrading import upgrades
from blocks_server.pages.blocks.listed import LINES

IT = "/blocks/page-store/it"


class OldThing(Block, slug="page-thing"):
    """Of a type that goes on."""

    title: str
    token: SecretStr | None = None


class NewThing(Block, slug="page-thing", version=2):
    """Of a type that went on."""

    name: str
    token: SecretStr | None = None
    size: int = 3

    @upgrades(from_version=1)
    def _title_became_name(data):
        data["name"] = data.pop("title")
        return data


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """Return the stage without a block on it."""
    for line in shared.registry.find():
        shared.registry.delete(line.slug, line.name, force=True)
    return shared


def test_the_list_shows_labels_and_how_many_blocks_hold_each(stage):
    Login(user="Ann").save("ann")
    for name in ("one", "two"):
        Store(title="a", login=Login.load("ann")).save(name)
    page = stage.browser("viewer").get("/blocks")
    assert '<a href="/blocks/page-login/ann#users">2</a>' in page.html
    assert page.text.index("ann") < page.text.index("one") < page.text.index("two")


def test_the_list_is_searched_by_name_and_type_and_filtered(stage):
    Login(user="Ann").save("ann")
    Store(title="a").save("raw")
    browser = stage.browser("viewer")
    for query, found in (
        ("q=RAW", {"raw"}),
        ("q=login", {"ann"}),
        ("q=nothing", set()),
        ("type=page-login", {"ann"}),
        ("capability=storage", set()),
        ("label=team%3Ddata", set()),
    ):
        page = browser.part(f"/blocks?{query}")
        assert "<h1>" not in page.html
        assert {name for name in ("ann", "raw") if f"/{name}" in page.html} == found, query
    assert "No block fits" in browser.get("/blocks?q=nothing").text


def test_the_list_goes_on_page_by_page_in_each_order(stage):
    count = LINES + 5
    for number in range(count):
        Login(user="Ann").save(f"n-{number:03}")
    browser = stage.browser("viewer")
    for order in ("", "&sort=saved", "&sort=used"):
        first = browser.get(f"/blocks?type=page-login{order}")
        assert first.html.count('class="block-name"') == LINES
        after = first.html.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        second = browser.get(after.replace("&amp;", "&"))
        names = {f"n-{number:03}" for number in range(count)}
        seen = {name for name in names if f"/{name}" in first.html}
        assert seen | {name for name in names if f"/{name}" in second.html} == names
        assert second.html.count('class="block-name"') == 5


def test_the_overview_shows_what_changed_last_of_however_many_blocks(stage):
    for number in range(LINES + 5):
        Login(user="Ann").save(f"n-{number:03}")
    Login(user="Bob").save("n-003", overwrite=True)
    page = stage.browser("viewer").get("/")
    shown = re.findall(r'href="/blocks/page-login/([^"/]+)"', page.html)
    assert list(dict.fromkeys(shown)) == ["n-003", *(f"n-{number:03}" for number in range(54, 47, -1))]
    stage.library.load(Login, "n-000")
    assert stage.registry.usages("page-login", "n-000")  # they are written now
    assert "Load it in a program done" in stage.browser("admin").get("/").text


def test_an_empty_registry_says_what_a_block_is(stage):
    assert "Choose a type and make the first one" in stage.browser().get("/blocks").text
    assert "Choose a type" not in stage.browser("viewer").get("/blocks").text


def test_the_catalog_shows_what_each_type_is_for_and_finds_by_that(stage):
    page = stage.browser().get("/catalog")
    assert "Files in an Amazon S3 bucket" in page.text
    assert "S3.load(&#34;NAME&#34;)" in page.html
    assert '<img class="logo" src="/logos/s3"' in page.html
    found = stage.browser().part("/catalog?q=amazon+bucket")
    assert ("/catalog/s3" in found.html, "/catalog/secret" in found.html) == (True, False)
    assert "Used by <b>stores</b>." in page.text.replace("&lt;", "<").replace("&gt;", ">")
    assert "<b>stores" not in page.html


def test_a_broken_plugin_is_shown_with_the_reason_and_breaks_nothing(stage, tmp_path, monkeypatch):
    info = tmp_path / "broken_blocks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-blocks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[blocks.types]\nbroken-thing = no_such_module:Thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    page = stage.browser().get("/catalog")
    assert "Cannot be used" in page.text
    broken = page.text.partition("Cannot be used")[2]
    assert "broken-thing broken-blocks 1.0" in broken
    assert "there is no module" in broken
    assert "Files in an Amazon S3 bucket" in page.text
    assert stage.browser().get("/catalog/broken-thing").status == 404


def test_logos_are_pictures_that_run_nothing(stage):
    browser = stage.browser("viewer")
    answer = browser.get("/logos/s3")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert browser.get("/logos/page-login").status == 404
    assert browser.get("/logos/no-such").status == 404


def test_a_block_is_shown_field_by_field_and_its_secrets_are_not(stage):
    Login(user="Ann", password=SecretStr(CANARY)).save("ann")
    Store(
        title=MARKUP,
        login=Login.load("ann"),
        mirrors=[Mirror(url="u", token=SecretStr(CANARY))],
        options={"color": "red"},
        place=Folder(path="/data"),
        key=SecretRef("env:KEY"),
        note="two\nlines",
    ).save("it")
    for role in ("viewer", "editor", "runner", "admin"):
        page = stage.browser(role).get(IT)
        assert CANARY not in page.html
        assert MARKUP not in page.html
        assert MARKUP in page.text or MARKUP.replace("<", "&lt;") in page.html.replace("&#34;", '"')
    for words in ("Token Set, not shown", "color red", "Path /data", "Kept elsewhere: env:KEY", "Fast No"):
        assert words in page.text, words
    assert '<a href="/blocks/page-login/ann">page-login/ann</a>' in page.html
    assert "Store.load(&#34;it&#34;)" in page.html
    held = stage.browser("viewer").get("/blocks/page-login/ann")
    assert '<a href="/blocks/page-store/it">page-store/it</a>' in held.html


def test_a_block_beyond_the_list_is_not_named_by_one_that_holds_it(stage):
    Login(user="Ann").save("ann-of-others")
    Store(title="a", login=Login.load("ann-of-others")).save("it")
    page = stage.browser("viewer", "page-store/*").get(IT)
    assert "ann-of-others" not in page.html
    assert "A block that is not there any more, or not for you to see" in page.text


def test_versions_are_listed_compared_without_secrets_and_restored(stage):
    Store(title="one", key=SecretStr(CANARY)).save("it")
    Store(title="two", key=SecretStr(f"{CANARY}2")).save("it", overwrite=True)
    browser = stage.browser()
    assert "with the one before" in browser.get(f"{IT}/versions").text
    compared = browser.get(f"{IT}/diff?old=1&new=2")
    assert "title changed one two" in compared.text
    assert "key changed secret, not shown secret, not shown" in compared.text
    assert CANARY not in compared.html
    assert "This is an older version" in browser.get(f"{IT}?version=1").text
    assert browser.act(f"{IT}/restore", version="1", expected="1").status == 409
    assert browser.act(f"{IT}/restore", version="1", expected="2").status == 303
    store = stage.library.load(Store, "it")
    assert (store.title, store.key.get_secret_value()) == ("one", CANARY)
    assert browser.act(f"{IT}/restore", version="99").status == 404
    assert browser.act(f"{IT}/restore", version="x").status == 422


def test_a_test_shows_a_line_for_each_thing_and_no_secret(stage):
    Store(title="a", key=SecretStr(CANARY)).save("it")
    for role in ("editor", "runner", "admin"):
        browser = stage.browser(role)
        page = browser.act(f"{IT}/check")
        assert "Works: list 3 things" in page.text
        assert "Fails: write nobody writes with" in page.text
        assert CANARY not in page.html
    part = browser.post(f"{IT}/check", [("csrf", browser.csrf())], **{"HX-Request": "true"})
    assert (part.status, "<h1>" in part.html) == (200, False)
    assert stage.browser("viewer").act(f"{IT}/check").status == 403
    assert browser.act("/blocks/page-store/no-such/check").status == 404
    Login(user="Ann").save("ann")
    assert "nothing to test" in browser.act("/blocks/page-login/ann/check").text


def test_a_block_is_renamed_and_those_that_hold_it_still_do(stage):
    Login(user="Ann").save("ann")
    Login(user="Bob").save("bob")
    Store(title="a", login=Login.load("ann")).save("it")
    browser, path = stage.browser(), "/blocks/page-login/ann/rename"
    for name, status, words in (
        ("No Good", 422, "New name must have"),
        ("bob", 409, "New name is taken"),
        ("", 422, "New name is required"),
    ):
        answer = browser.act(path, new_name=name)
        assert (answer.status, words in answer.text) == (status, True), name
    assert browser.act(path, new_name="anna").location == "/blocks/page-login/anna"
    assert Store.load("it").login == Login.load("anna")
    assert browser.get("/blocks/page-login/ann").status == 404


def test_a_block_that_others_hold_is_deleted_only_where_its_name_is_typed(stage):
    Login(user="Ann").save("ann")
    Store(title="a", login=Login.load("ann")).save("it")
    browser, path = stage.browser(), "/blocks/page-login/ann/delete"
    assert "page-store/it" in browser.get(path).text
    refused = browser.act(path)
    assert (refused.status, "page-store/it" in refused.text) == (409, True)
    assert "is another name than that of the block" in browser.act(path, confirmation="anna").text
    assert browser.act(path, confirmation="ann").location == "/blocks"
    page = browser.get(IT)
    assert "A block that is not there any more" in page.text
    assert browser.act(f"{IT}/delete").status == 303
    assert stage.registry.find() == []


def test_a_block_that_was_changed_since_it_was_shown_is_not_deleted(stage):
    Store(title="one").save("it")
    Store(title="two").save("it", overwrite=True)
    answer = stage.browser().act(f"{IT}/delete", version="1")
    assert (answer.status, "was changed meanwhile" in answer.text) == (409, True)
    assert Store.load("it").title == "two"


def test_an_older_block_says_so_and_is_upgraded_by_an_editor_who_sees_no_secret(stage):
    stage.library.register(OldThing)
    OldThing(title="a", token=SecretStr(CANARY)).save("thing")
    browser, path = stage.browser(), "/blocks/page-thing/thing"
    assert "Its type has a newer version" not in browser.get(path).text
    form = browser.get(f"{path}/edit")
    stage.library.register(NewThing)
    late = browser.send(f"{path}/edit", form, {"title": "b"})
    assert (late.status, "upgrade the block, and edit it then" in late.text) == (409, True)
    assert "Its type has a newer version" in browser.get(path).text
    assert "upgrade" in browser.get("/blocks").text
    Login(user="Ann").save("as-of-now")
    assert (
        "One block is stored as of an older version of its type. See what to upgrade" in browser.get("/").text
    )
    to_upgrade = browser.get("/blocks?stored=outdated").html
    assert (path in to_upgrade, "as-of-now" in to_upgrade) == (True, False)
    assert browser.get(f"{path}/edit").location == f"{path}/upgrade"
    plan = browser.get(f"{path}/upgrade")
    assert "from version 1 to 2" in plan.text
    assert "name moved from title" in plan.text
    assert CANARY not in plan.html
    assert browser.act(f"{path}/upgrade", version="9").status == 409
    assert browser.act(f"{path}/upgrade", version="1").location == path
    thing = stage.library.load(NewThing, "thing")
    assert (thing.name, thing.token.get_secret_value(), thing.size) == ("a", CANARY, 3)
    assert "Nothing to do" in browser.get(f"{path}/upgrade").text
    old = browser.get(f"{path}?version=1")
    assert "shown as they are stored" in old.text
    assert CANARY not in old.html


def test_hostile_addresses_are_answered_and_never_with_what_they_say(stage):
    browser = stage.browser("admin")
    for path in (
        "/blocks/%3Cscript%3E/x",
        "/blocks/page-store/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/blocks/..%2F..%2Fetc/passwd",
        "/blocks?q=%3Cscript%3E&label=%3Cscript%3E&type=%3Cscript%3E&after=%3Cscript%3E",
        "/catalog?q=%3Cscript%3E",
        "/catalog/%3Cscript%3E",
        "/logos/%3Cscript%3E",
        f"{IT}/diff?old=1&new=99999999999999999999",
        "/blocks?after=%00&q=%00",
    ):
        answer = browser.get(path)
        assert answer.status < 500, path
        assert "<script>alert" not in answer.html
        if "html" in answer.headers["content-type"]:
            assert "<script>" not in answer.html
