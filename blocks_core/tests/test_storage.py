import os
import pickle
import threading
from copy import copy
from time import sleep
from traceback import format_exception

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from blocks_core.errors import PathNotFound, PathRefused, StorageFailed
from blocks_core.masking import without, without_secrets
from blocks_core.storage import FileSystemStorage
from blocks_core.storage_errors import failure_of
from blocks_core.storage_opened import OpenedFileSystem
from blocks_core.storage_paths import clean_folder, clean_path, is_part, part_name

CANARY = "p1anted-5ecret"

hostile_text = st.lists(
    st.one_of(
        st.sampled_from(["..", "/", ".", "\\", "%2e", "%2F", "%25", "%5c", "\x00", "~", " "]), st.text()
    ),
    max_size=8,
).map("".join)


@given(hostile_text)
def test_a_path_is_refused_or_stays_below_every_folder(path):
    try:
        cleaned = clean_path(path)
    except PathRefused:
        return
    assert clean_path(cleaned) == cleaned
    full = os.path.normpath(os.path.join("/data/base", cleaned))
    assert full == f"/data/base/{cleaned}"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4).map("/".join))
def test_a_folder_is_a_path_without_the_slash_at_its_end(path):
    try:
        cleaned = clean_path(path)
    except PathRefused:
        return
    assert clean_folder(f"{path}/") == cleaned


def test_the_name_of_a_part_is_a_path_and_is_known_as_one():
    name = part_name()
    assert clean_path(name) == name != part_name()
    assert is_part(name)
    assert is_part(f"folder/{name}")
    assert not is_part("folder/file.blocks-part")


class Inner(BaseModel):
    key: SecretBytes = SecretBytes(b"of-the-inner-one")


class Holder(BaseModel):
    plain: str = "shown"
    text: SecretStr = SecretStr(CANARY)
    empty: SecretStr = SecretStr("")
    inner: Inner = Inner()
    options: dict[str, list[SecretStr]] = {"a": [SecretStr("in a list/ö")]}
    tokens: Secret[dict[str, str]] = Secret[dict[str, str]]({"a": "in-a-secret-dict"})


@pytest.mark.parametrize(
    "secret",
    [
        CANARY,
        "of-the-inner-one",
        "in a list/ö",
        "in%20a%20list%2F%C3%B6",
        "in%20a%20list/%C3%B6",
        "in+a+list%2F%C3%B6",
        "in a list/\\u00f6",
        "in-a-secret-dict",
    ],
)
def test_every_secret_of_a_model_is_taken_out_of_a_text_in_every_form(secret):
    text = without_secrets(Holder(), f"shown: https://u:{secret}@h/?k={secret}&x")
    assert text == "shown: https://u:**********@h/?k=**********&x"


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it():
    assert without("abcdef and abc", ["abc", "abcdef"]) == "********** and **********"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FileNotFoundError(2, "gone", "x"), PathNotFound, "There is no file s3://b/k"),
        (IsADirectoryError(21, "x"), PathNotFound, "is a folder"),
        (PermissionError("403"), StorageFailed, "access was refused"),
        (TimeoutError(), StorageFailed, "no answer in time"),
        (ConnectionResetError(), StorageFailed, "the connection failed"),
        (OSError(28, "full"), StorageFailed, "no space is left"),
        (OSError(30, "ro"), StorageFailed, "read-only"),
        (NotImplementedError(), StorageFailed, "cannot do that"),
        (ModuleNotFoundError("No module", name="paramiko"), StorageFailed, "pip install paramiko"),
        (KeyError("odd {braces}"), StorageFailed, "KeyError: 'odd {braces}'"),
    ],
)
def test_an_error_says_where_what_and_what_to_do(error, kind, words):
    failed = failure_of(error, "s3://b/k")
    assert type(failed) is kind
    assert words in str(failed)
    assert "s3://b/k" in str(failed)
    assert str(failed).endswith(".")


class TestOpened:
    def test_a_filesystem_is_opened_once_for_the_same_fields(self):
        opened, calls = OpenedFileSystem(), []
        for _ in range(3):
            opened.get({"a": 1}, lambda: calls.append(1) or object())
        assert len(calls) == 1

    def test_it_is_opened_again_when_a_field_changed_even_deep_inside(self):
        opened, fields = OpenedFileSystem(), {"a": {"b": [1]}}
        first = opened.get(fields, object)
        fields["a"]["b"].append(2)
        assert opened.get(fields, object) is not first

    def test_threads_that_come_at_once_open_one(self):
        opened, calls, barrier = OpenedFileSystem(), [], threading.Barrier(8)

        def opener():
            calls.append(1)
            sleep(0.02)  # as a connection takes
            return object()

        def use():
            barrier.wait()
            opened.get({}, opener)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(calls) == 1

    @pytest.mark.parametrize("again", [copy, lambda opened: pickle.loads(pickle.dumps(opened))])
    def test_copies_have_nothing_open(self, again):
        opened = OpenedFileSystem()
        first = opened.get({}, object)
        assert again(opened).get({}, object) is not first


def test_a_secret_in_the_cause_of_an_error_shows_in_no_traceback():

    class Leaky(FileSystemStorage, slug="leaky"):
        password: SecretStr = SecretStr(CANARY)

        def _filesystem(self):
            try:
                raise OSError(f"530 login of u:{CANARY} incorrect")
            except OSError as error:
                raise ConnectionError("login refused") from error

        def _root(self):
            return ""

        def _location_prefix(self):
            return "leaky://"

    with pytest.raises(StorageFailed) as caught:
        Leaky().read("a")
    assert "login refused" in str(caught.value)
    assert CANARY not in "".join(format_exception(caught.value))
