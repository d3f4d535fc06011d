"""ETag, If-Match and If-None-Match: of two who change what they both read, one learns of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from api_stage import ACCOUNT, PLANTED, draft, fields, fill, save
from served import Served, serving

from blocks_core.errors import VersionConflict
from blocks_core.registry import Put, Remove, Rename
from blocks_registry.remote_wire import API

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        fill(served)
        yield served


def at(name: str, *rest: str) -> str:
    return "/".join((f"{API}/blocks/{ACCOUNT}/{name}", *rest))


def tag(served: Served, name: str) -> str:
    return served.ask("GET", at(name)).headers["ETag"]


Change = Callable[[Served, str, dict[str, str]], Any]

CHANGES: dict[str, Change] = {
    "put": lambda s, n, h: s.ask("PUT", at(n), fields(), headers=h),
    "put that keeps": lambda s, n, h: s.ask("PUT", at(n), fields({"keep": "/password"}), headers=h),
    "rename": lambda s, n, h: s.ask("POST", at(n, "rename"), {"new_name": f"as-{next(_NUMBERS)}"}, headers=h),
    "restore": lambda s, n, h: s.ask("POST", at(n, "restore"), {"version": 1}, headers=h),
    "delete": lambda s, n, h: s.ask("DELETE", at(n), headers=h),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_was_changed_meanwhile_is_refused_and_leaves_no_trace(
    served: Served, change: Change
) -> None:
    name = save(served)
    read = tag(served, name)
    save(served, name)
    refused = change(served, name, {"If-Match": read})
    assert (refused.status, refused.json()["code"]) == (412, "VersionConflict")
    assert refused.json()["values"] == {"address": f"{ACCOUNT}/{name}", "expected": 1, "found": 2}
    assert [line.version for line in served.service.registry.history(ACCOUNT, name)] == [2, 1]
    assert change(served, name, {"If-Match": tag(served, name)}).status < 300


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_block_that_was_made_anew_is_another_although_its_version_is_the_same(
    served: Served, change: Change
) -> None:
    name = save(served)
    read = tag(served, name)
    served.service.registry.delete(ACCOUNT, name)
    save(served, name)
    assert change(served, name, {"If-Match": read}).status == 412
    assert change(served, name, {"If-Match": f'{read}, "other", {tag(served, name)}'}).status < 300


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_star_takes_any_version_of_a_block_that_is_there(served: Served, change: Change) -> None:
    assert change(served, f"never-{next(_NUMBERS)}", {"If-Match": "*"}).status == 412
    assert change(served, save(served), {"If-Match": "*"}).status < 300


def test_an_edit_that_expects_the_id_of_another_block_is_refused_in_the_transaction(served: Served) -> None:
    """So nothing can happen between the look at a tag and the change."""
    registry = served.registry()
    name = save(served)
    old = registry.read(ACCOUNT, name).id
    registry.delete(ACCOUNT, name)
    save(served, name)
    for edit in (
        Put(draft(served, name), 1, old),
        Put(draft(served, name), expected_id=old),
        Rename(ACCOUNT, name, "other", 1, old),
        Remove(ACCOUNT, name, expected_id=old),
    ):
        with pytest.raises(VersionConflict, match="another block has its name now"):
            registry.change([edit])
    with pytest.raises(VersionConflict, match="it is not there any more"):
        registry.change([Put(draft(served, "never-there"), expected_id=old)])
    assert [line.version for line in registry.history(ACCOUNT, name)] == [1]
    registry.close()


def test_of_many_who_read_the_same_version_one_saves(served: Served) -> None:
    name = save(served)
    read, barrier = tag(served, name), Barrier(8)

    def put(number: int) -> int:
        barrier.wait()
        return served.ask("PUT", at(name), fields(user=f"user-{number}"), headers={"If-Match": read}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(put, range(8)))
    assert statuses == [200] + [412] * 7
    assert len(served.service.registry.history(ACCOUNT, name)) == 2


def test_of_many_who_make_a_new_block_one_does(served: Served) -> None:
    name, barrier = f"new-{next(_NUMBERS)}", Barrier(8)

    def put(number: int) -> int:
        barrier.wait()
        return served.ask("PUT", at(name), fields(), headers={"If-None-Match": "*"}).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(8))) == [200] + [412] * 7


def test_a_block_that_the_client_has_is_not_sent_again(served: Served) -> None:
    name = save(served)
    read = tag(served, name)
    for known in (read, f'"other", {read}', f"W/{read}", "*"):
        answer = served.ask("GET", at(name), headers={"If-None-Match": known})
        assert (answer.status, answer.data, answer.headers["ETag"]) == (304, b"", read)
    save(served, name)
    answer = served.ask("GET", at(name), headers={"If-None-Match": read})
    assert (answer.status, answer.json()["version"]) == (200, 2)
    assert PLANTED not in answer.data.decode()


@pytest.mark.parametrize(
    "headers",
    [{"If-None-Match": '"a"'}, {"If-None-Match": "*", "If-Match": "*"}],
    ids=["a tag of what must not be there", "both"],
)
def test_headers_that_contradict_each_other_are_refused(served: Served, headers: dict[str, str]) -> None:
    name = save(served)
    assert served.ask("PUT", at(name), fields(), headers=headers).status == 422
    assert served.ask("DELETE", at(name), headers=headers).status == 422
    assert len(served.service.registry.history(ACCOUNT, name)) == 1


@pytest.mark.parametrize("match", ['"', "x" * 5000, '"0.99999999999999999999"', "W/*", ",,,", '"\xff"'])
def test_a_tag_that_is_none_matches_nothing(served: Served, match: str) -> None:
    name = save(served)
    assert served.ask("DELETE", at(name), headers={"If-Match": match}).status == 412
    assert len(served.service.registry.history(ACCOUNT, name)) == 1


def test_pages_have_each_block_once_while_others_write(served: Served) -> None:
    """What was there from the first page to the last is on one of them, once and in order."""
    steady = sorted(save(served, f"page-{number:03}") for number in range(0, 90, 2))

    def write(number: int) -> None:
        save(served, f"page-{number:03}")
        if number % 4 == 3:
            served.service.registry.delete(ACCOUNT, f"page-{number:03}")

    seen: list[str] = []
    after = ""
    with ThreadPoolExecutor(2) as pool:
        writes = pool.map(write, range(1, 90, 2))
        while True:
            page = served.ask("GET", f"{API}/blocks?q=page-&limit=7&after={after}").json()
            seen += [line["name"] for line in page["items"]]
            after = page["next"]
            if after is None:
                break
        list(writes)
    assert [name for name in seen if name in steady] == steady
    assert seen == sorted(set(seen))
