"""References to the secrets of saved blocks: who is asked, how often, and what is kept."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from threading import Barrier, Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from pydantic import PrivateAttr, SecretBytes, SecretStr

from blocks_core import Block, SecretRef, SecretSource, use_library
from blocks_core.errors import BlocksError, CredentialsRefused, SecretsInCircle, SecretUnresolved
from blocks_core.library import Library
from blocks_core.masking import HIDDEN, SECRETS_IN_USE
from blocks_core.resolving import state_of
from blocks_core.secret import SecretBytesRef
from blocks_core.source_values import DEFAULT_CACHE_SECONDS, SOURCE_VALUES, SourceValues
from blocks_core.testing import memory_library

KEPT: dict[str, bytes] = {}
"""What the service keeps."""
ASKED: list[str] = []
"""What it was asked for."""
FAILING: list[Exception] = []
"""What it raises instead of answering."""


class Safe(SecretSource, slug="resolve-safe"):
    """A service that keeps secrets: a dictionary."""

    token: SecretStr = SecretStr("")
    cache_seconds: float = 300

    def read_secret(self, key: str) -> SecretBytes:
        self.token.get_secret_value()
        ASKED.append(key)
        if FAILING:
            raise FAILING[0]
        if key not in KEPT:
            raise SecretUnresolved(f"The safe has no secret '{key}'. Put it there.")
        return SecretBytes(KEPT[key])


class Plain(SecretSource, slug="resolve-plain"):
    """Says nothing of how long its values may be kept."""

    def read_secret(self, key: str) -> SecretBytes:
        ASKED.append(key)
        return SecretBytes(key.encode())


class Slow(SecretSource, slug="resolve-slow"):
    """Answers when it is let."""

    def read_secret(self, key: str) -> SecretBytes:
        ASKED.append(key)
        GATE.wait(60)
        if FAILING:
            raise FAILING[0]
        return SecretBytes(b"planted-slow")


GATE = Event()


class User(Block, slug="resolve-user"):
    """Needs a secret."""

    token: SecretStr
    raw: SecretBytes | None = None


@pytest.fixture(autouse=True)
def library() -> Iterator[Library]:
    for collected in (KEPT, ASKED, FAILING):
        collected.clear()
    GATE.clear()
    SOURCE_VALUES.forget()
    with use_library(memory_library()) as library:
        yield library


def test_a_reference_to_a_source_is_read_from_it() -> None:
    KEPT["db/password#user"] = b"planted-in-a-safe"
    Safe().save("prod")
    User(
        token=SecretRef("resolve-safe/prod/db/password#user"),
        raw=SecretBytesRef("resolve-safe/prod/db/password#user"),
    ).save("x")
    user = User.load("x")
    assert user.token.get_secret_value() == "planted-in-a-safe"
    assert user.raw is not None
    assert user.raw.get_secret_value() == b"planted-in-a-safe"
    assert SECRETS_IN_USE.hide("planted-in-a-safe") == HIDDEN
    assert ASKED == ["db/password#user"]


def test_a_value_is_kept_for_as_long_as_its_source_says() -> None:
    now, stored = [1000.0], [b""]
    values, identity = SourceValues(clock=lambda: now[0]), (uuid4(), 1, "k")
    for at, there, expected in (
        (0, b"one", b"one"),
        (9.9, b"two", b"one"),
        (10, b"two", b"two"),
        (19, b"x", b"two"),
    ):
        now[0], stored[0] = 1000.0 + at, there
        assert values.get(identity, 10, lambda: stored[0]) == expected
    assert values.get((identity[0], 2, "k"), 10, lambda: stored[0]) == b"x"


def test_a_loaded_source_is_asked_once_for_what_it_lets_be_kept() -> None:
    KEPT["k"] = b"one"
    Safe(cache_seconds=3600).save("prod")
    for _ in range(3):
        assert SecretRef("resolve-safe/prod/k").get_secret_value() == "one"
    assert ASKED == ["k"]


def test_a_source_without_a_word_on_it_is_kept_for_five_minutes(library: Library) -> None:
    Plain().save("p")
    state = state_of(SecretRef("resolve-plain/p/k"), library)
    assert (state.problem, state.source_version, state.cache_seconds) == ("", 1, DEFAULT_CACHE_SECONDS)
    assert state.age_seconds is not None
    assert 0 <= state.age_seconds < 60
    assert "planted" not in repr(state)


def test_a_source_that_keeps_nothing_is_asked_each_time(library: Library) -> None:
    KEPT["k"] = b"one"
    Safe(cache_seconds=0).save("prod")
    reference = SecretRef("resolve-safe/prod/k")
    reference.get_secret_value()
    KEPT["k"] = b"two"
    assert reference.get_secret_value() == "two"
    assert state_of(reference, library).cache_seconds == 0


@pytest.mark.parametrize("seconds", [-1, True, "soon", None])
def test_a_word_that_is_no_time_counts_as_none(seconds: Any, library: Library) -> None:
    class Odd(SecretSource, slug="resolve-odd"):
        @property
        def cache_seconds(self) -> Any:
            return seconds

        def read_secret(self, key: str) -> SecretBytes:
            return SecretBytes(b"x")

    Odd().save("o")
    assert state_of(SecretRef("resolve-odd/o/k"), library).cache_seconds == DEFAULT_CACHE_SECONDS


def test_a_source_that_is_saved_anew_is_asked_anew() -> None:
    KEPT["k"] = b"one"
    Safe().save("prod")
    reference = SecretRef("resolve-safe/prod/k")
    assert reference.get_secret_value() == "one"
    KEPT["k"] = b"two"
    assert reference.get_secret_value() == "one"
    Safe().save("prod", overwrite=True)
    assert reference.get_secret_value() == "two"
    Safe.delete("prod")
    with pytest.raises(SecretUnresolved, match="No block 'resolve-safe/prod' is saved"):
        reference.get_secret_value()


def test_an_error_is_not_kept() -> None:
    Safe().save("prod")
    reference = SecretRef("resolve-safe/prod/k")
    for _ in range(2):
        with pytest.raises(SecretUnresolved, match="The safe has no secret 'k'"):
            reference.get_secret_value()
    KEPT["k"] = b"now"
    assert reference.get_secret_value() == "now"
    assert ASKED == ["k"] * 3


def test_of_many_who_want_a_value_at_once_one_asks() -> None:
    Slow().save("s")
    library, found, count = memory_library(), list[str](), 8
    with use_library(library):
        Slow().save("s")
        reference = pickle.loads(pickle.dumps(SecretRef("resolve-slow/s/k")))
        reference.bind(library)
    ready = Barrier(count + 1)

    def want() -> None:
        ready.wait()
        found.append(reference.get_secret_value())

    threads = [Thread(target=want) for _ in range(count)]
    for thread in threads:
        thread.start()
    ready.wait()
    while not ASKED:
        pass
    GATE.set()
    for thread in threads:
        thread.join()
    assert found == ["planted-slow"] * count
    assert ASKED == ["k"]


def test_those_who_wait_for_an_answer_get_its_error_and_the_next_asks_anew() -> None:
    values, identity, asked = SourceValues(), (uuid4(), 1, "k"), list[int]()
    entered, failures = Event(), list[Exception]()

    def fail() -> bytes:
        asked.append(1)
        entered.set()
        GATE.wait(60)
        raise CredentialsRefused("no")

    def want() -> None:
        try:
            values.get(identity, 60, fail)
        except CredentialsRefused as error:
            failures.append(error)

    threads = [Thread(target=want) for _ in range(4)]
    threads[0].start()
    entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(values._questions) != 1:
        pass
    GATE.set()
    for thread in threads:
        thread.join()
    assert len(failures) == 4
    assert len(asked) <= 4
    assert values.find(identity) is None
    assert values.get(identity, 60, lambda: b"now") == b"now"


def test_one_who_is_interrupted_leaves_nobody_waiting() -> None:
    values, identity = SourceValues(), (uuid4(), 1, "k")

    def interrupt() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        values.get(identity, 60, interrupt)
    assert values.get(identity, 60, lambda: b"x") == b"x"
    assert values._questions == {}


def test_a_forked_child_asks_for_itself() -> None:
    values, identity = SourceValues(), (uuid4(), 1, "k")
    values.get(identity, 60, lambda: b"of-the-parent")
    values._lock.acquire()  # as another thread may have at that moment
    child = os.fork()
    if not child:
        os._exit(0 if values.get(identity, 60, lambda: b"own") == b"own" else 1)
    values._lock.release()
    assert os.waitpid(child, 0)[1] == 0
    assert values.get(identity, 60, lambda: b"x") == b"of-the-parent"


def test_the_values_that_are_kept_are_bounded() -> None:
    values, source = SourceValues(max_kept=5), uuid4()
    for number in range(20):
        values.get((source, 1, str(number)), 60, lambda: b"x")
    assert len(values._kept) == 5
    assert values.find((source, 1, "19")) is not None


def test_a_source_may_need_a_reference_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    KEPT.update(k=b"inner-secret", own=b"outer-secret")
    Safe().save("first")
    Safe(token=SecretRef("resolve-safe/first/k")).save("second")
    Safe(token=SecretRef("resolve-safe/second/k")).save("third")
    User(token=SecretRef("resolve-safe/third/own")).save("x")
    assert User.load("x").token.get_secret_value() == "outer-secret"
    Safe(token=SecretRef("env:BLOCKS_TEST_NOWHERE")).save("first", overwrite=True)
    SOURCE_VALUES.forget()
    with pytest.raises(SecretUnresolved) as caught:
        User.load("x")
    for part in (
        "resolve-user/x",
        "'token'",
        "resolve-safe/third",
        "resolve-safe/second",
        "BLOCKS_TEST_NOWHERE",
    ):
        assert part in str(caught.value)


def test_secrets_in_a_circle_are_an_error_that_names_the_circle() -> None:
    Safe(token=SecretRef("resolve-safe/b/k")).save("a")
    Safe(token=SecretRef("resolve-safe/c/k")).save("b")
    Safe(token=SecretRef("resolve-safe/a/k")).save("c")
    User(token=SecretRef("resolve-safe/a/k")).save("x")
    circle = r"resolve-safe/a -> resolve-safe/b -> resolve-safe/c -> resolve-safe/a"
    with pytest.raises(SecretsInCircle, match=circle):
        User.load("x")
    with pytest.raises(SecretsInCircle, match="-> resolve-safe/a -> resolve-safe/b"):
        Safe.load("a")
    Safe(token=SecretRef("resolve-safe/self/k")).save("self")
    with pytest.raises(SecretsInCircle, match=r"\(resolve-safe/self -> resolve-safe/self\)"):
        Safe.load("self")
    assert ASKED == []


def test_whatever_a_source_raises_becomes_a_typed_error_without_its_secrets() -> None:
    Safe(token=SecretStr("planted-token")).save("prod")
    reference = SecretRef("resolve-safe/prod/k")
    FAILING.append(ValueError("refused planted-token"))
    with pytest.raises(
        SecretUnresolved, match=rf"'resolve-safe' raised ValueError: refused {HIDDEN.replace('*', '.')}"
    ) as caught:
        reference.get_secret_value()
    assert "planted" not in repr(caught.value.__cause__)
    FAILING[:] = [CredentialsRefused("The safe does not know you. Renew the token.")]
    with pytest.raises(SecretUnresolved, match=r"The safe does not know you\. Renew the token\.$"):
        reference.get_secret_value()


def test_a_block_that_is_no_source_is_refused() -> None:
    User(token=SecretStr("x")).save("x")
    with pytest.raises(
        SecretUnresolved, match="'resolve-user/x' is not valid: it is a User, which is no SecretSource"
    ):
        SecretRef("resolve-user/x/k").get_secret_value()


def test_a_source_s_bytes_that_are_no_text_are_refused_as_one() -> None:
    KEPT["k"] = b"planted\xff"
    Safe().save("prod")
    assert SecretBytesRef("resolve-safe/prod/k").get_secret_value() == b"planted\xff"
    with pytest.raises(SecretUnresolved, match="no text in UTF-8") as caught:
        SecretRef("resolve-safe/prod/k").get_secret_value()
    assert "planted" not in str(caught.value)


def test_a_loaded_block_s_references_are_read_from_its_own_library() -> None:
    KEPT["k"] = b"mine"
    with use_library(memory_library()):
        Safe().save("prod")
        User(token=SecretRef("resolve-safe/prod/k")).save("x")
        user = User.load("x")
        user_again = user.model_copy(deep=True)
    with use_library(memory_library()):
        SOURCE_VALUES.forget()
        assert user.token.get_secret_value() == user_again.token.get_secret_value() == "mine"
        sent = pickle.loads(pickle.dumps(user))
        with pytest.raises(SecretUnresolved, match="No block 'resolve-safe/prod'"):
            sent.token.get_secret_value()


def test_a_state_says_why_a_reference_leads_to_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_TEST_STATE", "planted")
    state = state_of(SecretRef("env:BLOCKS_TEST_STATE"), library)
    assert (state.problem, state.cache_seconds, state.age_seconds) == ("", None, None)
    assert state.where == "the variable BLOCKS_TEST_STATE of this process"
    state = state_of(SecretRef("file:/no/such"), library)
    assert "No such file" in state.problem
    state = state_of(SecretRef("resolve-safe/none/k"), library)
    assert "No block 'resolve-safe/none'" in state.problem
    assert isinstance(SecretUnresolved("x"), BlocksError)


class Eager(SecretSource, slug="resolve-eager"):
    """Looks at its own secret while it is made."""

    token: SecretStr
    _length: int = PrivateAttr(0)

    def model_post_init(self, context: Any, /) -> None:
        self._length = len(self.token.get_secret_value())

    def read_secret(self, key: str) -> SecretBytes:
        return SecretBytes(b"x")


def test_a_type_that_looks_at_its_own_secret_while_it_is_made_ends_in_a_circle_and_not_in_a_deep_stack(
    library: Library,
) -> None:
    Eager(token=SecretStr("plain")).save("a")
    block = Eager.load("a")
    object.__setattr__(block, "__dict__", {"token": SecretRef("resolve-eager/a/k")})
    draft = library.draft(block, "a")
    library.registry.save(draft, overwrite=True)
    with pytest.raises(SecretsInCircle):
        Eager.load("a")
