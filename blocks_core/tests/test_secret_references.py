"""A secret reference stands where a secret may, is stored as what it is, and is read when the value is asked for."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Secret, SecretBytes, SecretStr, ValidationError, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import to_jsonable_python

from blocks_core import Block, SecretBytesRef, SecretRef, upgrades
from blocks_core.building import build_block
from blocks_core.codec import encode_block
from blocks_core.decoding import decode
from blocks_core.document import Encoded
from blocks_core.errors import (
    BlockInvalid,
    BlockTypeInvalid,
    DocumentDamaged,
    NameInvalid,
    SecretUnresolved,
    ValueNotStorable,
)
from blocks_core.library import Library
from blocks_core.masking import HIDDEN, SECRETS_IN_USE, secret_texts, without_secrets
from blocks_core.schema import schema_of
from blocks_core.secret import is_reference, is_secret
from blocks_core.secret_reference import MAX_BYTES, SecretReference
from blocks_core.structure import structure_hash

NOWHERE = SecretRef("env:BLOCKS_TEST_NOWHERE")
"""Whatever resolves it fails."""
NOWHERE_BYTES = SecretBytesRef("env:BLOCKS_TEST_NOWHERE")


class Account(Block, slug="ref-account"):
    """A name and what proves it."""

    user: str = "anna"
    password: SecretStr


class Login(BaseModel):
    token: SecretStr


@dataclass
class Pair:
    left: int
    right: SecretStr


class ByWord(BaseModel, extra="forbid"):
    kind: Literal["word"] = "word"
    word: SecretStr


class ByKey(BaseModel, extra="forbid"):
    kind: Literal["key"] = "key"
    key: SecretBytes


class Everywhere(Block, slug="ref-everywhere"):
    """Secrets wherever they may sit."""

    plain: SecretStr
    raw: SecretBytes
    optional: SecretStr | None = None
    either: SecretStr | int | None = None
    kinds: SecretBytes | SecretStr | None = None
    listed: list[SecretStr] = []
    named: dict[str, SecretStr] = {}
    fixed: tuple[SecretStr, ...] = ()
    several: set[SecretStr] = set()
    deep: dict[str, list[dict[str, SecretStr]]] = {}
    login: Login | None = None
    pair: Pair | None = None
    way: Annotated[ByWord | ByKey, Field(discriminator="kind")] | None = None
    inside: Account | None = None
    at_least: SecretStr = Field(SecretStr("x" * 40), min_length=40)
    at_most: SecretStr = Field(SecretStr("x"), max_length=3)
    between: Annotated[SecretBytes, Field(min_length=2, max_length=2)] | None = None
    strict: SecretStr | None = Field(None, strict=True)
    anything: Any = None


def everywhere() -> Everywhere:
    ref = NOWHERE
    return Everywhere(
        plain=ref,
        raw=NOWHERE_BYTES,
        optional=ref,
        either=ref,
        kinds=ref,
        listed=[ref, SecretStr("real")],
        named={"a": ref},
        fixed=(ref, ref),
        several={ref, SecretStr("real")},
        deep={"a": [{"b": ref}]},
        login=Login(token=ref),
        pair=Pair(1, ref),
        way=ByKey(key=NOWHERE_BYTES),
        inside=Account(password=ref),
        at_least=ref,
        at_most=ref,
        between=NOWHERE_BYTES,
        strict=ref,
        anything={"x": [ref]},
    )


def test_a_reference_stays_what_it_is_wherever_a_secret_may_sit(library: Library) -> None:
    block = everywhere()
    found = [block.plain, block.optional, block.either, block.kinds, block.listed[0], block.named["a"]]
    found += [
        *block.fixed,
        block.deep["a"][0]["b"],
        block.login.token,
        block.pair.right,
        block.inside.password,
    ]
    found += [block.at_least, block.at_most, block.strict, block.anything["x"][0]]
    assert all(type(one) is SecretRef for one in found)
    assert [type(one) for one in (block.raw, block.way.key, block.between)] == [SecretBytesRef] * 3
    assert {type(one) for one in block.several} == {SecretRef, SecretStr}
    block.plain = NOWHERE
    block.at_least = NOWHERE
    assert block.plain is NOWHERE
    assert block.at_least is NOWHERE


def test_nothing_but_asking_for_the_value_resolves(library: Library) -> None:
    block = everywhere()
    assert block == everywhere()
    assert repr(block) == repr(everywhere())
    assert "SecretRef('env:BLOCKS_TEST_NOWHERE')" in repr(block)
    assert str(NOWHERE) == f"{NOWHERE}" == format(NOWHERE, "") == HIDDEN == str(NOWHERE_BYTES)
    block.save("x")
    library.registry.rename("ref-everywhere", "x", "y")
    assert library.load(Everywhere, "y", resolve=False) == block
    encode_block(block, address="x")
    assert list(secret_texts(block)) == ["real", "real"] or set(secret_texts(block)) == {"real"}
    assert without_secrets(block, "a real text") == f"a {HIDDEN} text"
    assert SECRETS_IN_USE.hide("quiet") == "quiet"
    copy.deepcopy(block)
    assert block.model_copy(deep=True).plain is NOWHERE
    assert len({NOWHERE, SecretRef("env:BLOCKS_TEST_NOWHERE")}) == 1
    assert NOWHERE
    assert not isinstance(NOWHERE, Secret)
    block.model_dump()
    assert block.model_dump(mode="json")["plain"] == HIDDEN
    assert '"raw":"**********"' in block.model_dump_json()
    assert to_jsonable_python(NOWHERE) == HIDDEN
    for ask in (NOWHERE.get_secret_value, NOWHERE_BYTES.get_secret_value, lambda: len(NOWHERE)):
        with pytest.raises(SecretUnresolved):
            ask()


def test_references_are_equal_by_what_they_say_and_to_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "same")
    monkeypatch.setenv("OTHER", "same")
    one = SecretRef("env:ONE")
    assert one == SecretRef("env:ONE")
    assert hash(one) == hash(SecretRef("env:ONE"))
    for other in (SecretRef("env:OTHER"), SecretStr("same"), SecretBytesRef("env:ONE"), "env:ONE", None):
        assert one != other
        assert other != one
    assert is_secret(one)
    assert is_reference(one)
    assert not is_reference(SecretStr("env:ONE"))


@pytest.mark.parametrize("reference", [NOWHERE, NOWHERE_BYTES])
def test_a_pickle_has_the_reference_and_no_value(reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS_TEST_NOWHERE", "planted-value")
    assert len(reference.get_secret_value()) == len("planted-value")
    block = Account(password=SecretRef("env:BLOCKS_TEST_NOWHERE"))
    block.password.get_secret_value()
    for sent in (pickle.dumps(reference), pickle.dumps(block)):
        assert b"planted" not in sent
        assert b"env:BLOCKS_TEST_NOWHERE" in sent or b"BLOCKS_TEST_NOWHERE" in sent
    again = pickle.loads(pickle.dumps(reference))
    assert again == reference
    assert again.get_secret_value() == reference.get_secret_value()
    assert again.known_texts == ("planted-value",)


def test_references_come_back_as_they_were_beside_values_that_look_like_them(library: Library) -> None:
    Everywhere(
        plain=SecretRef("file:~/some/key"),
        raw=SecretBytesRef("ref-source/vault/a/b#c"),
        listed=[SecretStr("env:HOME"), SecretRef("env:HOME")],
    ).save("x")
    stored = library.registry.load("ref-everywhere", "x").root.content
    assert stored.marks["/plain"] == "secretref:str"
    assert stored.marks["/raw"] == "secretref:bytes"
    assert stored.data["plain"] == "file:~/some/key"
    assert "/plain" not in stored.secrets
    assert stored.marks["/listed/0"] == "secret:str"
    found = library.load(Everywhere, "x", resolve=False)
    assert found.raw == SecretBytesRef("ref-source/vault/a/b#c")
    assert found.listed == [SecretStr("env:HOME"), SecretRef("env:HOME")]
    assert found.listed[0].get_secret_value() == "env:HOME"
    assert type(found.listed[0]) is SecretStr


class Texts(Block, slug="ref-texts"):
    """Whatever anybody may write."""

    text: str = ""
    secret: SecretStr = SecretStr("")
    raw: SecretBytes = SecretBytes(b"")
    inner: Secret[dict[str, Any]] = Secret({})
    anything: Any = None


lookalikes = st.sampled_from(["env:HOME", "file:/etc/passwd", "a/b/c", "secretref:str", "~", ""])
texts = lookalikes | st.text(max_size=12) | st.builds("".join, st.lists(lookalikes, max_size=3))
plain = st.recursive(
    texts | st.none() | st.integers(-5, 5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["ref", "marks", "secrets", "/secret"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(text=texts, secret=texts, raw=texts, inner=st.dictionaries(texts, plain, max_size=3), anything=plain)
def test_no_value_becomes_a_reference(text: str, secret: str, raw: str, inner: Any, anything: Any) -> None:
    block = Texts(
        text=text,
        secret=SecretStr(secret),
        raw=SecretBytes(raw.encode(errors="replace")),
        inner=Secret(inner),
        anything=anything,
    )
    content = encode_block(block, address="ref-texts/x")
    stored = Encoded.from_parts(content.data_text(), content.marks_text(), content.secrets_bytes())
    seen: list[object] = []
    fields = decode(stored, lambda *_: None, address="x", on_reference=lambda *found: seen.append(found))
    again = build_block(Texts, fields, what="it")
    assert seen == []
    assert again == block
    assert type(again.secret) is SecretStr
    assert again.secret.get_secret_value() == secret
    taken = Texts.model_validate({"secret": secret, "raw": raw.encode(errors="replace")})
    assert not is_reference(taken.secret)
    assert not is_reference(taken.raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "env:",
        "env:1X",
        "env:A B",
        "env:A=B",
        "ENV:A",
        "file:",
        "file:relative/key",
        "file:./key",
        "a/b",
        "a/b/",
        "a/b/ ",
        "A/b/c",
        "/b/c",
        "a//c",
        "a/../c",
        "env:A\n",
        "a/b/c\x00",
        "env:" + "A" * 3000,
        "vault:secret/data",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_reference_is_refused_when_it_is_made(text: str) -> None:
    for kind in (SecretRef, SecretBytesRef):
        with pytest.raises(NameInvalid) as caught:
            kind(text)
        assert "env:" in str(caught.value) or "absolute" in str(caught.value)
        if text in ("hunter2", "vault:secret/data"):
            assert text not in str(caught.value)


@pytest.mark.parametrize("given", [None, 5, b"env:A", ["env:A"], SecretStr("env:A"), NOWHERE])
def test_only_a_text_makes_a_reference(given: Any) -> None:
    with pytest.raises(NameInvalid, match="A secret reference is a text, and this has the type"):
        SecretRef(given)


def test_the_parts_of_references() -> None:
    assert SecretReference.parse("env:A.b-C_1").place == "A.b-C_1"
    assert SecretReference.parse("file:/a b/c:d").place == "/a b/c:d"
    assert SecretReference.parse(r"file:C:\keys\one").place == r"C:\keys\one"
    source = SecretReference.parse("aws-secret/prod.eu/db/password#user")
    assert (source.place, source.key) == ("aws-secret/prod.eu", "db/password#user")
    for text in ("env:A", "file:~/x", "a/b/c/d"):
        assert str(SecretReference.parse(text)) == text == SecretRef(text).reference


class Sealed(Block, slug="ref-sealed"):
    """Fields that take no reference."""

    text: Secret[str] | None = None
    table: Secret[dict[str, str]] | None = None
    any: Secret[Any] | None = None
    raw: SecretBytes | None = None
    plain: str | None = None


@pytest.mark.parametrize("field", ["text", "table", "raw", "plain"])
def test_a_field_that_takes_no_reference_says_so(field: str) -> None:
    with pytest.raises(BlockInvalid, match=rf"{field}: takes no such secret reference: a SecretStr takes"):
        build_block(Sealed, {field: NOWHERE}, what="it")
    with pytest.raises(ValidationError):
        Sealed(**{field: NOWHERE})


def test_a_reference_inside_of_a_secret_is_refused(library: Library) -> None:
    for value in (NOWHERE, {"a": [NOWHERE]}):
        with pytest.raises(ValueNotStorable, match="any holds a secret reference inside a secret"):
            Sealed(any=Secret(value)).save("x")


class Wrong(Block, slug="ref-wrong"):
    """Its field has the type of a value."""

    token: SecretRef


def test_a_reference_is_no_type_of_a_field(library: Library) -> None:
    with pytest.raises(ValidationError):
        Wrong(token="env:HOME")
    with pytest.raises(BlockTypeInvalid, match="Give it the type SecretStr: it takes a SecretRef, too"):
        Wrong(token=NOWHERE).save("x")


def test_schema_and_structure_are_those_of_the_secret() -> None:
    class Plain(Block, slug="ref-plain"):
        token: SecretStr = SecretStr("")

    class Referring(Block, slug="ref-plain"):
        token: SecretStr = SecretRef("env:BLOCKS_TEST_NOWHERE")

    assert schema_of(Plain)["properties"] == schema_of(Referring)["properties"]
    assert structure_hash(schema_of(Plain)) == structure_hash(schema_of(Referring))


@pytest.mark.parametrize(
    ("data", "mark"),
    [
        ("hunter2", "secretref:str"),
        ("env:A", "secretref:any"),
        ("env:A", "secretref:"),
        (None, "secretref:str"),
        (["env:A"], "secretref:bytes"),
        ({"x": "env:A"}, "secretref:str"),
    ],
)
def test_a_damaged_reference_is_an_error_without_its_text(data: Any, mark: str) -> None:
    with pytest.raises(DocumentDamaged, match="password does not fit its mark") as caught:
        decode(Encoded({"password": data}, {"/password": mark}), lambda *_: None, address="a/b")
    assert "hunter2" not in str(caught.value)


# Reading


def test_a_variable_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = SecretRef("env:BLOCKS_TEST_TOKEN")
    for value in ("planted-first", "planted-second", " with space\n", ""):
        monkeypatch.setenv("BLOCKS_TEST_TOKEN", value)
        assert reference.get_secret_value() == value
        assert len(reference) == len(value)
        assert SecretBytesRef("env:BLOCKS_TEST_TOKEN").get_secret_value() == value.encode()
    assert (
        SECRETS_IN_USE.hide("planted-first, planted-second, (with space)")
        == f"{HIDDEN}, {HIDDEN}, ({HIDDEN})"
    )
    assert set(secret_texts({"a": [reference]})) == {"planted-first", "planted-second", " with space\n"}
    monkeypatch.delenv("BLOCKS_TEST_TOKEN")
    with pytest.raises(SecretUnresolved) as caught:
        reference.get_secret_value()
    assert str(caught.value).startswith(
        "The secret reference env:BLOCKS_TEST_TOKEN cannot be resolved: the environment"
    )
    assert caught.value.reference == "env:BLOCKS_TEST_TOKEN"


def test_a_variable_that_is_nearly_the_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS_TEST_PASSWORD", "planted")
    with pytest.raises(SecretUnresolved, match="did you mean 'BLOCKS_TEST_PASSWORD'") as caught:
        SecretRef("env:BLOCKS_TEST_PASWORD").get_secret_value()
    assert "planted" not in str(caught.value)


def test_a_variable_of_other_bytes_is_bytes_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS_TEST_RAW", os.fsdecode(b"planted\xff\xfe"))
    assert SecretBytesRef("env:BLOCKS_TEST_RAW").get_secret_value() == b"planted\xff\xfe"
    assert "planted" not in SECRETS_IN_USE.hide(r"the bytes planted\xff\xfe in a text")
    with pytest.raises(SecretUnresolved, match="is no text in UTF-8") as caught:
        SecretRef("env:BLOCKS_TEST_RAW").get_secret_value()
    assert "planted" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a", "a"), (b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b"a\r", "a\r"), (b"\n", ""), (b"", "")],
)
def test_of_a_file_that_is_a_text_the_end_of_the_last_line_is_left_out(
    tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    assert SecretRef(f"file:{tmp_path}/key").get_secret_value() == text
    assert SecretBytesRef(f"file:{tmp_path}/key").get_secret_value() == content


def test_a_file_is_found_below_the_home_of_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("at-home")
    assert SecretRef("file:~/key").get_secret_value() == "at-home"
    with pytest.raises(
        SecretUnresolved, match=rf"file:~/no .* the file {tmp_path}/no cannot be read \(No such file"
    ):
        SecretRef("file:~/no").get_secret_value()


def test_what_is_no_file_of_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (MAX_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "link")
    for name, problem in {
        "large": "has more than 1,048,576 bytes",
        "pipe": "is no regular file",
        "link": "cannot be read",
        ".": "cannot be read",
    }.items():
        with pytest.raises(SecretUnresolved, match=problem):
            SecretRef(f"file:{tmp_path}/{name}").get_secret_value()
    with pytest.raises(SecretUnresolved, match="no regular file"):
        SecretBytesRef("file:/dev/zero").get_secret_value()


# Loading


def test_a_load_reads_every_reference_and_says_of_each_why_it_leads_to_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Account(password=SecretRef("env:BLOCKS_TEST_HELD"))
    Everywhere(
        plain=SecretRef("env:BLOCKS_TEST_A"),
        raw=SecretBytesRef("file:/no/such/key"),
        named={"x": SecretRef("env:BLOCKS_TEST_B")},
        inside=held,
    ).save("x")
    monkeypatch.setenv("BLOCKS_TEST_B", "there")
    with pytest.raises(SecretUnresolved) as caught:
        Everywhere.load("x")
    text = str(caught.value)
    assert text.startswith("Block 'ref-everywhere/x' was not loaded, for its fields ")
    for part in (
        "'plain'",
        "'raw'",
        "'inside.password'",
        "env:BLOCKS_TEST_A",
        "no variable BLOCKS_TEST_HELD",
        "/no/such/key",
        "No such file",
    ):
        assert part in text
    assert "BLOCKS_TEST_B" not in text.replace("did you mean 'BLOCKS_TEST_B'", "")
    assert library.load(Everywhere, "x", resolve=False).plain == SecretRef("env:BLOCKS_TEST_A")


def test_a_loaded_block_has_its_references_and_their_values_are_masked(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    Account(password=SecretRef("env:BLOCKS_TEST_LOADED")).save("x")
    monkeypatch.setenv("BLOCKS_TEST_LOADED", "canary-of-a-load")
    assert SECRETS_IN_USE.hide("canary-of-a-load") == "canary-of-a-load"
    account = Account.load("x")
    assert SECRETS_IN_USE.hide("canary-of-a-load") == HIDDEN
    assert without_secrets(account, "it is canary-of-a-load") == f"it is {HIDDEN}"
    assert account.password == SecretRef("env:BLOCKS_TEST_LOADED")
    assert account.password.get_secret_value() == "canary-of-a-load"
    assert "canary" not in repr(account) + str(account)
    monkeypatch.setenv("BLOCKS_TEST_LOADED", "another")
    assert account.password.get_secret_value() == "another"
    account.save("copy")
    assert library.registry.load("ref-account", "copy").root.content.marks == {"/password": "secretref:str"}


class Holder(Block, slug="ref-holder"):
    """Holds a saved one."""

    account: Account


def test_the_references_of_held_blocks_are_read_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(password=SecretRef("env:BLOCKS_TEST_HELD"))
    account.save("held")
    Holder(account=account).save("x")
    with pytest.raises(
        SecretUnresolved, match=r"^Block 'ref-account/held' was not loaded, for its field 'password'"
    ):
        Holder.load("x")
    assert library.load(Holder, "x", resolve=False).account.password == SecretRef("env:BLOCKS_TEST_HELD")
    monkeypatch.setenv("BLOCKS_TEST_HELD", "planted")
    assert Holder.load("x").account.password.get_secret_value() == "planted"


class Checked(Block, slug="ref-checked"):
    """Says what it takes."""

    token: SecretStr = Field(SecretStr("12345678"), min_length=8, max_length=12)
    url: SecretStr = SecretStr("https://x")
    inner: Account | None = None

    @field_validator("url")
    @classmethod
    def _is_https(cls, url: SecretStr) -> SecretStr:
        if not is_reference(url) and not url.get_secret_value().startswith("https://"):
            raise ValueError("must begin with https://")
        return url


def test_the_type_judges_the_values_when_the_block_is_loaded(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    Checked(token=SecretRef("env:BLOCKS_TEST_T"), url=SecretRef("env:BLOCKS_TEST_U")).save("x")
    monkeypatch.setenv("BLOCKS_TEST_T", "planted")
    monkeypatch.setenv("BLOCKS_TEST_U", "http://planted")
    with pytest.raises(BlockInvalid) as caught:
        Checked.load("x")
    assert [problem.path for problem in caught.value.problems] == ["token", "url"]
    assert "should have at least 8 items" in str(caught.value)
    assert "(the value is that of env:BLOCKS_TEST_T)" in str(caught.value)
    assert "must begin with https:// (the value is that of env:BLOCKS_TEST_U)" in str(caught.value)
    assert "planted" not in str(caught.value)
    monkeypatch.setenv("BLOCKS_TEST_T", "planted-too-long")
    monkeypatch.setenv("BLOCKS_TEST_U", "https://planted")
    with pytest.raises(BlockInvalid, match="at most 12 items"):
        Checked.load("x")
    monkeypatch.setenv("BLOCKS_TEST_T", "planted-fit")
    assert Checked.load("x").token.get_secret_value() == "planted-fit"


class Curious(Block, slug="ref-curious"):
    """Its validator looks at the value, whatever it is."""

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _look(cls, token: SecretStr) -> SecretStr:
        if not token.get_secret_value():
            raise ValueError("must not be empty")
        return token


def test_a_validator_that_asks_for_the_value_gets_it_or_a_typed_error(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_TEST_CURIOUS", "planted")
    Curious(token=SecretRef("env:BLOCKS_TEST_CURIOUS")).save("x")
    assert Curious.load("x").token == SecretRef("env:BLOCKS_TEST_CURIOUS")
    monkeypatch.delenv("BLOCKS_TEST_CURIOUS")
    for resolve in (True, False):
        with pytest.raises(
            SecretUnresolved, match=r"^Block 'ref-curious/x' was not loaded, for its field 'token'\. The"
        ):
            library.load(Curious, "x", resolve=resolve)


def test_an_older_version_of_a_type_brings_its_references_along(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    class First(Block, slug="ref-moved"):
        word: SecretStr

    First(word=SecretRef("env:BLOCKS_TEST_MOVED")).save("x")

    class Second(Block, slug="ref-moved", version=2):
        tokens: list[SecretStr]

        @upgrades(from_version=1)
        def _into_a_list(data: dict[str, Any]) -> dict[str, Any]:
            return {"tokens": [data.pop("word")]}

    with pytest.raises(SecretUnresolved, match=r"'tokens\.0'"):
        Second.load("x")
    monkeypatch.setenv("BLOCKS_TEST_MOVED", "planted")
    assert Second.load("x").tokens == [SecretRef("env:BLOCKS_TEST_MOVED")]
    assert Second.load("x").tokens[0].get_secret_value() == "planted"


def test_a_difference_shows_references_and_no_values(library: Library) -> None:
    Account(password=SecretStr("planted-value")).save("x")
    for reference in ("env:A", "env:B"):
        Account(password=SecretRef(reference)).save("x", overwrite=True)
    [change] = library.registry.diff("ref-account", "x", 1, 2)
    assert (change.path, change.secret, change.before, change.after) == ("password", True, None, None)
    [change] = library.registry.diff("ref-account", "x", 2, 3)
    assert (change.before, change.after, change.secret) == ("env:A", "env:B", False)
