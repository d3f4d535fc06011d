"""Ways through the pages that people go, in a real browser; a planted secret is searched for at the end of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from block_pages import CANARY, Folder, Login, Mirror, Queue, Store
from browser import Browsing, Look
from page_site import Site, served_site
from playwright.sync_api import Page
from pydantic import SecretStr

from blocks_core.errors import BlockNotFound
from blocks_registry.access import Role


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with served_site(tmp_path_factory.mktemp("home")) as site:
        yield site


def enter(site: Site, browsing: Browsing, role: Role = Role.EDITOR, look: Look | None = None) -> Page:
    """Return a page of somebody who was let in by a link."""
    page = browsing.open(site.url, look)
    page.goto(site.link(role))
    page.get_by_role("heading", name="Overview").wait_for()
    return page


def store(site: Site, name: str) -> Store:
    """Return a block as a program loads it."""
    return site.stage.library.load(Store, name)


def save(page: Page, name: str) -> None:
    """Send the form, and wait for the page of the block."""
    page.get_by_role("button", name="Save the block").last.click()
    page.wait_for_url(f"**/blocks/page-store/{name}")


@pytest.mark.parametrize("look", [Look(), Look(scripts=False)], ids=["scripts", "no-scripts"])
def test_a_secret_is_kept_then_set_then_cleared(site: Site, browsing: Browsing, look: Look) -> None:
    name = f"keeper-{look.scripts}".lower()
    Store(title="first", key=SecretStr(CANARY)).save(name, overwrite=True)
    page = enter(site, browsing, look=look)
    page.goto(f"/blocks/page-store/{name}")
    assert "Set, not shown" in page.locator(".fields").inner_text()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Title").fill("second")
    save(page, name)
    kept = store(site, name)
    assert (kept.title, kept.key.get_secret_value()) == ("second", CANARY)

    page.get_by_role("link", name="Edit").click()
    page.locator("[name=key]").select_option("set")
    page.locator("[name='key~value']").fill(f"{CANARY}-new")
    save(page, name)
    assert store(site, name).key.get_secret_value() == f"{CANARY}-new"

    page.get_by_role("link", name="Edit").click()
    page.locator("[name=key]").select_option("none")
    save(page, name)
    assert store(site, name).key is None
    assert browsing.places_of(CANARY) == []


def test_a_union_is_switched_and_lists_and_keys_are_edited(site: Site, browsing: Browsing) -> None:
    Store(title="parts", mirrors=[Mirror(url="a", token=SecretStr(CANARY)), Mirror(url="b")]).save("parts")
    page = enter(site, browsing)
    page.goto("/blocks/page-store/parts/edit")
    page.locator("[name='place~branch']").select_option(label="Queue")
    page.locator("[name='place.topic']").fill("news")
    page.locator("button[value='down mirrors[0]']").click()
    page.locator("button[value='up mirrors[0]']").wait_for()
    page.locator("button[value='add mirrors']").click()
    page.locator("[name='mirrors[2].url']").fill("c")
    page.locator("button[value='add options']").click()
    page.locator("[name='options[0]~key']").fill("retries")
    page.locator("[name='options[0]']").fill("3")
    save(page, "parts")
    found = store(site, "parts")
    assert found.place == Queue(topic="news")
    assert [mirror.url for mirror in found.mirrors] == ["b", "a", "c"]
    assert found.mirrors[1].token.get_secret_value() == CANARY
    assert found.options == {"retries": "3"}

    page.get_by_role("link", name="Edit").click()
    page.locator("button[value='remove mirrors[1]']").click()
    page.locator("[name='mirrors[1].url']").wait_for(state="detached")
    page.locator("[name='place~branch']").select_option(label="Folder")
    page.locator("[name='place.path']").fill("/srv")
    page.locator("button[value='remove options[0]']").click()
    save(page, "parts")
    found = store(site, "parts")
    assert found.place == Folder(path="/srv")
    assert [mirror.url for mirror in found.mirrors] == ["b", "c"]
    assert found.options == {}
    assert browsing.places_of(CANARY) == []


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(site: Site, browsing: Browsing) -> None:
    page = enter(site, browsing)
    page.goto("/catalog/page-login")
    page.get_by_label("Name", exact=False).first.fill("short")
    page.locator("[name=user]").fill("x")
    page.locator("[name=password]").select_option("set")
    page.locator("[name='password~value']").fill(CANARY)
    page.get_by_role("button", name="Save the block").last.click()
    page.get_by_role("alert").wait_for()
    page.get_by_role("alert").get_by_role("link").first.click()
    assert page.locator("[name=user]").evaluate("input => input === document.activeElement")
    assert page.locator("[name=user]").input_value() == "x"
    assert browsing.places_of(CANARY) == []


def test_a_block_is_renamed_and_those_that_hold_it_still_do(site: Site, browsing: Browsing) -> None:
    login = Login(user="ann")
    login.save("before")
    Store(title="holder", login=login).save("holder")
    page = enter(site, browsing)
    page.goto("/blocks/page-login/before")
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("New name").fill("Not a name")
    page.get_by_role("button", name="Rename").click()
    assert page.get_by_label("New name").input_value() == "Not a name"
    page.get_by_label("New name").fill("after")
    page.get_by_role("button", name="Rename").click()
    page.wait_for_url("**/blocks/page-login/after")
    page.get_by_role("link", name="page-store/holder").click()
    page.get_by_role("link", name="page-login/after").wait_for()
    assert store(site, "holder").login == Login.load("after")


def test_a_block_that_is_held_is_deleted_only_by_its_name(site: Site, browsing: Browsing) -> None:
    login = Login(user="ann")
    login.save("held")
    Store(title="user", login=login).save("user")
    page = enter(site, browsing)
    page.goto("/blocks/page-login/held")
    page.get_by_role("link", name="Delete").click()
    assert page.get_by_role("link", name="page-store/user").is_visible()
    page.get_by_role("button", name="Delete held").click()
    page.get_by_label("Type held to delete it all the same").fill("else")
    page.get_by_role("button", name="Delete held").click()
    page.get_by_text("is another name").wait_for()
    assert Login.load("held") == login
    page.get_by_label("Type held to delete it all the same").fill("held")
    page.get_by_role("button", name="Delete held").click()
    page.get_by_text("page-login/held is deleted").wait_for()
    with pytest.raises(BlockNotFound):
        Login.load("held")


def test_an_older_version_is_compared_and_restored(site: Site, browsing: Browsing) -> None:
    Store(title="old", key=SecretStr(CANARY)).save("versions")
    Store(title="new", key=SecretStr("other")).save("versions", overwrite=True)
    page = enter(site, browsing)
    page.goto("/blocks/page-store/versions/versions")
    page.get_by_role("link", name="with the one before").click()
    text = page.locator(".changes").inner_text()
    assert "old" in text
    assert "secret, not shown" in text
    page.go_back()
    page.get_by_role("button", name="Restore version 1").click()
    page.get_by_text("Version 1 of page-store/versions is restored, as version 3").wait_for()
    restored = store(site, "versions")
    assert (restored.title, restored.key.get_secret_value()) == ("old", CANARY)
    assert browsing.places_of(CANARY) == []


def test_somebody_logs_in_by_a_token_chooses_colours_and_logs_out(site: Site, browsing: Browsing) -> None:
    token = site.stage.service.access.tokens.create("by-hand", Role.VIEWER).text
    page = browsing.open(site.url)
    page.goto("/blocks?q=zz")
    page.get_by_label("Token").fill("blk_wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("There is no such token").wait_for()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/blocks?q=zz")
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 27, 34)"
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto("/blocks")
    page.wait_for_url("**/login?next=/blocks")
    assert browsing.places_of(token) == []


def test_a_viewer_is_offered_nothing_that_changes_and_refused_where_they_try(
    site: Site, browsing: Browsing
) -> None:
    Store(title="seen", key=SecretStr(CANARY)).save("seen")
    page = enter(site, browsing, Role.VIEWER)
    for path in ("/blocks", "/catalog", "/blocks/page-store/seen", "/blocks/page-store/seen/versions"):
        page.goto(path)
        for word in ("Edit", "Rename", "Delete", "New block", "Test"):
            assert page.get_by_role("link", name=word, exact=True).count() == 0
            assert page.get_by_role("button", name=word, exact=True).count() == 0
    for path in ("edit", "rename", "delete"):
        page.goto(f"/blocks/page-store/seen/{path}")
        page.get_by_role("alert").get_by_text("may not change blocks").wait_for()
    assert browsing.places_of(CANARY) == []


def test_a_block_is_made_by_the_keyboard_alone(site: Site, browsing: Browsing) -> None:
    page = enter(site, browsing)
    page.goto("/catalog/page-login")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    for wanted, typed in (("Name", "by-keys"), ("User", "keyboard")):
        for _ in range(40):
            label = page.evaluate("document.activeElement.labels?.[0]?.textContent.trim() ?? ''")
            if label.startswith(wanted):
                break
            page.keyboard.press("Tab")
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**/blocks/page-login/by-keys")
    assert Login.load("by-keys") == Login(user="keyboard")
