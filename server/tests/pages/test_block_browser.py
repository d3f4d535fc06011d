"""The pages of blocks in a real browser, where scripts make them smooth and keep nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from accessibility import find_barriers
from block_pages import CANARY, Login, Store
from browser import Browsing, Look
from page_site import Site, served_site

from blocks_registry.access import Role


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with served_site(tmp_path_factory.mktemp("home")) as site:
        yield site


def test_a_block_is_made_with_another_in_its_place_and_tested(site: Site, browsing: Browsing) -> None:
    Store(title="old").save("taken")
    page = browsing.open(site.url)
    page.goto(site.link())
    page.goto("/catalog/page-store")
    page.get_by_label("Name", exact=False).first.fill("taken")
    page.get_by_text("Name is taken").wait_for()
    page.get_by_label("Name", exact=False).first.fill("fresh")
    page.get_by_text("fresh is free").wait_for()
    page.locator("[name=title]").fill("typed")
    page.locator("[name=key]").select_option("set")
    page.locator("[name='key~value']").fill(CANARY)
    page.locator("[name=login]").select_option("inside:page-login")
    page.locator("[name='login~saved-as']").fill("ann")
    page.locator("[name='login.user']").fill("Ann")
    assert page.locator("[name=title]").input_value() == "typed"
    assert page.locator("[name='key~value']").input_value() == CANARY  # not lost by the change of the form
    page.get_by_role("button", name="Save the block").last.click()
    page.wait_for_url("**/blocks/page-store/fresh")
    page.get_by_role("button", name="Test").click()
    page.locator("#check .results").get_by_text("3 things").wait_for()
    store = site.stage.library.load(Store, "fresh")
    assert (store.key.get_secret_value(), store.login) == (CANARY, Login.load("ann"))
    assert browsing.places_of(CANARY) == []


def test_the_list_is_searched_while_typing_and_goes_back(site: Site, browsing: Browsing) -> None:
    for name in ("alpha", "beta"):
        Login(user="Ann").save(name, overwrite=True)
    page = browsing.open(site.url)
    page.goto(site.link(Role.VIEWER))
    page.goto("/blocks")
    page.get_by_label("Search").fill("alph")
    page.get_by_role("link", name="beta").wait_for(state="detached")
    assert page.get_by_role("link", name="alpha").is_visible()
    assert "q=alph" in page.url
    page.get_by_role("link", name="alpha").click()
    page.get_by_role("heading", name="alpha").wait_for()
    page.go_back()
    page.get_by_role("link", name="alpha").wait_for()
    page.get_by_label("Search").fill("alp")
    page.wait_for_url("**q=alp&**")
    page.go_back()
    page.wait_for_url("**q=alph&**")
    page.get_by_role("link", name="alpha").wait_for()
    assert page.get_by_role("heading", name="Blocks").count() == 1
    kept = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert kept == ["htmx-current-path-for-history"]  # and no page, nor what was typed


@pytest.mark.parametrize("look", [Look(), Look(dark=True, phone=True), Look(scripts=False)], ids=str)
def test_pages_fit_and_have_no_barriers(site: Site, browsing: Browsing, look: Look) -> None:
    Login(user="Ann").save("ann", overwrite=True)
    Store(title="a", login=Login.load("ann")).save("it", overwrite=True)
    Store(title="b", login=Login.load("ann")).save("it", overwrite=True)
    page = browsing.open(site.url, look)
    page.goto(site.link())
    at = "/blocks/page-store/it"
    for path in (
        "/",
        "/plugins",
        "/keys",
        "/tokens",
        "/audit",
        "/audit/report",
        "/blocks",
        "/catalog",
        "/catalog/page-store",
        at,
        f"{at}/edit",
        f"{at}/versions",
        f"{at}/diff?old=1&new=2",
        f"{at}/rename",
        "/blocks/page-login/ann/delete",
    ):
        page.goto(path)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if look.scripts:
            assert find_barriers(page) == [], path
            assert page.evaluate(width) == 0, path
        else:
            assert page.locator("h1").is_visible(), path


def test_what_went_wrong_with_a_part_of_a_page_is_said_and_the_page_stays(
    site: Site, browsing: Browsing
) -> None:
    page = browsing.open(site.url)
    page.goto(site.link())
    page.goto("/catalog/page-store")
    page.locator("[name=title]").fill("typed")
    page.locator(".block-form [name=csrf]").evaluate("input => { input.value = 'of another session'; }")
    page.get_by_role("button", name="Add an item").first.click()
    page.get_by_role("alert").get_by_text("This form was not made for your session").wait_for()
    assert page.locator("[name=title]").input_value() == "typed"
    assert all("403" in each for each in browsing.problems)
    browsing.problems.clear()  # htmx writes it into the console, too
