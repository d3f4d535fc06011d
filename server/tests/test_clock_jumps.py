"""A server whose clock leaps while it works: nothing is lost or done twice, and what ends by the clock says so.

The clock is leapt by libfaketime, in the server's process only; clocks that only grow go on as they do in a real leap.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest
import urllib3
from killed_client import Client, Leaf, leaf_of
from started_server import StartedServer

from blocks_core.library import Library
from blocks_registry.access import Role, open_access
from blocks_registry.errors import TokenExpired
from blocks_registry.settings import Settings

LEAPS = ("+2d", "-400d", "+3650d", "+0")
PRELOADED = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

Leap = Callable[[str], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StartedServer]:
    if not PRELOADED:
        pytest.skip("needs libfaketime, which lets a clock leap: apt-get install faketime")
    (tmp_path / "clock").write_text("+0")
    home = tmp_path / "home"
    found = StartedServer(home, f"sqlite:///{home / 'blocks.db'}", tmp_path / "log")
    found.start(
        LD_PRELOAD=str(PRELOADED[0]),
        FAKETIME_TIMESTAMP_FILE=str(tmp_path / "clock"),
        FAKETIME_CACHE_DURATION="1",  # seconds: to read the file at each look at the clock is slow
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    yield found
    found.end()


@pytest.fixture
def leap(server: StartedServer, tmp_path: Path) -> Leap:
    """Let the server's clock leap to so far from the real one, and see that it did."""

    def leap(offset: str) -> None:
        new = tmp_path / "clock.new"
        new.write_text(offset)
        os.replace(new, tmp_path / "clock")
        real = timedelta(days=int(offset.removesuffix("d")))
        registry, end = server.registry(), monotonic() + 20
        while True:
            registry.note("test.leapt", offset)
            at = registry.audit(action="test.leapt", limit=1)[0].at
            if abs(at - datetime.now(UTC) - real) < timedelta(minutes=2):
                registry.close()
                return
            assert monotonic() < end, f"the clock has not leapt {offset}: it says {at}"
            sleep(0.05)

    return leap


def test_writers_and_readers_notice_nothing_of_a_leap(server: StartedServer, leap: Leap) -> None:
    is_over, faults, done = Event(), [], [0, 0]

    def act(number: int) -> None:
        try:
            client = Client(number, server.registry())
            client.register()
            while not is_over.is_set():
                done[number] += 1
                for one in (
                    client.create,
                    client.save,
                    client.load,
                    client.rename,
                    client.change,
                    client.delete,
                ):
                    one(done[number])
        except BaseException as error:
            faults.append(error)

    threads = [Thread(target=act, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for offset in LEAPS:
        await_rounds(done, 2)
        leap(offset)
    await_rounds(done, 2)
    is_over.set()
    for thread in threads:
        thread.join(60)
    assert faults == []
    registry = server.registry()
    for number in range(2):
        made = [line.name for line in registry.find("served-leaf") if line.name.startswith(f"made-{number}-")]
        assert len(made) == done[number]
        versions = [line.version for line in registry.history("served-leaf", f"saved-{number}")]
        assert versions == list(range(done[number], 0, -1))
    assert registry.verify_audit().problems == ()
    registry.close()
    for path in ("/blocks", "/blocks?sort=changed", "/audit", "/metrics", "/healthz"):
        assert server.get(path).status < 500
    assert "Traceback" not in server.said()


def await_rounds(done: list[int], more: int) -> None:
    """Wait until each client has done so many rounds more."""
    wanted, end = [each + more for each in done], monotonic() + 60
    while any(each < least for each, least in zip(done, wanted, strict=True)) and monotonic() < end:
        sleep(0.01)


def test_a_write_sent_again_after_a_leap_is_done_once(server: StartedServer, leap: Leap) -> None:
    registry = server.registry()
    library = Library(registry)
    library.register(Leaf)
    sent = {
        "method": "POST",
        "url": f"{server.url}/api/v1/audit",
        "headers": {"Authorization": f"Bearer {server.token}", "Idempotency-Key": "a-key-of-the-clock-test"},
        "json": {"action": "test.noted", "subject": "served-leaf/one", "detail": {}},
    }
    for offset in ("+0", *LEAPS):
        leap(offset)
        for counter in range(40):  # of a hundred one looks for keys that are too old
            library.save(leaf_of(counter), "busy", overwrite=True)
        assert urllib3.request(**sent, retries=False, timeout=30).status == 204
    assert len(registry.audit(action="test.noted")) == 1
    registry.close()


def test_what_ends_by_the_clock_says_so_and_is_good_again_when_the_clock_is_right(
    server: StartedServer, leap: Leap
) -> None:
    access = open_access(Settings(server.home, server.database_url))
    ends = datetime.now(UTC) + timedelta(days=1)
    token = access.tokens.create("short", Role.ADMIN, expires_at=ends).text
    link = f"{server.url}/login?code={access.logins.new_code('short')}"
    login = urllib3.request("GET", link, redirect=False, retries=False, timeout=30)
    cookie = login.headers["Set-Cookie"].partition(";")[0]

    def overview() -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "GET", f"{server.url}/", headers={"Cookie": cookie}, redirect=False, retries=False, timeout=30
        )

    short = server.registry(token=token)
    assert (short.types(), overview().status) == ([], 200)
    leap("+2d")
    with pytest.raises(TokenExpired, match="short"):
        short.types()
    assert overview().headers["Location"].startswith("/login")
    leap("-400d")
    assert (short.types(), overview().status) == ([], 200)
    leap("+0")
    assert (short.types(), overview().status) == ([], 200)
    short.close()
