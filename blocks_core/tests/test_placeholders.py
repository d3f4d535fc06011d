"""What an upgrade is given: plain data in which secrets and references can be moved, and never read."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FunctionType, ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks_core import Block
from blocks_core.chain import bring_up_to_date
from blocks_core.codec import encode_block
from blocks_core.document import Document, Encoded, pointer_to
from blocks_core.errors import DocumentDamaged, UpgradeFailed
from blocks_core.library import Library
from blocks_core.placeholders import (
    BlockPlace,
    MarkedDict,
    MarkedList,
    MarkedText,
    Placeholder,
    SecretPlace,
    SecretReferencePlace,
)
from blocks_core.testing import generated_blocks

CANARY = "canary-4711-canary"
REFERENCE = "block:00000000-0000-0000-0000-000000000005"

CONTENT = Encoded(
    {
        "token": None,
        "ref": "env:CANARY_NAME",
        "held": None,
        "when": "2020-01-31",
        "pair": [1, None],
        "by_number": {"1": "a"},
        "plain": ["x", {"y": None}],
    },
    {
        "/token": "secret:str",
        "/ref": "secretref:str",
        "/held": REFERENCE,
        "/when": "date",
        "/pair": "tuple",
        "/pair/1": "secret:bytes",
        "/by_number": "keys:int",
    },
    {"/token": Encoded(CANARY), "/pair/1": Encoded("Y2FuYXJ5", {"": "bytes"})},
)


def upgraded(content: Encoded, function: Any) -> Encoded:
    """Return what one upgrade makes of content."""

    class Anything(Block, slug="anything-at-all", version=2):
        """Never built."""

    Anything.type_info.upgrades[1] = function  # type: ignore[index] as @upgrades does
    document = Document(uuid4(), "anything-at-all", "it", 1, 1, content, datetime.now(UTC))

    def type_of(slug: str) -> type[Block]:
        from blocks_core.catalog import Catalog

        return Catalog().find(slug)

    return bring_up_to_date(document, Anything, type_of).content


def given_to(content: Encoded) -> Any:
    """Return what an upgrade is given."""
    seen: list[Any] = []

    def look(data: Any) -> Any:
        seen.append(data)
        return data

    upgraded(content, look)
    return seen[0]


def reachable(start: Any) -> Iterator[Any]:
    """Yield every object that can be reached from one, through attributes, slots, closures and the collector.

    Classes, modules and functions lead to the whole process, so the walk ends at them.
    """
    waiting, seen = [start], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(found))
        yield found
        waiting += gc.get_referents(found)
        waiting += list(getattr(found, "__dict__", {}).values())
        slots = [name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())]
        waiting += [getattr(found, name) for name in slots if hasattr(found, name)]


def test_data_is_plain_and_shows_what_its_placeholders_are() -> None:
    data = given_to(CONTENT)
    assert repr(data["token"]) == "<a secret>"
    assert repr(data["ref"]) == "<a secret reference>"
    assert repr(data["held"]) == "<a saved block>"
    assert [type(data[name]) for name in ("token", "ref", "held")] == [
        SecretPlace,
        SecretReferencePlace,
        BlockPlace,
    ]
    assert (data["when"], data["when"].mark) == ("2020-01-31", "date")
    assert (data["pair"][0], data["pair"].mark) == (1, "tuple")
    assert (data["by_number"], data["by_number"].mark) == ({"1": "a"}, "keys:int")
    assert type(data["plain"]) is list
    assert type(data["plain"][1]) is dict
    assert CANARY not in repr(data)
    assert "CANARY_NAME" not in repr(data)


def test_what_is_given_back_as_it_was_is_what_was_stored() -> None:
    assert upgraded(CONTENT, lambda data: data) == CONTENT
    assert upgraded(CONTENT, lambda data: copy.deepcopy(data)) == CONTENT
    assert upgraded(CONTENT, lambda data: data.copy()) == CONTENT
    assert upgraded(CONTENT, lambda data: dict(data.items())) == CONTENT


@pytest.mark.parametrize(
    "read",
    [
        str,
        "{}".format,
        "{:>20}".format,
        lambda secret: f"Bearer {secret}",
        "Bearer %s".__mod__,
        lambda secret: "Bearer " + secret,
        lambda secret: json.dumps({"a": secret}),
        json.dumps,
        bytes,
        len,
        list,
        int,
        lambda secret: secret < secret,
        lambda secret: secret[0],
        lambda secret: secret.get_secret_value(),
        lambda secret: setattr(secret, "_index", 0),
        pickle.dumps,
    ],
)
@pytest.mark.parametrize("name", ["token", "ref", "held"])
def test_a_placeholder_cannot_be_read_or_made_part_of_a_text(read: Any, name: str) -> None:
    def function(data: Any) -> Any:
        return data | {"other": read(data[name])}

    with pytest.raises(UpgradeFailed) as caught:
        upgraded(CONTENT, function)
    assert CANARY not in str(caught.value)
    assert "CANARY_NAME" not in str(caught.value)


def test_comparing_and_hashing_say_nothing_of_the_value() -> None:
    twin = Encoded(
        {"a": None, "b": None},
        {"/a": "secret:str", "/b": "secret:str"},
        dict.fromkeys(("/a", "/b"), Encoded(CANARY)),
    )
    data = given_to(twin)
    assert data["a"] != data["b"]
    assert data["a"] == data["a"]
    assert data["a"] != CANARY
    assert len({data["a"], data["b"]}) == 2
    assert bool(given_to(Encoded({"a": None}, {"/a": "secret:str"}, {"/a": Encoded("")}))["a"])


def test_no_value_of_a_secret_can_be_reached_from_the_data() -> None:
    def function(data: Any) -> Any:
        for found in reachable(data):
            assert not isinstance(found, Encoded)
            assert not isinstance(found, (str, bytes)) or CANARY not in str(found)
        assert sum(isinstance(found, Placeholder) for found in reachable(data)) == 4
        return data

    upgraded(CONTENT, function)


def test_moved_twice_a_secret_is_there_twice_and_dropped_it_is_gone() -> None:
    def function(data: Any) -> Any:
        return {"one": data["token"], "more": [data["token"], data["held"], data["ref"]]}

    done = upgraded(CONTENT, function)
    assert done.secrets == {"/one": Encoded(CANARY), "/more/0": Encoded(CANARY)}
    assert done.marks == {
        "/one": "secret:str",
        "/more/0": "secret:str",
        "/more/1": REFERENCE,
        "/more/2": "secretref:str",
    }
    assert done.data == {"one": None, "more": [None, None, "env:CANARY_NAME"]}
    assert [target for _, target in done.references()] == [UUID(int=5)]


def test_what_json_lacks_keeps_what_it_is_when_it_is_moved_and_copied() -> None:
    def function(data: Any) -> Any:
        return {
            "at": data["when"],
            "pairs": [copy.copy(data["pair"]), data["pair"].copy()],
            "numbers": data["by_number"] | {"2": "b"},
            "never": float("inf"),
            "text": data["when"].replace("2020", "2021"),
        }

    done = upgraded(CONTENT, function)
    kinds = {pointer: kind for pointer, kind in done.marks.items() if not kind.startswith("secret")}
    assert kinds == {
        "/at": "date",
        "/pairs/0": "tuple",
        "/pairs/1": "tuple",
        "/numbers": "keys:int",
        "/never": "float",
    }
    assert done.data["text"] == "2021-01-31"  # type: ignore[index, call-overload]


LOOP: dict[str, Any] = {}
LOOP["again"] = LOOP


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (datetime(2020, 1, 1), "'bad.0' of what it returned is a datetime"),
        ({1, 2}, "is a set"),
        ((1, 2), "is a tuple"),
        (b"x", "is a bytes"),
        (object(), "is a object"),
        ({1: "x"}, "has a key that is a int"),
        (LOOP, "holds itself"),
        (SecretPlace(0), "is a secret of another block, or made up"),
        (SecretPlace(99), "made up"),
        (Placeholder.__new__(SecretPlace), "made up"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_path(value: Any, said: str) -> None:
    with pytest.raises(UpgradeFailed, match="from version 1 to 2") as caught:
        upgraded(CONTENT, lambda data: data | {"bad": [value]})
    assert said in str(caught.value)


@pytest.mark.parametrize("mark", ["secret:str", REFERENCE, "secretref:str"])
def test_no_mark_makes_a_secret_or_a_reference_of_something_else(mark: str) -> None:
    for made in (MarkedText("x", mark), MarkedList(), MarkedDict()):
        made.mark = mark
        with pytest.raises(UpgradeFailed, match="by hand"):
            upgraded(CONTENT, lambda data, made=made: {"bad": made})


@pytest.mark.parametrize("result", [None, [], "x", 1])
def test_an_upgrade_that_returns_no_fields_is_refused(result: Any) -> None:
    with pytest.raises(UpgradeFailed, match="returned"):
        upgraded(CONTENT, lambda data: result)
    with pytest.raises(UpgradeFailed, match="returned None, not a dict"):
        upgraded(CONTENT, lambda data: data.clear())


def test_a_failing_upgrade_changes_nothing_and_names_what_failed() -> None:
    before = json.dumps(CONTENT.to_json())

    def function(data: Any) -> Any:
        data["plain"][1]["y"] = "changed"
        data.clear()
        return {}["missing"]

    with pytest.raises(UpgradeFailed) as caught:
        upgraded(CONTENT, function)
    assert "'anything-at-all/it'" in str(caught.value)
    assert "version 1 to 2 (function) raised KeyError: 'missing'" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)
    assert json.dumps(CONTENT.to_json()) == before


def test_a_result_is_copied_so_that_the_function_has_no_hold_on_it() -> None:
    shared: list[Any] = ["x"]
    content = Encoded({"a": 1})
    assert upgraded(content, lambda data: {"a": shared, "b": shared}).data == {"a": ["x"], "b": ["x"]}
    shared.append("y")
    assert upgraded(content, lambda data: {"a": shared}).data == {"a": ["x", "y"]}


@pytest.mark.parametrize(
    ("data", "marks"),
    [({"a": 1}, {"/a": "date"}), ({"a": {}}, {"/a": "inline:odd"}), ([], {})],
)
def test_a_damaged_document_is_said_to_be_damaged(data: Any, marks: Any) -> None:
    with pytest.raises(DocumentDamaged):
        upgraded(Encoded(data, marks), lambda data: data)


def places(data: Any, pointer: str = "") -> Iterator[tuple[str, Placeholder]]:
    """Yield pointer and placeholder of each in plain data."""
    if isinstance(data, Placeholder):
        yield pointer, data
    elif isinstance(data, (dict, list)):
        for step, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, pointer_to(pointer, step))


def rearranged(draw: Any, value: Any) -> Any:
    """Draw another arrangement of plain data: renamed, nested, put into lists, doubled or dropped."""
    if isinstance(value, dict) and value:
        keys = draw(st.permutations(list(value)))
        kept = keys[: draw(st.integers(0, len(keys)))]
        names = draw(st.lists(st.text(max_size=3), min_size=len(kept), max_size=len(kept), unique=True))
        return {name: rearranged(draw, value[key]) for name, key in zip(names, kept, strict=True)}
    match draw(st.integers(0, 4)):
        case 0:
            return [value, value]
        case 1:
            return {"inner": value}
        case 2 if isinstance(value, list):
            return list(reversed(value))
    return value


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(generated_blocks(), st.data())
def test_secrets_arrive_where_they_were_moved_to_whatever_is_moved(
    drawn: tuple[Block, list[str]], data: Any
) -> None:
    block, canaries = drawn
    content = encode_block(block, address="generated/it")
    expected: dict[str, tuple[str, Encoded | None]] = {}

    def function(given: Any) -> Any:
        for found in reachable(given):
            assert not isinstance(found, (str, bytes)) or not [one for one in canaries if one in str(found)]
        sources = {id(placeholder): pointer for pointer, placeholder in places(given)}
        result = rearranged(data.draw, given)
        result = result if isinstance(result, dict) else {"all": result}
        for pointer, placeholder in places(result):
            source = sources[id(placeholder)]
            expected[pointer] = content.marks[source], content.secrets.get(source)
        return result

    done = upgraded(content, function)
    found = {pointer: (done.marks[pointer], secret) for pointer, secret in done.secrets.items()}
    assert found == expected
    shown = done.data_text() + done.marks_text() + repr(done)
    assert not [canary for canary in canaries if canary in shown]


def test_documents_that_need_no_upgrade_are_not_made_plain(library: Library) -> None:
    """The fast path: what is current is not walked, so `chain` is not even imported."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from pydantic import SecretStr\n"
        "from blocks_core import Block, use_library\n"
        "from blocks_core.testing import memory_library\n"
        "for name in ('blocks_core.chain', 'blocks_core.placeholders', 'blocks_core.trail'):\n"
        "    sys.modules.pop(name, None)\n"
        "class Inner(Block, slug='inner'):\n    token: SecretStr\n"
        "class Outer(Block, slug='outer', version=2):\n    inner: Inner\n"
        "with use_library(memory_library()):\n"
        "    Outer(inner=Inner(token=SecretStr('x'))).save('one')\n"
        "    Outer.load('one')\n"
        "assert 'blocks_core.chain' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
