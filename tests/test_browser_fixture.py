"""The browser of tests sees what pages do wrong, and disturbs no other test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from accessibility import find_barriers
from browser import Browsing, Chromium, Look

CANARY = "canary-b0b0"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src http: data:"
PAGES = {
    "/": (
        "text/html",
        b"<!doctype html><html lang=en><title>Home</title><link rel=icon href=data:,><h1>Home</h1>",
    ),
    "/inline": (
        "text/html",
        b"<!doctype html><title>x</title><link rel=icon href=data:,><p style='color:red'>red",
    ),
    "/away": (
        "text/html",
        b"<!doctype html><title>x</title><link rel=icon href=data:,><img src=http://127.0.0.1:9/a>",
    ),
    "/throws": (
        "text/html",
        b"<!doctype html><title>x</title><link rel=icon href=data:,><script src=/bad.js></script>",
    ),
    "/bad.js": ("text/javascript", b"missing_function()"),
    "/lacks": (
        "text/html",
        b"<!doctype html><title>x</title><link rel=icon href=data:,><script src=/no.js></script>",
    ),
    "/keeps": (
        "text/html",
        b"<!doctype html><title>x</title><link rel=icon href=data:,><script src=/keeps.js></script>",
    ),
    "/keeps.js": (
        "text/javascript",
        b"localStorage.setItem('draft', 'canary-b0b0'); console.log('canary-b0b0')",
    ),
    "/barrier": (
        "text/html",
        b"<!doctype html><html lang=en><title>x</title><link rel=icon href=data:,><input>",
    ),
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = PAGES.get(self.path, ("text/html", b"nothing here"))
            self.send_response(200 if self.path in PAGES else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def complaining(browsing: Browsing, about: str) -> Iterator[None]:
    """See that what is done in the `with` statement would fail the test, and let it pass."""
    yield
    assert any(about in problem for problem in browsing.problems), browsing.problems
    browsing.problems.clear()


def test_a_page_without_fault_passes_in_each_look(site: str, browsing: Browsing) -> None:
    for look in (Look(), Look(dark=True), Look(phone=True), Look(scripts=False)):
        page = browsing.open(site, look)
        page.goto("/")
        assert page.get_by_role("heading", name="Home").is_visible()


@pytest.mark.parametrize(
    ("path", "about"),
    [
        ("/inline", "Content Security Policy"),
        ("/away", "elsewhere"),
        ("/throws", "missing_function"),
        ("/lacks", "404"),
    ],
)
def test_what_no_page_may_do_fails_the_test(site: str, browsing: Browsing, path: str, about: str) -> None:
    with complaining(browsing, about):
        browsing.open(site).goto(path)


def test_a_missing_page_is_no_fault_of_the_browser(site: str, browsing: Browsing) -> None:
    response = browsing.open(site).goto("/nowhere")
    assert response is not None
    assert response.status == 404


def test_a_text_is_found_wherever_the_browser_was_sent_it_or_keeps_it(site: str, browsing: Browsing) -> None:
    page = browsing.open(site)
    page.goto("/keeps")
    assert browsing.places_of(CANARY) == ["console", "storage"]
    assert "headers of GET /keeps" in browsing.places_of("script-src")
    assert browsing.places_of("never said") == []


def test_a_barrier_is_found(site: str, browsing: Browsing) -> None:
    page = browsing.open(site)
    page.goto("/barrier")
    assert any("label" in line for line in find_barriers(page))
    page.goto("/")
    assert find_barriers(page) == []


def test_an_event_loop_can_be_run_while_there_is_a_browser(chromium: Chromium) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert asyncio.run(answer()) == 42
    with chromium.at_hand() as browser:
        assert browser.is_connected()
    assert asyncio.run(answer()) == 42
