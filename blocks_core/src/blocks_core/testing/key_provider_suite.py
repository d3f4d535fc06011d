"""`KeyProviderSuite`: what every key provider must do, in this process and in others.

class TestMyKeys(KeyProviderSuite):
    is_wrapped = True                      # a service encrypts the keys, so the text holds none in clear

    @pytest.fixture
    def setting(self, service):            # what BLOCKS_KEYS would be
        return f"my-keys:{service.key}"
"""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import uuid4

import pytest

from blocks_core.errors import KeyInUse, KeyringError, KeysInvalid, KeysMissing, KeysReadOnly, KeyUnknown
from blocks_core.key_places import PlacedKeyProvider
from blocks_core.key_providers import open_key_provider
from blocks_core.keyring import KEY_BYTES, KeyProvider, Keyring
from blocks_core.vault import Binding, Vault

Changed = TypeVar("Changed")

PROCESSES = 4

_DAMAGED = (
    "{",
    "[]",
    "null",
    "[" * 100_000,
    '{"keys": []}',
    '{"format": 1, "primary": "a", "keys": []}',
    '{"format": 1, "primary": "a", "keys": [{"id": "a", "key": "pl4nted=="}]}',
    '{"format": 1, "primary": "a", "keys": [{"id": "a", "key": "AAAA"}]}',
    '{"format": 1, "primary": "b", "keys": [{"id": "a", "key": "' + "A" * 43 + '="}]}',
    '{"format": 1, "primary": "a", "keys": ['
    + ", ".join(['{"id": "a", "key": "' + "A" * 43 + '="}'] * 2)
    + "]}",
    '{"format": 1, "primary": "a/../b", "keys": [{"id": "a/../b", "key": "' + "A" * 43 + '="}]}',
    '{"format": 1, "primary": "a", "keys": [{"id": "a", "wrapped_key": "' + "A" * 43 + '="}]}',
)

_PROCESS = """
import sys
from pathlib import Path
from blocks_core.errors import KeysReadOnly
from blocks_core.key_providers import open_key_provider
act, setting, home, times = sys.argv[1:]
provider = open_key_provider(setting, Path(home))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(times)):
    try:
        print(provider.add() if act == "add" else provider.create().primary)
    except KeysReadOnly:
        print("read-only")
"""


class KeptText:
    """What lies in the place of the keys: by default a file, `keys.json` in the home folder."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def get(self) -> str | None:
        """Return the text, or None where there is none."""
        return self.file.read_text("utf-8") if self.file.exists() else None

    def put(self, text: str | None) -> None:
        """Replace the text, as an operator would; None: take it away."""
        self.file.unlink(missing_ok=True)
        if text is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.touch(0o600)
            self.file.write_text(text, "utf-8")


class Keeper:
    """Changes keys as their place allows: by the provider, or by a text that an operator puts in place."""

    def __init__(self, open_provider: Callable[[], KeyProvider], text: KeptText, is_read_only: bool) -> None:
        self.open = open_provider
        self.text = text
        self._is_read_only = is_read_only

    def create(self) -> Keyring:
        """Make the first keyring."""
        return self._change(lambda provider: provider.create())

    def add(self) -> str:
        """Add a key."""
        return self._change(lambda provider: provider.add())

    def promote(self, key_id: str) -> None:
        """Make a key the primary one."""
        self._change(lambda provider: provider.promote(key_id))

    def remove(self, key_id: str) -> None:
        """Forget a key."""
        self._change(lambda provider: provider.remove(key_id))

    def _change(self, change: Callable[[KeyProvider], Changed]) -> Changed:
        provider = self.open()
        if not self._is_read_only:
            return change(provider)
        before = self.text.get()
        with pytest.raises(KeysReadOnly, match="--to FILE"):
            change(provider)
        assert self.text.get() == before
        assert isinstance(provider, PlacedKeyProvider)
        draft = provider.draft()
        found = change(draft)
        self.text.put(draft.text)
        return found


class KeyProviderSuite:
    """Inherit it and give the fixture `setting`; with it `text`, where the keys are in no file of the home folder."""

    is_read_only: ClassVar[bool] = False
    """Only people change the place."""
    is_wrapped: ClassVar[bool] = False
    """A service encrypts the keys."""

    @pytest.fixture
    def setting(self) -> str:
        """Return what the setting BLOCKS_KEYS would be."""
        raise NotImplementedError("Give a fixture 'setting'.")

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """Return the home folder of the registry."""
        return tmp_path / "home"

    @pytest.fixture
    def text(self, home: Path) -> KeptText:
        """Return what reads and replaces the text that the keys are kept as."""
        return KeptText(home / "keys.json")

    @pytest.fixture
    def keeper(self, setting: str, home: Path, text: KeptText) -> Keeper:
        """Return what changes the keys, in this process."""
        return Keeper(lambda: open_key_provider(setting, home), text, self.is_read_only)

    @pytest.fixture
    def provider(self, keeper: Keeper) -> KeyProvider:
        """Return a provider of a keyring of one key."""
        keeper.create()
        return keeper.open()

    def test_the_first_keyring_has_one_key_which_is_primary(self, provider: KeyProvider) -> None:
        """It says where it comes from, and when the key was made."""
        keyring = provider.load()
        assert list(keyring.keys) == [keyring.primary]
        assert len(keyring.key(keyring.primary)) == KEY_BYTES
        assert keyring.origin
        assert abs(datetime.now(UTC) - keyring.created_at[keyring.primary]) < timedelta(hours=1)

    def test_keys_are_never_made_over_others(self, provider: KeyProvider, keeper: Keeper) -> None:
        """`create` gives what is there."""
        before = keeper.text.get()
        assert keeper.open().create() == provider.load()
        assert keeper.text.get() == before

    def test_a_place_without_keys_is_an_error_that_says_what_to_do(self, keeper: Keeper) -> None:
        """And nothing is made by looking."""
        with pytest.raises(KeysMissing) as caught:
            keeper.open().load()
        assert ". " in str(caught.value)
        assert str(caught.value).endswith(".")
        provider = keeper.open()
        for change in (provider.add, lambda: provider.promote("k1"), lambda: provider.remove("k1")):
            with pytest.raises((KeysMissing, KeysReadOnly)):
                change()
        assert keeper.text.get() is None

    def test_keys_that_were_lost_meanwhile_are_not_taken_from_memory(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """What is sealed with a key that is kept nowhere could never be read again."""
        provider.load()
        keeper.text.put(None)
        with pytest.raises(KeysMissing):
            provider.load()

    def test_an_added_key_is_another_one_and_not_primary(self, provider: KeyProvider, keeper: Keeper) -> None:
        """Its id is new as well."""
        before = provider.load()
        added = [keeper.add() for _ in range(3)]
        after = provider.load()
        assert after.primary == before.primary
        assert set(after.keys) == {before.primary, *added}
        assert len(set(after.keys.values())) == 4
        assert all(len(key) == KEY_BYTES for key in after.keys.values())

    def test_a_promoted_key_is_primary_and_no_key_changes(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """Promoting it again, or the older one, is no error."""
        first, added = provider.load().primary, keeper.add()
        before = dict(provider.load().keys)
        for key_id in (added, added, first):
            keeper.promote(key_id)
            assert provider.load().primary == key_id
            assert dict(provider.load().keys) == before

    def test_a_removed_key_is_gone_for_good(self, provider: KeyProvider, keeper: Keeper) -> None:
        """For those who had it in memory, too."""
        first, added = provider.load().primary, keeper.add()
        gone = provider.load().key(first)
        keeper.promote(added)
        keeper.remove(first)
        assert list(provider.load().keys) == [added]
        with pytest.raises(KeyUnknown, match=first):
            provider.load().key(first)
        assert b64encode(gone).decode() not in (keeper.text.get() or "")

    def test_the_primary_key_is_not_removed(self, provider: KeyProvider, keeper: Keeper) -> None:
        """The message says what to do first."""
        keeper.add()
        before = keeper.text.get()
        with pytest.raises((KeyInUse, KeysReadOnly)):
            keeper.open().remove(provider.load().primary)
        if isinstance(provider, PlacedKeyProvider):
            with pytest.raises(KeyInUse, match="Promote another first"):
                provider.draft().remove(provider.load().primary)
        assert keeper.text.get() == before

    def test_a_key_that_is_not_there_is_neither_promoted_nor_removed(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """The message names those that are."""
        before = keeper.text.get()
        found: list[KeyProvider] = [keeper.open()]
        if isinstance(provider, PlacedKeyProvider):
            found = [provider.draft()] if self.is_read_only else [*found, provider.draft()]
        for each in found:
            with pytest.raises(KeyUnknown, match=provider.load().primary):
                each.promote("k-gone")
            with pytest.raises(KeyUnknown, match=provider.load().primary):
                each.remove("k-gone")
        assert keeper.text.get() == before

    def test_a_provider_sees_what_others_change(self, provider: KeyProvider, keeper: Keeper) -> None:
        """At once, and many times within the moment that a file system counts as one."""
        for _ in range(20):
            added = keeper.add()
            assert added in provider.load().keys
            keeper.promote(added)
            assert provider.load().primary == added
            for key_id in list(provider.load().keys):
                if key_id != added:
                    keeper.remove(key_id)
            assert list(provider.load().keys) == [added]

    def test_what_older_keys_sealed_is_read_until_they_are_removed(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """Two vaults, as of two processes, one of which began before the rotation."""
        early, binding = Vault(provider), Binding(uuid4(), 1, "secret")
        old = early.seal(b"old", binding)
        added = keeper.add()
        keeper.promote(added)
        late = Vault(keeper.open())
        new = late.seal(b"new", binding)
        assert (old.key_id, new.key_id) == (old.key_id, added)
        assert early.unseal(new, binding) == b"new"
        assert late.unseal(old, binding) == b"old"
        assert early.primary_key_id() == added
        moved = late.rewrap(old, binding, added)
        keeper.remove(old.key_id)
        again = Vault(keeper.open())
        assert (again.unseal(moved, binding), again.unseal(new, binding)) == (b"old", b"new")
        with pytest.raises(KeyUnknown, match=old.key_id):
            again.unseal(old, binding)

    @pytest.mark.parametrize("damage", _DAMAGED, ids=range(len(_DAMAGED)))
    def test_damaged_keys_are_refused_without_being_shown_or_replaced(
        self, provider: KeyProvider, keeper: Keeper, damage: str
    ) -> None:
        """Restoring them is the operator's affair."""
        keeper.text.put(damage)
        changes: Sequence[Callable[[], object]] = (
            provider.load,
            keeper.open().load,
            keeper.open().create,
            keeper.open().add,
            lambda: keeper.open().promote("a2"),
            lambda: keeper.open().remove("a2"),
        )
        for change in changes:
            with pytest.raises((KeysInvalid, KeysReadOnly, KeyUnknown)) as caught:
                change()
            shown = "".join(traceback.format_exception(caught.value))
            assert "pl4nted" not in shown
            assert "AAAA" not in shown
        with pytest.raises(KeysInvalid, match="Restore"):
            provider.load()
        assert keeper.text.get() == damage

    def test_a_keyring_of_a_newer_version_says_what_to_upgrade(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """It is not called damaged."""
        kept = keeper.text.get() or ""
        keeper.text.put(kept.replace('"format": 1', '"format": 2'))
        with pytest.raises(KeysInvalid, match="Upgrade blocks-core"):
            provider.load()

    def test_processes_that_add_at_once_lose_nothing(
        self, provider: KeyProvider, setting: str, home: Path
    ) -> None:
        """Each key that one of them was given is kept."""
        before = set(provider.load().keys)
        added = _in_processes("add", setting, home, times=5)
        if self.is_read_only:
            assert added == ["read-only"] * len(added)
        else:
            assert len(set(added)) == PROCESSES * 5
            assert set(provider.load().keys) == before | set(added)

    def test_processes_that_create_at_once_agree_on_one_key(
        self, keeper: Keeper, setting: str, home: Path
    ) -> None:
        """The one that is kept."""
        created = _in_processes("create", setting, home, times=1)
        if self.is_read_only:
            assert created == ["read-only"] * PROCESSES
        else:
            assert set(created) == {keeper.open().load().primary}

    def test_a_draft_changes_nothing_until_its_text_is_put_in_place(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """For keyrings that only people change."""
        if not isinstance(provider, PlacedKeyProvider):
            pytest.skip("this provider keeps no text")
        before = keeper.text.get()
        draft = provider.draft()
        added = draft.add()
        draft.promote(added)
        draft.remove(provider.load().primary)
        assert keeper.text.get() == before
        keeper.text.put(draft.text)
        assert provider.load() == draft.load()
        assert list(provider.load().keys) == [added]

    def test_the_text_holds_keys_in_clear_only_where_no_service_wraps_them(
        self, provider: KeyProvider, keeper: Keeper
    ) -> None:
        """The kept text and its drafts."""
        keeper.add()
        texts = [keeper.text.get() or ""]
        if isinstance(provider, PlacedKeyProvider):
            draft = provider.draft()
            draft.add()
            texts.append(draft.text)
        for text in texts:
            for key_id, key in provider.load().keys.items():
                assert key_id in text
                assert (b64encode(key).decode() in text) is not self.is_wrapped
        assert set(provider.load().wrapped_by) == (set(provider.load().keys) if self.is_wrapped else set())

    def test_no_key_is_shown(
        self,
        provider: KeyProvider,
        keeper: Keeper,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Not by repr or str, in errors, logs or output."""
        with caplog.at_level(logging.DEBUG):
            keyring = provider.load()
            added = keeper.add()
            shown = [
                repr(found) + str(found) for found in (provider, keyring, Vault(provider), provider.load())
            ]
            for fail in (keyring.key, provider.remove, provider.promote):
                with pytest.raises(KeyringError) as caught:
                    fail("k-gone")
                shown += traceback.format_exception(caught.value)
            if isinstance(provider, PlacedKeyProvider):
                shown.append(repr(provider.draft()))
        shown += [caplog.text, *capfd.readouterr()]
        keys = [*keyring.keys.values(), provider.load().key(added)]
        for key in keys:
            for form in (repr(key)[2:-1], key.hex(), b64encode(key).decode()[:-1]):
                assert not any(form in text for text in shown), "a key is shown"


def _in_processes(act: str, setting: str, home: Path, *, times: int) -> list[str]:
    """Let several processes do the same at the same time -> the lines that they print."""
    command = [sys.executable, "-c", _PROCESS, act, setting, str(home), str(times)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        return [line for output in _release(running) for line in output.split()]
    finally:
        for process in running:
            process.kill()
            process.wait()


def _release(running: Sequence[subprocess.Popen[str]]) -> Iterator[str]:
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        yield output
