"""The key file through kills, full disks, other owners and links, and keys that a service wraps."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from blocks_core.errors import KeysInvalid, KeysMissing, KeysReadOnly
from blocks_core.key_document import KeyDocument, KeyEntry, parse_keys
from blocks_core.key_file import FileKeyProvider
from blocks_core.testing.key_provider_suite import KeyProviderSuite

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True)
ENTRIES = st.lists(
    st.builds(KeyEntry, IDS, st.binary(max_size=100), st.text(), st.booleans()),
    min_size=1,
    max_size=5,
    unique_by=lambda entry: entry.id,
)


@pytest.fixture
def provider(tmp_path: Path) -> FileKeyProvider:
    provider = FileKeyProvider(tmp_path / "home" / "keys.json")
    provider.create()
    return provider


@given(ENTRIES, st.text(min_size=1), st.data())
def test_what_is_rendered_is_parsed(entries: list[KeyEntry], wrapped_by: str, data: st.DataObject) -> None:
    primary = data.draw(st.sampled_from(entries)).id
    document = KeyDocument(primary, tuple(entries), wrapped_by)
    assert parse_keys(document.render(), "here") == document


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
    ).map(json.dumps)
)
def test_any_other_text_is_a_typed_error(text: str) -> None:
    with pytest.raises(KeysInvalid, match="damaged"):
        parse_keys(text, "here")


def test_a_file_of_the_first_version_of_blocks_loads(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(
        '{\n  "format": 1,\n  "primary": "k1f0a2b3c4d5",\n  "keys": [\n    {\n      "id": "k1f0a2b3c4d5",\n'
        f'      "key": "{b64encode(bytes(range(32))).decode()}",\n      "created_at": "2026-01-02T03:04:05+00:00"\n'
        "    }\n  ]\n}"
    )
    keyring = FileKeyProvider(path).load()
    assert keyring.keys == {"k1f0a2b3c4d5": bytes(range(32))}
    assert keyring.created_at["k1f0a2b3c4d5"].isoformat() == "2026-01-02T03:04:05+00:00"


def test_a_file_that_did_not_change_is_not_read_again(provider: FileKeyProvider) -> None:
    time.sleep(0.15)  # a file that changed a moment ago is read again: its time may not show the next change
    first = provider.load()
    assert provider.load() is first
    provider.path.chmod(0o644)
    with pytest.raises(KeysInvalid, match="chmod 600"):
        provider.load()


def test_every_change_keeps_the_file_private_and_leaves_nothing_beside_it(provider: FileKeyProvider) -> None:
    first = provider.load().primary
    provider.promote(provider.add())
    provider.remove(first)
    assert [file.name for file in provider.path.parent.iterdir()] == ["keys.json"]
    assert provider.path.stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_file_stays_a_link(provider: FileKeyProvider, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(provider.path)
    added = FileKeyProvider(link).add()
    assert link.is_symlink()
    assert added in provider.load().keys


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the file to another user, so it needs root's rights")
def test_a_file_changed_by_an_administrator_stays_its_owners(provider: FileKeyProvider) -> None:
    os.chown(provider.path, 65534, 65534)
    provider.add()
    found = provider.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65534, 0o600)


CHANGES_WITHOUT_END = """
import sys
from pathlib import Path
from blocks_core.key_file import FileKeyProvider
provider = FileKeyProvider(Path(sys.argv[1]))
def tell(*words):
    print(*words, "end", flush=True)
while True:
    before, added = provider.load().primary, provider.add()
    tell("added", added)
    tell("begins", added)
    provider.promote(added)
    tell("promoted", added)
    tell("begins", before)
    provider.remove(before)
    tell("removed", before)
"""


def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(provider: FileKeyProvider) -> None:
    random.seed(1)
    for _ in range(25):
        command = [sys.executable, "-c", CHANGES_WITHOUT_END, str(provider.path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(random.uniform(0, 0.03))
        child.send_signal(signal.SIGKILL)
        lines = [line.split() for line in child.communicate()[0].splitlines()]
        told: dict[str, list[str]] = {"added": [], "begins": [""], "promoted": [], "removed": []}
        for act, key_id, _end in (line for line in lines if len(line) == 3):
            told[act].append(key_id)
        keyring, maybe = provider.load(), told["begins"][-1]
        assert set(told["added"]) - set(told["removed"]) - {maybe} <= set(keyring.keys)
        assert not set(told["removed"]) & set(keyring.keys)
        assert not told["promoted"] or keyring.primary in (told["promoted"][-1], maybe)
        assert provider.path.stat().st_mode & 0o777 == 0o600
    provider.add()
    assert [file.name for file in provider.path.parent.iterdir()] == ["keys.json"], "drafts are left"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_leaves_the_file_as_it_was(small_disk: Path) -> None:
    provider = FileKeyProvider(small_disk / "keys.json")
    provider.create()
    before = provider.path.read_bytes()
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bfree * free.f_bsize))
    with pytest.raises(KeysInvalid, match=r"as it was.*disk is full"):
        provider.add()
    assert provider.path.read_bytes() == before
    assert sorted(file.name for file in small_disk.iterdir()) == ["filler", "keys.json"]


def test_a_file_on_a_read_only_disk_is_changed_by_a_draft(small_disk: Path, tmp_path: Path) -> None:
    provider = FileKeyProvider(small_disk / "keys.json")
    first = provider.create().primary
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for act in (provider.add, lambda: provider.promote(first), lambda: provider.remove(first)):
        with pytest.raises(KeysReadOnly, match="--to FILE"):
            act()
    draft = provider.draft()
    added = draft.add()
    assert set(draft.load().keys) == {first, added}
    assert list(provider.load().keys) == [first]


def test_a_file_that_is_mounted_by_itself_is_changed_by_a_draft(tmp_path: Path) -> None:
    source, target = FileKeyProvider(tmp_path / "source.json"), tmp_path / "mounted.json"
    source.create()
    target.touch(0o600)
    command = ["mount", "--bind", str(source.path), str(target)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file cannot be mounted here")
    try:
        before = source.path.read_bytes()
        with pytest.raises(KeysReadOnly, match="--to FILE"):
            FileKeyProvider(target).add()
        assert source.path.read_bytes() == before
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_a_key_file_that_vanished_is_not_made_anew_by_a_change(provider: FileKeyProvider) -> None:
    shutil.rmtree(provider.path.parent)
    for act in (provider.add, lambda: provider.promote("k"), lambda: provider.remove("k"), provider.load):
        with pytest.raises(KeysMissing, match="Restore it from a backup"):
            act()


class Service:
    """Wraps keys as a KMS does, with a key of its own, and counts what it is asked."""

    def __init__(self, name: str = "test-kms:one") -> None:
        self.name = name
        self.unwrapped: list[str] = []
        self._cipher = AESGCM(name.encode().ljust(32))

    def wrap(self, key_id: str, key: bytes) -> bytes:
        return self._cipher.encrypt(bytes(12), key, key_id.encode())

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        self.unwrapped.append(key_id)
        try:
            return self._cipher.decrypt(bytes(12), wrapped, key_id.encode())
        except InvalidTag:
            raise KeysInvalid(f"The service did not unwrap '{key_id}'. It is not what it wrapped.") from None


def test_a_service_is_asked_once_for_each_key_of_a_process(tmp_path: Path) -> None:
    path, service = tmp_path / "keys.json", Service()
    provider = FileKeyProvider(path, service)
    first = provider.create().primary
    second = provider.add()
    provider.promote(second)
    assert service.unwrapped == [], "who wrapped a key knows it"
    later = Service()
    other = FileKeyProvider(path, later)
    for _ in range(3):
        other.load()
        path.touch()
    assert sorted(later.unwrapped) == sorted([first, second])
    provider.add()
    other.load()
    assert len(later.unwrapped) == 3


def test_a_key_file_comes_under_a_service_by_a_rotation(tmp_path: Path) -> None:
    """Keys in clear stay readable until they are retired; nothing needs to be stopped."""
    path = tmp_path / "keys.json"
    first = FileKeyProvider(path).create().primary
    provider = FileKeyProvider(path, Service())
    second = provider.add()
    provider.promote(second)
    assert dict(provider.load().wrapped_by) == {second: "test-kms:one"}
    provider.remove(first)
    assert set(provider.load().wrapped_by) == set(provider.load().keys)
    text = path.read_text()
    assert '"key"' not in text
    assert b64encode(provider.load().key(second)).decode() not in text


@pytest.mark.parametrize("service", [None, Service("test-kms:two")])
def test_keys_of_another_service_are_refused_and_left_as_they_are(
    tmp_path: Path, service: Service | None
) -> None:
    path = tmp_path / "keys.json"
    first = FileKeyProvider(path, Service()).create().primary
    before, other = path.read_text(), FileKeyProvider(path, service)
    for act in (other.load, other.create, other.add, lambda: other.promote(first)):
        with pytest.raises(KeysInvalid, match=r"wrapped by 'test-kms:one'.*BLOCKS_KEYS"):
            act()
    assert path.read_text() == before


def test_a_wrapped_key_that_was_moved_to_another_id_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    provider = FileKeyProvider(path, Service())
    provider.create()
    provider.add()
    content = json.loads(path.read_text())
    one, other = content["keys"]
    one["wrapped_key"], other["wrapped_key"] = other["wrapped_key"], one["wrapped_key"]
    path.write_text(json.dumps(content))
    assert len(b64decode(one["wrapped_key"])) == 48
    with pytest.raises(KeysInvalid, match="did not unwrap"):
        FileKeyProvider(path, Service()).load()


def test_no_suite_of_providers_is_empty() -> None:
    assert len([name for name in vars(KeyProviderSuite) if name.startswith("test_")]) > 15


@pytest.mark.parametrize("kind", ["pipe", "device", "huge"])
def test_what_cannot_be_a_key_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keys.json"
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch(0o600)
        os.truncate(path, 50_000_000)
    provider = FileKeyProvider(path)
    program = f"from {FileKeyProvider.__module__} import *; FileKeyProvider(Path({str(path)!r})).load()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "KeysInvalid" in done.stderr
    with pytest.raises(KeysInvalid, match=r"regular file|larger than"):
        provider.add()
