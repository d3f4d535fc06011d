"""Getting to the pages: sessions, forms that are not ours, headers, errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from block_pages import CANARY, Stage, staged
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from blocks_registry.access import Role


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("home")) as stage:
        yield stage


@pytest.fixture
def client(stage: Stage) -> TestClient:
    """Return somebody without a session."""
    return TestClient(stage.app, base_url="http://127.0.0.1", follow_redirects=False)


def token(stage: Stage, name: str, role: Role = Role.EDITOR) -> str:
    return stage.service.access.tokens.create(name, role).text


OPEN = {"/login", "/static/{name}"}


def test_every_page_leads_to_the_login_whoever_has_no_session(stage, client):
    asked = 0
    for context in iter_route_contexts(stage.app.routes):
        route = context.original_route
        if not route.endpoint.__module__.startswith("blocks_server.pages") or context.path in OPEN:
            continue
        path = context.path.replace("{slug}", "secret").replace("{name}", "it")
        for method in route.methods:
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["location"][:12]) == (303, "/login?next="), path
            asked += 1
    assert asked >= 20
    part = client.get("/blocks", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login?next=/blocks")


def test_a_token_opens_a_session_whose_cookie_no_script_reads(stage, client):
    text = token(stage, "ann")
    answer = client.post("/login", data={"token": text, "next": "/blocks?q=x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/blocks?q=x")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    assert text not in answer.headers["set-cookie"]
    page = client.get("/blocks")
    assert page.status_code == 200
    assert "ann, editor" in page.text
    assert text not in page.text
    assert client.cookies["blocks-session"] not in page.text


def test_a_wrong_token_is_not_repeated_and_no_other_site_is_led_to(stage, client):
    answer = client.post("/login", data={"token": CANARY, "next": "//evil.example/"})
    assert (answer.status_code, CANARY in answer.text) == (401, False)
    assert "evil.example" not in answer.text
    text = token(stage, "led")
    for path in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "x"):
        assert client.post("/login", data={"token": text, "next": path}).headers["location"] == "/"


def test_a_code_opens_one_session_and_stays_in_no_address(stage, client):
    token(stage, "by-code")
    code = stage.service.access.logins.new_code("by-code")
    answer = client.get(f"/login?code={code}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    again = client.get(f"/login?code={code}")
    assert (again.status_code, code in again.text) == (401, False)


def test_a_session_ends_with_a_logout_and_with_its_token(stage, client):
    stage.browser("editor")
    client.post("/login", data={"token": token(stage, "leaves")})
    csrf = client.get("/blocks").text.partition('name="csrf" value="')[2].partition('"')[0]
    kept = dict(client.cookies)
    assert client.post("/logout", data={"csrf": csrf}).headers["location"] == "/login"
    client.cookies.update(kept)
    assert client.get("/blocks").status_code == 303
    client.post("/login", data={"token": token(stage, "revoked")})
    assert client.get("/blocks").status_code == 200
    stage.service.access.revoke("revoked")
    assert client.get("/blocks").status_code == 303


def test_a_form_of_another_site_does_nothing(stage, client):
    client.post("/login", data={"token": token(stage, "victim")})
    for given in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}):
        answer = client.post("/catalog/page-store", data={**given, ":name": "it", "title": "x"})
        assert answer.status_code == 403
        assert "nothing was done" in answer.text
    assert stage.registry.find("page-store") == []
    other = client.post("/login", data={"token": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert other.status_code == 403


def test_pages_run_no_script_but_ours_and_are_kept_nowhere(stage):
    for path in ("/blocks", "/catalog", "/catalog/page-store", "/blocks/page-store/no-such"):
        answer = stage.browser().get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        for word in ("<style", " style=", " onclick", "javascript:", 'src="http', 'href="http'):
            assert word not in answer.html, word
        for script in answer.html.split("<script")[1:]:
            assert script.startswith(' src="/static/')


def test_styles_and_scripts_may_be_kept_for_long_under_the_address_of_their_content(stage, client):
    page = client.get("/login").text
    url = page.partition('href="/static/')[2].partition('"')[0]
    assert "immutable" in client.get(f"/static/{url}").headers["cache-control"]
    assert client.get("/static/pages.css?v=other").headers["cache-control"] == "no-cache"
    assert client.get("/static/..%2Fvisits.py").status_code == 404
    assert client.get("/static/nothing.css").status_code == 404


def test_what_is_no_form_is_refused_on_a_page(stage):
    browser = stage.browser()
    for body in (b"\xff\xfe", b"a=%ff", b"a=" * 10):
        answer = browser.raw("/catalog/page-store", body)
        assert answer.status in (400, 403)
        assert "<h1>" in answer.html


def test_a_message_that_a_session_did_not_leave_is_not_shown(stage, client):
    client.post("/login", data={"token": token(stage, "reader")})
    client.cookies.set("blocks-message", "PGI-aGk8L2I-.00")
    assert "hi" not in client.get("/blocks").text.partition("<main")[2].partition("<header")[0]
