"""One remote registry for many threads, for forked children, and after it was closed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from killed_client import Leaf, leaf_of
from served import Served, serving

from blocks_core.library import Library
from blocks_registry import RemoteRegistry

COUNT = 24


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as found:
        registry = found.registry()
        library = Library(registry)
        library.register(Leaf)
        for number in range(COUNT):
            registry.save(library.draft(leaf_of(number), f"leaf-{number}"))
        registry.close()
        yield found


@pytest.fixture
def registry(served: Served) -> Iterator[RemoteRegistry]:
    registry = served.registry()
    yield registry
    registry.close()
    gc.collect()  # a socket that nobody closed is a warning, and so an error


def see_own(registry: RemoteRegistry, number: int) -> None:
    leaf = Library(registry).load(Leaf, f"leaf-{number}")
    assert (leaf.counter, leaf.token.get_secret_value()) == (number, f"token-{number}")


def sockets() -> int:
    links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


def in_child(act: Callable[[], None]) -> int:
    """Do something in a forked child; return its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_sixteen_threads_are_each_given_their_own(registry: RemoteRegistry) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: see_own(registry, number % COUNT), range(400)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_connections_of_its_own_and_harms_none_of_its_parent(
    registry: RemoteRegistry,
) -> None:
    for number in range(COUNT):
        see_own(registry, number)

    def act() -> None:
        for number in range(COUNT):
            see_own(registry, number)
        registry.close()

    for _ in range(3):
        assert in_child(act) == 0
        see_own(registry, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of a fork beside threads")
def test_children_that_are_forked_in_the_middle_of_requests_get_no_answer_of_others(
    registry: RemoteRegistry,
) -> None:
    is_over = Event()

    def work(number: int) -> None:
        while not is_over.is_set():
            see_own(registry, number)

    workers = [Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    try:
        codes = [
            in_child(lambda turn=turn: [see_own(registry, (turn + n) % COUNT) for n in range(8)] and None)
            for turn in range(10)
        ]
    finally:
        is_over.set()
        for worker in workers:
            worker.join(30)
    assert codes == [0] * 10


def test_after_it_was_closed_it_opens_connections_anew_and_leaves_none(registry: RemoteRegistry) -> None:
    registry.close()
    before = sockets()
    for _ in range(5):
        see_own(registry, 3)
        registry.close()
    end = monotonic() + 20
    while sockets() > before and monotonic() < end:  # those of the server, which is in this process too
        sleep(0.01)
    assert sockets() <= before


def test_it_may_be_closed_while_others_use_it(registry: RemoteRegistry) -> None:
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(see_own, registry, number % COUNT) for number in range(200)]
        for _ in range(50):
            registry.close()
        for each in running:
            each.result()
