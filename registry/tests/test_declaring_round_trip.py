"""A registry that is exported and applied elsewhere is the same registry, to the last mark; applied onto itself nothing changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, Credentials, SecretBytesRef, SecretRef
from blocks_core.comparing import compare
from blocks_core.document import Document, Draft
from blocks_core.library import Library
from blocks_core.registry import Put
from blocks_core.testing import generated_blocks
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.declaring import (
    ExportOptions,
    Plan,
    carry_out,
    chosen,
    documents,
    export_blocks,
    make_plan,
    read_raw,
)
from blocks_registry.opening import open_database, open_keys
from blocks_registry.settings import Settings

TEXTS = [
    *(
        "no",
        "on",
        "1e3",
        "0o7",
        "007",
        "+1",
        "~",
        "",
        " ",
        "null",
        "true",
        "- a",
        "a: b",
        "#",
        "---",
        "2020-01-01",
        "12:30:45",
    ),
    *(
        "a\nb\n",
        "a \nb",
        " a\nb",
        "trailing ",
        "\n",
        "\t",
        "\r\n",
        "\x00",
        "\x07\x1b[2J",
        "\x85",
        "\u2028",
        "\ufeff",
        "\uffff",
    ),
    *(
        "é\U0001f600한국어",
        "s3/raw-data",
        "declared-login/one",
        '"',
        "\\",
        "\\u0041",
        "{secret: keep}",
        "env:HOME",
        "keep",
    ),
]
HALVES = ["\ud800", "a\udfffb\n", "s3/\ud800"]
"""Halves of characters, which only fields of any type take."""

SEOUL = ZoneInfo("Asia/Seoul")

GENERATED = int(os.environ.get("BLOCKS_GENERATED", "300"))
"""Blocks that one test draws: a thousand takes a minute."""


class Size(Enum):
    SMALL = "small"
    LARGE = 2


class Login(Credentials, slug="declared-login"):
    user: str
    password: SecretStr
    key: SecretBytes | None = None

    def identity(self) -> str:
        return self.user


class Other(Credentials, slug="declared-other", version=3):
    token: Secret[dict[str, SecretStr]]
    since: date

    def identity(self) -> str:
        return "other"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    collar: SecretStr | None = None


class Inner(Block, slug="declared-inner"):
    when: datetime
    login: Login | None = None
    inner: Inner | None = None


class Everything(Block, slug="declared-everything", version=2):
    text: str = ""
    texts: list[str] = []
    number: int = 0
    ratio: float = 0.5
    exact: Decimal = Decimal(1)
    raw: bytes = b""
    day: date | None = None
    moment: datetime | None = None
    clock: time | None = None
    length: timedelta | None = None
    uid: UUID | None = None
    path: Path | None = None
    size: Size | None = None
    date_or_text: date | str | None = None
    bytes_or_text: bytes | str | None = None
    formatted: Annotated[str, Field(json_schema_extra={"format": "date"})] = ""
    pair: tuple[int, date] | None = None
    items: tuple[str, ...] = ()
    bag: set[int] = set()
    frozen: frozenset[date] = frozenset()
    by_number: dict[int, str] = {}
    by_day: dict[date, list[bytes]] = {}
    by_text: dict[str, Any] = {}
    free: Any = None
    secret: SecretStr | None = None
    secret_bytes: SecretBytes | None = None
    pin: Secret[int] | None = None
    born: Secret[date] | None = None
    blob: Secret[bytes] | None = None
    tree: Secret[dict[str, Any]] | None = None
    secret_or_text: SecretStr | str | None = None
    secret_or_list: Secret[list[str]] | list[str] | None = None
    secret_references: list[SecretStr | SecretBytes] = []
    either_reference: SecretStr | str | None = None
    headers: dict[str, SecretStr] = {}
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    login: Login | None = None
    logins: list[Login] = []
    anyone: Credentials | None = None
    block: Block | None = None
    block_or_text: Login | str | None = None
    inner: Inner | None = None


def everything(count: int = 1, **more: Any) -> Everything:
    """Return a block with a value of each kind; all secrets differ by the count."""
    values: dict[str, Any] = {
        "text": TEXTS[count % len(TEXTS)],
        "texts": TEXTS,
        "number": -(10**40) - count,
        "ratio": float(f"1e{count}"),
        "exact": Decimal("1.10"),
        "raw": b"\x00\xff",
        "day": date(2020, 2, 29),
        "moment": datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=SEOUL),
        "clock": time(1, 2, 3),
        "length": timedelta(days=1, microseconds=1),
        "uid": UUID(int=count),
        "path": Path("/a b/c"),
        "size": Size.LARGE,
        "date_or_text": date(2020, 1, 1) if count % 2 else "2020-01-01",
        "bytes_or_text": b"aGk=" if count % 2 else "aGk=",
        "formatted": "2020-01-01",
        "pair": (1, date(2020, 1, 1)),
        "items": tuple(TEXTS),
        "bag": {3, 1, 2},
        "frozen": frozenset({date(2020, 1, 1), date(2021, 1, 1)}),
        "by_number": {1: "a", -2: "b"},
        "by_day": {date(2020, 1, 1): [b"", b"x"]},
        "by_text": {text: {text: date(2020, 1, 1)} for text in TEXTS + HALVES},
        "free": [
            *(
                {"secret": "keep"},
                {"ref": "env:X"},
                {"value": 1, "kinds": {}},
                None,
                True,
                1.0,
                1,
                "1",
                float("inf"),
                -0.0,
            ),
            *(
                HALVES,
                {half: [SecretStr(half), HALVES] for half in HALVES},
                SecretStr(f"free {count}"),
                {},
                [],
                (),
                {1: set()},
            ),
        ],
        "secret": SecretStr(f"-----BEGIN-----\nsecret {count}\n-----END-----\n"),
        "secret_bytes": SecretBytes(b"\x00\xff%d" % count),
        "pin": Secret[int](1234 + count),
        "born": Secret[date](date(2000, 1, 1)),
        "blob": Secret[bytes](b"\xfe%d" % count),
        "tree": Secret[dict[str, Any]](
            {"a": [SecretStr(f"deep {count}"), HALVES, {"secret": "keep"}, {2: (1, b"x")}]}
        ),
        "secret_or_text": SecretStr(f"either {count}") if count % 2 else "in clear",
        "secret_or_list": ["in clear"] if count % 2 else Secret[list[str]]([f"list {count}"]),
        "secret_references": [SecretRef("env:NOT_SET_HERE"), SecretBytesRef("file:/no/such/file")],
        "either_reference": SecretRef(f"declared-source/none/{count}"),
        "headers": {"X.Y/Z~": SecretStr(f"header {count}"), "": SecretStr("")},
        "pets": [Cat(lives=1), Dog(collar=SecretStr(f"collar {count}"))],
        "block_or_text": "s3/raw-data",
    }
    return Everything(**(values | more))


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[Callable[[str], Library]]:
    """Opens a registry of its own, with its own keys, by a name."""
    opened: list[Library] = []

    def open_one(name: str) -> Library:
        home = tmp_path / name
        settings = Settings(home=home, url=f"sqlite:///{home / 'blocks.db'}")
        database = open_database(settings, durable=False)  # no test of what a crash leaves
        opened.append(Library(LocalRegistry(database, Vault(open_keys(settings)))))
        return opened[-1]

    yield open_one
    for library in opened:
        library.close()


def exported(library: Library, *, reveal_secrets: bool = True) -> str:
    summaries = chosen(library.registry, ExportOptions())
    return "".join(documents(export_blocks(library.registry, summaries, reveal_secrets=reveal_secrets)))


def applied(library: Library, text: str) -> Plan:
    plan = make_plan(library, read_raw(text.encode(), "export.yaml"))
    carry_out(plan, library)
    return plan


def loaded(library: Library) -> dict[str, Document]:
    found = [library.registry.load(summary.slug, summary.name).root for summary in library.registry.find()]
    return {document.address: document for document in found}


def assert_same(one: Library, other: Library) -> None:
    """Compare what two registries keep: data, marks, secrets, labels, versions of types; references by address."""
    ours, theirs = loaded(one), loaded(other)
    assert list(ours) == list(theirs)
    moved = {str(theirs[address].id): str(document.id) for address, document in ours.items()}
    for address, document in ours.items():
        twin = theirs[address]
        marks = {
            pointer: f"block:{moved[kind.removeprefix('block:')]}" if kind.startswith("block:") else kind
            for pointer, kind in twin.content.marks.items()
        }
        assert (marks, twin.type_version, twin.labels) == (
            document.content.marks,
            document.type_version,
            document.labels,
        )
        assert (twin.content.data_text(), twin.content.secrets_bytes()) == (
            document.content.data_text(),
            document.content.secrets_bytes(),
        )


def assert_round_trip(source: Library, target: Library) -> None:
    text, kept = exported(source), exported(source, reveal_secrets=False)
    versions = {document.id: document.version for document in loaded(source).values()}
    assert applied(target, text).count("new") == len(versions)
    assert_same(source, target)
    for library, again in ((source, text), (source, kept), (target, text)):
        plan = applied(library, again)
        assert [block.address for block in plan.blocks if block.action != "unchanged"] == []
        assert plan.count("unchanged") == len(versions)
    assert exported(target) == text
    assert {document.id: document.version for document in loaded(source).values()} == versions


def label(library: Library, slug: str, name: str, labels: dict[str, str]) -> None:
    """Give a saved block labels."""
    found = library.registry.load(slug, name).root
    block_type = library.registry.type(slug)
    library.registry.change(
        [Put(Draft(slug, name, found.type_version, block_type.structure_hash, found.content, labels=labels))]
    )


def save_web(library: Library, count: int = 3) -> None:
    """Save blocks that hold others, three deep, by reference and inside."""
    for index in range(count):
        library.save(
            Login(user=TEXTS[0], password=SecretStr(f"pw {index}"), key=SecretBytes(b"k")), f"one-{index}"
        )
        login = library.load(Login, f"one-{index}")
        library.save(
            Other(token=Secret[dict[str, SecretStr]]({"a": SecretStr(f"t {index}")}), since=date(2020, 1, 1)),
            f"o.{index}",
        )
        other = library.load(Other, f"o.{index}")
        deepest = Inner(when=datetime(2020, 1, 1, tzinfo=UTC), login=login)
        library.save(Inner(when=datetime(2020, 1, 1), inner=deepest), f"in_{index}")
        inner = library.load(Inner, f"in_{index}")
        fresh = Login(user="inside", password=SecretStr(f"inline {index}"))
        held = {
            "login": login,
            "logins": [fresh, login],
            "anyone": other,
            "block": inner,
            "block_or_text": login,
        }
        library.save(
            everything(index, **held, inner=Inner(when=datetime.now(UTC), inner=inner)), f"a-{index}"
        )
        library.save(everything(index, anyone=fresh, block=fresh, login=fresh), f"b-{index}")
        library.save(Everything(), f"c-{index}")
        label(library, "declared-everything", f"a-{index}", {"team": "data", "tier": "1.0"})


def test_a_registry_of_hand_written_types_comes_back_exactly(
    open_home: Callable[[str], Library], place: RegistryPlace
) -> None:
    """From either kind of database into the embedded one, and from that into either kind."""
    first = open_home("first")
    save_web(first)
    middle, last = place.library(), open_home("last")
    assert_round_trip(first, middle)
    assert_round_trip(middle, last)
    middle.close()


def test_a_registry_of_generated_blocks_comes_back_exactly(
    open_home: Callable[[str], Library],
) -> None:
    source = open_home("source")
    blocks: list[Block] = []

    @settings(max_examples=GENERATED, database=None, suppress_health_check=list(HealthCheck))
    @given(generated=generated_blocks())
    def draw(generated: tuple[Block, list[str]]) -> None:
        blocks.append(generated[0])

    draw()
    assert len(blocks) >= GENERATED
    for index, block in enumerate(blocks):
        source.save(block, f"block-{index}")
    save_web(source, 1)
    assert_round_trip(source, open_home("target"))


def test_the_same_blocks_are_the_same_text_whatever_the_order_they_were_saved_in(
    open_home: Callable[[str], Library],
) -> None:
    texts = []
    for name, order in (("one", "abc"), ("other", "cab")):
        library = open_home(name)
        for letter in order:
            library.save(Login(user=letter, password=SecretStr("x")), letter)
        texts.append(exported(library))
    assert texts[0] == texts[1]


def test_secrets_are_kept_by_default_and_stand_in_the_text_only_when_revealed(
    open_home: Callable[[str], Library],
) -> None:
    library = open_home("source")
    library.save(everything(7), "a")
    text = exported(library, reveal_secrets=False)
    planted = [f"{word} 7" for word in ("secret", "free", "deep", "either", "header", "collar")]
    assert not [secret for secret in planted if secret in text]
    assert not [secret for secret in planted if secret not in exported(library)]
    assert text.count("{secret: keep}") >= 9


def test_an_export_needs_neither_plugin_nor_key(open_home: Callable[[str], Library], tmp_path: Path) -> None:
    library = open_home("source")
    save_web(library, 1)
    text = exported(library, reveal_secrets=False)
    (tmp_path / "source" / "keys.json").unlink()
    done = subprocess.run(  # a process that knows none of these types
        [str(Path(sys.executable).with_name("block")), "export"],
        env=os.environ | {"BLOCKS_HOME": str(tmp_path / "source")},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == text


def test_a_reference_to_a_block_that_is_gone_is_exported_by_its_id_and_changes_nothing(
    open_home: Callable[[str], Library],
) -> None:
    library = open_home("source")
    save_web(library, 1)
    library.registry.delete("declared-other", "o.0", force=True)
    (found,) = [
        block
        for block in export_blocks(library.registry, chosen(library.registry, ExportOptions()))
        if block.address == "declared-everything/a-0"
    ]
    assert found.broken == ("anyone",)
    assert applied(library, found.text).count("unchanged") == 1


def test_kinds_are_written_only_where_the_schema_does_not_tell(open_home: Callable[[str], Library]) -> None:
    library = open_home("source")
    library.save(Login(user="a", password=SecretStr("x"), key=SecretBytes(b"k")), "one")
    library.save(Inner(when=datetime(2020, 1, 1, tzinfo=UTC), login=library.load(Login, "one")), "in")
    assert exported(library) == (
        "block: declared-inner/in\n"
        "type_version: 1\n"
        "fields:\n"
        '  when: "2020-01-01T00:00:00+00:00"\n'
        "  login: declared-login/one\n"
        "  inner: null\n"
        "---\n"
        "block: declared-login/one\n"
        "type_version: 1\n"
        "fields:\n"
        "  user: a\n"
        "  password: {value: x}\n"
        '  key: {value: "aw=="}\n'
        "kinds:\n"
        "  key: secret:bytes\n"
    )


@pytest.mark.parametrize("count", range(4))
def test_contents_are_compared_with_their_types(open_home: Callable[[str], Library], count: int) -> None:
    """What Python takes for equal, as 1 and true, is a change."""
    library = open_home("source")
    values = (1, True, 1.0, "1")
    library.save(Everything(free=values[count]), "a")
    text = exported(library)
    library.save(Everything(free=values[count - 1]), "a", overwrite=True)
    (block,) = applied(library, text).blocks
    assert [change.path for change in block.changes] == ["free"]
    after = library.registry.load("declared-everything", "a").root.content
    assert not compare(after, library.draft(Everything(free=values[count]), "a").content)
    assert uuid4() not in {found for _, found in after.references()}


def test_a_change_beside_what_only_kinds_can_say_changes_nothing_else(
    open_home: Callable[[str], Library],
) -> None:
    library = open_home("source")
    library.save(everything(3), "a")
    changed = exported(library).replace("number: -1", "number: 1")
    (block,) = applied(library, changed).blocks
    assert [change.path for change in block.changes] == ["number"]
    (block,) = applied(
        library, exported(library, reveal_secrets=False).replace("number: 1", "number: -1")
    ).blocks
    assert [change.path for change in block.changes] == ["number"]
    content = library.registry.load("declared-everything", "a").root.content
    assert compare(content, library.draft(everything(3), "a").content) == []


def test_by_hand_a_text_is_what_its_type_takes(open_home: Callable[[str], Library]) -> None:
    """Also where the schema calls a text a date, as people write schemas by hand, too."""
    library = open_home("source")
    fields = (
        "formatted: 2020-01-01, day: 2020-01-02, exact: 1.5, pair: [1, 2020-01-03], bag: [1, 1], size: small"
    )
    applied(library, f"block: declared-everything/a\nfields: {{{fields}, length: PT1M, by_number: {{1: a}}}}")
    found = library.load(Everything, "a")
    assert (found.formatted, found.day, found.exact) == ("2020-01-01", date(2020, 1, 2), Decimal("1.5"))
    assert (found.pair, found.bag, found.size) == ((1, date(2020, 1, 3)), {1}, Size.SMALL)
    assert (found.length, found.by_number) == (timedelta(minutes=1), {1: "a"})
