"""The pages that are not about one block: overview, plugins, keys, tokens, audit, colours, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from block_pages import CANARY, MARKUP, Login, Stage, Store, staged
from pydantic import SecretStr

from blocks_core.current import Actor, acting_as
from blocks_registry.access import Role
from blocks_registry.opening import open_database, open_keys
from blocks_registry.rotation import Rotation
from blocks_registry.settings import Settings


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


def made_token(page_html: str) -> str:
    return re.search(r'id="made-token">(blk_[^<]+)<', page_html)[1]


def test_an_empty_registry_says_what_to_do_first(tmp_path):
    with staged(tmp_path) as stage:
        for role, title in ((Role.ADMIN, "Give programs a token"), (Role.EDITOR, "Make a block")):
            text = stage.browser(role).get("/").text
            assert "First steps" in text
            assert title in text
        assert "export BLOCKS_URL=http://127.0.0.1" in stage.browser(Role.ADMIN).get("/").text
        assert "Make a block" not in stage.browser(Role.VIEWER).get("/").text


def test_the_overview_shows_what_changed_lately_and_what_is_stored_as_of_an_older_version(stage):
    Login(user="ann").save("lately", overwrite=True)
    page = stage.browser(Role.VIEWER).get("/")
    assert "Changed lately" in page.text
    assert '"/blocks/page-login/lately"' in page.html


@pytest.mark.parametrize("path", ["/keys", "/tokens", "/audit", "/audit/report"])
def test_pages_of_admins_are_neither_offered_nor_shown_to_others(stage, path):
    for role in (Role.VIEWER, Role.EDITOR, Role.RUNNER):
        browser = stage.browser(role)
        assert f'href="{path}"' not in browser.get("/").html
        refused = browser.get(path)
        assert refused.status == 403
        assert "admin" in refused.text
        assert "All blocks" in refused.text, "the error is on a page that leads on"
    assert stage.browser(Role.ADMIN).get(path).status == 200


def test_nobody_but_an_admin_makes_or_revokes_a_token(stage):
    browser = stage.browser(Role.EDITOR)
    made = browser.act("/tokens", name="mine", role="admin", allow="*", days="never")
    revoked = browser.act("/tokens/revoke", id="the-admin")
    assert (made.status, revoked.status) == (403, 403)
    assert "mine" not in [token.name for token in stage.service.access.tokens.all()]


def test_a_token_is_made_shown_once_used_and_revoked(stage):
    browser = stage.browser(Role.ADMIN)
    page = browser.act("/tokens", name="ci", role="runner", allow="page-login/* secret/a", days="30")
    text = made_token(page.html)
    assert text not in browser.get("/tokens").html
    assert "page-login/* secret/a" in browser.get("/tokens").text
    holder = stage.service.access.authenticator.holder_of_token(text)
    assert (holder.name, holder.role) == ("ci", Role.RUNNER)
    token = stage.service.access.tokens.find("ci")
    assert token.created_by == "the-admin"
    assert browser.act("/tokens/revoke", id=token.id).location == "/tokens"
    assert "is revoked" in browser.get("/tokens").text
    assert "ci</strong>" not in browser.get("/tokens").html
    assert "revoked" in browser.get("/tokens?every=true").text


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"name": "a b"}, 422, "A token is named by"),
        ({"name": "the-admin"}, 409, "There is a token 'the-admin' already"),
        ({"role": "king"}, 422, "Choose a role"),
        ({"days": "0"}, 422, "Choose a role"),
        ({"allow": "s3"}, 422, "is no pattern of addresses"),
        ({"role": "admin", "allow": "s3/*"}, 422, "a list of addresses would bind nobody"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_and_what_was_typed_stays(stage, given, status, said):
    asked = {"name": "fresh", "role": "viewer", "allow": "*", "days": "7", **given}
    page = stage.browser(Role.ADMIN).act("/tokens", **asked)
    assert page.status == status
    assert said in page.text
    assert f'value="{asked["name"]}"' in page.html
    assert f'value="{asked["allow"]}"' in page.html


def test_a_runner_is_told_which_blocks_its_list_lacks(stage):
    login = Login(user="bob")
    login.save("of-gap", overwrite=True)
    Store(title="gap", login=login).save("gap", overwrite=True)
    page = stage.browser(Role.ADMIN).act(
        "/tokens", name="gappy", role="runner", allow="page-store/*", days="1"
    )
    assert "It cannot load page-store/gap, which holds page-login/of-gap" in page.text


def test_the_audit_is_shown_a_page_at_a_time_and_of_one_subject(stage):
    browser = stage.browser(Role.ADMIN)
    for number in range(120):
        Login(user=f"user {number}").save("often", overwrite=True)
    first = browser.get("/audit")
    numbers = [int(found) for found in re.findall(r"Row </span>(\d+)<", first.html)]
    assert len(numbers) == 100
    following = re.search(r'href="(/audit\?before=\d+)" rel="next"', first.html)[1]
    older = [int(found) for found in re.findall(r"Row </span>(\d+)<", browser.get(following).html)]
    assert max(older) == min(numbers) - 1
    only = browser.get("/audit?subject=page-login/lately")
    assert "page-login/often" not in only.text.partition("Detail")[2]
    assert "Nothing is recorded of nobody/here" in browser.get("/audit?subject=nobody/here").text


def test_the_audit_is_narrowed_to_who_acted_and_how_and_stays_so_when_paged(stage):
    browser = stage.browser(Role.ADMIN)
    with acting_as(Actor("token", "a busy one", user="the night's")):
        for number in range(101):
            Login(user=f"user {number}").save("busy", overwrite=True)
        Login.delete("busy")
    first = browser.get("/audit?by=a+busy+one&action=block.saved")
    assert first.html.count("<tr>") == 1 + 100
    following = unescape(re.search(r'href="([^"]+)" rel="next"', first.html)[1])
    assert re.fullmatch(r"/audit\?by=a\+busy\+one&action=block\.saved&before=\d+", following)
    last = browser.get(following)
    assert last.html.count("<tr>") == 1 + 1
    assert 'href="/audit?by=a+busy+one&amp;action=block.saved">' in last.html  # to the newest
    [link] = set(re.findall(r'href="([^"]+)" aria-label="the night', last.html))
    assert unescape(link) == "/audit?by=the+night%27s&action=block.saved"
    assert browser.get(unescape(link)).html.count("<tr>") == 1 + 100
    nothing = browser.get("/audit?by=nobody&action=block.saved").text
    assert "Nothing is recorded by nobody with the action block.saved" in nothing


def test_the_audit_tells_whether_it_is_whole(stage):
    browser = stage.browser(Role.ADMIN)
    page = browser.get("/audit/report")
    assert "The audit is whole" in page.text
    head = re.search(r'<pre class="code">([^<]+)</pre>', page.html)[1]
    assert "none before the head that you gave" in browser.get(f"/audit/report?head={head}").text
    assert "The audit is not whole" in browser.get("/audit/report?head=3:00ff").text


def test_keys_are_shown_by_state_with_how_far_a_rotation_is(tmp_path):
    with staged(tmp_path) as stage:
        Login(user="ann", password=SecretStr(CANARY)).save("it")
        browser = stage.browser(Role.ADMIN)
        assert "primary" in browser.get("/keys").text
        assert "Sealed with the primary key" not in browser.get("/keys").text
        settings = Settings(tmp_path, f"sqlite:///{tmp_path / 'blocks.db'}")
        rotation = Rotation(open_database(settings), open_keys(settings))
        rotation.add()
        rotation.promote()
        page = browser.get("/keys")
        assert "Sealed with the primary key: 0 of 1 versions" in page.text
        assert "block keys rewrap" in browser.get("/").text
        assert "every 2s" in browser.part("/keys").html
        assert "<html" not in browser.part("/keys").html
        rotation.rewrap()
        rotation.close()
        assert "every 2s" not in browser.part("/keys").html
        keys = (tmp_path / "keys.json").read_text()
        for secret in re.findall(r'"([A-Za-z0-9_=+/-]{40,})"', keys):
            assert secret not in page.html


def test_plugins_are_shown_with_their_types(stage):
    text = stage.browser(Role.VIEWER).get("/plugins").text
    assert "blocks-standard" in text
    assert "local-file-system" in text


def test_colours_are_chosen_and_kept_and_forgotten(stage):
    browser = stage.browser(Role.VIEWER)
    assert "data-theme" not in browser.get("/").html
    chosen = browser.act("/theme", theme="dark", next="/blocks?q=x")
    assert (chosen.status, chosen.location) == (303, "/blocks?q=x")
    assert '<html lang="en" data-theme="dark">' in browser.get("/").html
    browser.act("/theme", theme="", next="//evil.example")
    assert "data-theme" not in browser.get("/").html


def test_markup_in_names_and_subjects_is_shown_as_text(stage):
    browser = stage.browser(Role.ADMIN)
    made = browser.act("/tokens", name=MARKUP, role="viewer", allow=MARKUP, days="7")
    assert made.status == 422
    for page in (made, browser.get(f"/audit?subject={MARKUP}")):
        assert "<script>alert" not in page.html
        assert "<img src=x" not in page.html


def test_an_address_without_a_page_is_told_on_a_page_and_to_programs_as_a_problem(stage):
    browser = stage.browser(Role.VIEWER)
    page = browser.get("/no/such/page", Accept="text/html")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no page at this address" in page.text
    assert browser.get("/no/such/page").headers["content-type"] == "application/problem+json"
    assert (
        browser.get("/api/v1/nope", Accept="text/html")
        .headers["content-type"]
        .startswith("application/problem")
    )
