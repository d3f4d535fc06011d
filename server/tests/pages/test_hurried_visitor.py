"""A visitor who does not wait: presses again, or saves, before the server has answered. Nothing of it is lost silently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from block_pages import CANARY, Mirror, Queue, Store
from browser import Browsing
from page_site import Site, served_site
from playwright.sync_api import Page, Route
from pydantic import SecretStr

from blocks_core import Block


class Hook(Block, slug="page-hook"):
    """Has fields of which HTML makes something else: an input hides what a form has of that name."""

    method: str = "POST"
    action: str = "call"
    dataset: str = "raw"
    target: str = "all"
    parts: list[str] = []


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with served_site(tmp_path_factory.mktemp("home")) as site:
        site.stage.library.register(Hook)
        yield site


@dataclass
class Form:
    """The form of a stored block, whose changes the server answers when it is told to."""

    page: Page
    asked: list[Route] = field(default_factory=list)
    is_slow: bool = True

    def press(self, selector: str) -> None:
        """Press at once, as fingers do, whatever the form is about to become."""
        self.page.locator(selector).last.evaluate("button => button.click()")

    def changing(self) -> int:
        """Wait until the server was asked for a change, and return how many it was asked for."""
        while not self.asked:
            self.page.wait_for_timeout(10)
        self.page.wait_for_timeout(100)
        return len(self.asked)

    def answer(self) -> None:
        """Have the changes answered that are asked for, and later ones at once."""
        self.is_slow = False
        for route in self.asked:
            route.continue_()

    def fail(self) -> None:
        """Cut the line to all that is asked for; later changes are answered at once."""
        self.is_slow = False
        for route in self.asked:
            route.abort()

    def ask(self, route: Route) -> None:
        """Take a request for a change."""
        if self.is_slow:
            self.asked.append(route)
        else:
            route.continue_()


@pytest.fixture
def form(site: Site, browsing: Browsing) -> Form:
    Store(
        title="old",
        mirrors=[Mirror(url="a", token=SecretStr(CANARY)), Mirror(url="b"), Mirror(url="c")],
        options={"retries": "3"},
        place=Queue(topic="news"),
    ).save("hurried", overwrite=True)
    page = browsing.open(site.url)
    page.goto(site.link())
    page.goto("/blocks/page-store/hurried/edit")
    form = Form(page)
    page.route("**/form", form.ask)
    return form


def _saved(site: Site) -> Store:
    return site.stage.library.load(Store, "hurried")


def _version(site: Site) -> int:
    return site.stage.registry.read("page-store", "hurried").version


def test_what_is_saved_while_the_form_changes_has_the_change(site: Site, form: Form) -> None:
    form.press("button[value='remove options[0]']")
    form.changing()
    form.press("button.primary")
    form.answer()
    form.page.wait_for_url("**/blocks/page-store/hurried")
    assert _saved(site).options == {}


def test_enter_saves_what_the_form_becomes(site: Site, form: Form) -> None:
    form.page.locator("[name='place~branch']").select_option(label="Folder")
    form.changing()
    form.page.locator("[name=title]").press("Enter")
    form.answer()
    form.page.get_by_role("alert").get_by_role("link", name="Path").wait_for()
    assert isinstance(_saved(site).place, Queue)


def test_a_second_change_does_not_undo_the_first(site: Site, form: Form) -> None:
    form.press("button[value='remove mirrors[0]']")
    form.changing()
    form.press("button[value='remove options[0]']")
    assert form.changing() == 1
    form.answer()
    form.page.locator("[name='mirrors[0].url']").wait_for(state="detached")
    form.page.locator("button.primary").click()
    form.page.wait_for_url("**/blocks/page-store/hurried")
    saved = _saved(site)
    assert ([mirror.url for mirror in saved.mirrors], saved.options) == (["b", "c"], {"retries": "3"})


def test_a_form_that_came_can_be_changed_at_once(form: Form) -> None:
    form.page.evaluate("""() => {
        const seen = new MutationObserver(() => {
            const choice = document.querySelector("[name='place~branch']");
            seen.disconnect();
            choice.value = [...choice.options].find((one) => one.text === "Folder").value;
            choice.dispatchEvent(new Event("change", { bubbles: true }));
        });
        seen.observe(document.getElementById("main"), { childList: true, subtree: true });
    }""")
    form.press("button[value='remove options[0]']")
    form.changing()
    form.answer()
    form.page.locator("[name='place.path']").wait_for()
    assert form.page.locator("[name='options[0]']").count() == 0


def test_what_would_be_lost_cannot_be_typed(form: Form) -> None:
    title = form.page.locator("[name=title]")
    form.press("button[value='remove options[0]']")
    form.changing()
    title.press("End")
    form.page.keyboard.type("er")
    assert title.input_value() == "old"
    form.answer()
    form.page.locator("[name='options[0]']").wait_for(state="detached")
    title.press("End")
    form.page.keyboard.type("er")
    assert title.input_value() == "older"


def test_where_the_change_fails_nothing_is_saved(site: Site, form: Form, browsing: Browsing) -> None:
    version = _version(site)
    form.press("button[value='remove options[0]']")
    form.changing()
    form.press("button.primary")
    form.fail()
    form.page.get_by_role("alert").get_by_text("does not answer").wait_for()
    browsing.problems.clear()  # the line that was cut
    form.page.locator("button[value='remove options[0]']").click()
    form.page.locator("[name='options[0]']").wait_for(state="detached")
    assert _version(site) == version


def test_a_double_click_saves_once(site: Site, form: Form) -> None:
    version = _version(site)
    form.page.locator("[name=title]").fill("newer")
    form.page.locator("button.primary").dblclick()
    form.page.wait_for_url("**/blocks/page-store/hurried")
    assert (_version(site), _saved(site).title) == (version + 1, "newer")


def test_a_save_that_waits_does_not_go_with_another_answer(form: Form) -> None:
    page = form.page
    page.goto("/catalog/page-hook")
    page.get_by_label("Name", exact=False).first.fill("noted")
    form.press("button[value='add parts']")
    form.changing()
    form.press("button.primary")
    page.get_by_text("noted is free").wait_for()
    form.answer()
    page.get_by_role("alert").get_by_role("link", name="Item 1").wait_for()


def test_fields_may_have_the_names_of_what_a_form_has(site: Site, form: Form) -> None:
    page = form.page
    page.goto("/catalog/page-hook")
    form.press("button[value='add parts']")
    form.changing()
    page.locator("[name=method]").press("Enter")
    form.answer()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Name", exact=False).first.fill("named")
    page.locator("[name='parts[0]']").fill("one")
    page.get_by_role("button", name="Save the block").last.dblclick()
    page.wait_for_url("**/blocks/page-hook/named")
    assert site.stage.library.load(Hook, "named").parts == ["one"]


def test_what_is_sent_again_is_done_once(site: Site) -> None:
    browser = site.stage.browser()
    page = browser.get("/catalog/page-store")
    typed = {":name": "again", "title": "first"}
    first, again = (browser.send("/catalog/page-store", page, typed) for _ in range(2))
    assert (
        (first.status, first.location) == (again.status, again.location) == (303, "/blocks/page-store/again")
    )
    other = browser.send("/catalog/page-store", page, {**typed, "title": "other"})
    assert (other.status, "is taken" in other.problems) == (409, True)

    page = browser.get("/blocks/page-store/again/edit")
    first, again = (
        browser.send("/blocks/page-store/again/edit", page, {"title": "second"}) for _ in range(2)
    )
    assert (first.status, again.status) == (303, 303)
    assert site.stage.registry.read("page-store", "again").version == 2
    other = browser.send("/blocks/page-store/again/edit", page, {"title": "other"})
    assert (other.status, "Somebody else saved" in other.text) == (409, True)
