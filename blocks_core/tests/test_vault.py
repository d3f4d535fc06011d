"""Sealing, and every way in which a seal may be broken."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.errors import KeysInvalid, KeysMissing, KeyUnknown, SealBroken
from blocks_core.key_file import FileKeyProvider
from blocks_core.vault import Binding, Vault

BINDING = Binding(uuid4(), 1, "secret")


@pytest.fixture
def provider(tmp_path: Path) -> FileKeyProvider:
    provider = FileKeyProvider(tmp_path / "home" / "keys.json")
    provider.create()
    return provider


@given(st.binary(max_size=2000), st.uuids(), st.integers(1, 2**40))
def test_what_is_sealed_is_unsealed(
    tmp_path_factory: pytest.TempPathFactory, secret: bytes, id_: object, version: int
) -> None:
    provider = FileKeyProvider(tmp_path_factory.getbasetemp() / "keys.json")
    provider.create()
    binding = Binding(id_, version, "secret")
    assert Vault(provider).unseal(Vault(provider).seal(secret, binding), binding) == secret


def test_a_sealed_value_shows_nothing_and_is_never_the_same_twice(provider: FileKeyProvider) -> None:
    vault = Vault(provider)
    one, other = vault.seal(b"planted secret", BINDING), vault.seal(b"planted secret", BINDING)
    assert b"planted" not in one.ciphertext + one.wrapped_key
    assert one.ciphertext[13:] != other.ciphertext[13:]
    assert one.wrapped_key != other.wrapped_key
    assert one.key_id == provider.load().primary


def test_a_sealed_value_cannot_be_moved_to_another_document(provider: FileKeyProvider) -> None:
    vault = Vault(provider)
    sealed = vault.seal(b"x", BINDING)
    for other in (
        replace(BINDING, document_id=uuid4()),
        replace(BINDING, version=2),
        replace(BINDING, slug="s3"),
    ):
        with pytest.raises(SealBroken):
            vault.unseal(sealed, other)


def test_any_altered_byte_is_noticed(provider: FileKeyProvider) -> None:
    vault = Vault(provider)
    sealed = vault.seal(b"x", BINDING)
    for part in ("ciphertext", "wrapped_key"):
        whole: bytes = getattr(sealed, part)
        for index in range(len(whole)):
            altered = whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :]
            with pytest.raises(SealBroken, match=sealed.key_id):
                vault.unseal(replace(sealed, **{part: altered}), BINDING)
        with pytest.raises(SealBroken):
            vault.unseal(replace(sealed, **{part: b""}), BINDING)


def test_an_unknown_key_is_named(provider: FileKeyProvider) -> None:
    sealed = replace(Vault(provider).seal(b"x", BINDING), key_id="k-gone")
    with pytest.raises(KeyUnknown, match=r"'k-gone'.*Restore the key"):
        Vault(provider).unseal(sealed, BINDING)


def test_a_key_that_was_added_meanwhile_is_found(provider: FileKeyProvider, tmp_path: Path) -> None:
    reader = Vault(provider)
    reader.seal(b"warm", BINDING)
    content = json.loads(provider.path.read_text())
    other = FileKeyProvider(tmp_path / "other.json")
    other.create()
    sealed = Vault(other).seal(b"x", BINDING)
    content["keys"] += json.loads(other.path.read_text())["keys"]
    provider.path.write_text(json.dumps(content))
    assert reader.unseal(sealed, BINDING) == b"x"


def test_the_key_file_is_its_owners_alone(provider: FileKeyProvider) -> None:
    assert provider.path.stat().st_mode & 0o777 == 0o600
    assert provider.path.parent.stat().st_mode & 0o777 == 0o700
    provider.path.chmod(0o644)
    with pytest.raises(KeysInvalid, match="chmod 600"):
        provider.load()


def test_a_key_file_is_never_written_over(provider: FileKeyProvider) -> None:
    before = provider.path.read_bytes()
    assert provider.create() == provider.load()
    assert provider.path.read_bytes() == before
    assert os.listdir(provider.path.parent) == ["keys.json"]


def test_a_missing_key_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match=r"no key file .*keys.json. Restore it"):
        Vault(FileKeyProvider(tmp_path / "keys.json")).seal(b"x", BINDING)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"keys": []}', '{"primary": "a", "keys": [{"id": "a", "key": "planted=="}]}',
     '{"primary": "b", "keys": [{"id": "a", "key": "' + "A" * 43 + '="}]}',
     '{"primary": "a", "keys": [{"id": "a", "key": "AAAA"}]}'],
)  # fmt: skip
def test_a_damaged_key_file_is_refused_without_being_shown(provider: FileKeyProvider, text: str) -> None:
    provider.path.write_text(text)
    with pytest.raises(KeysInvalid) as caught:
        Vault(provider).seal(b"x", BINDING)
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeysInvalid, match="cannot be written"):
        FileKeyProvider(tmp_path / "file" / "keys.json").create()


def test_a_keyring_hides_its_keys(provider: FileKeyProvider) -> None:
    keyring = provider.load()
    assert all(
        repr(key) not in repr(keyring) and key.hex() not in repr(keyring) for key in keyring.keys.values()
    )
