"""Keys are changed while the registry is in use, step by step, and nothing is sealed with a key that was let go."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from registry_places import RegistryPlace

from blocks_core import Block, use_library
from blocks_core.errors import KeyInUse, KeyRetired, KeysMissing, KeysReadOnly, KeyUnknown, SealBroken
from blocks_core.key_file import FileKeyProvider
from blocks_core.keyring import Keyring
from blocks_core.library import Library
from blocks_core.vault import Vault
from blocks_registry import LocalRegistry
from blocks_registry.key_status import KeyStatus, next_steps
from blocks_registry.opening import open_keys, open_library, open_rotation
from blocks_registry.rotation import Rotation


class Token(Block, slug="rotation-token"):
    """A token."""

    value: SecretStr


class Other(Block, slug="rotation-other"):
    """Another type, of the same form."""

    value: SecretStr


class Plain(Block, slug="rotation-plain"):
    """Nothing secret."""

    value: str = ""


@pytest.fixture
def library(place: RegistryPlace) -> Iterator[Library]:
    with use_library(place.library()) as library:
        for block_type in (Token, Other, Plain):
            library.register(block_type)
        yield library
    library.close()


@pytest.fixture
def rotation(place: RegistryPlace) -> Iterator[Rotation]:
    rotation = open_rotation(place.settings)
    yield rotation
    rotation.close()


def keys_of(rotation: Rotation) -> dict[str, KeyStatus]:
    return {key.id: key for key in rotation.status().keys}


def primary_of(rotation: Rotation) -> str:
    return next(key.id for key in rotation.status().keys if key.is_primary)


def save(count: int) -> None:
    for number in range(count):
        Token(value=SecretStr(f"secret-{number}")).save(f"t{number}")


def look(count: int) -> None:
    for number in range(count):
        assert Token.load(f"t{number}").value.get_secret_value() == f"secret-{number}"


def test_a_key_is_changed_in_four_steps_while_the_registry_is_open(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(7)
    first = primary_of(rotation)
    assert keys_of(rotation)[first].sealed_versions == 7
    assert "block keys add" in next_steps(rotation.status())[0]

    added = rotation.add()
    assert not added.is_primary
    assert (keys_of(rotation)[first].state, keys_of(rotation)[added.key_id].state) == ("primary", "ready")
    assert f"block keys promote {added.key_id}" in next_steps(rotation.status())[0]

    assert rotation.promote().key_id == added.key_id
    Token(value=SecretStr("new")).save("new")
    assert keys_of(rotation)[added.key_id].sealed_versions == 1
    assert "7 versions" in next_steps(rotation.status())[0]

    seen: list[tuple[int, int]] = []
    done = rotation.rewrap(batch=3, progress=lambda now, total: seen.append((now, total)))
    assert (done.rewrapped, done.audit_key, done.left, done.problems) == (7, True, 0, ())
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert f"block keys retire {first}" in next_steps(rotation.status())[0]

    retired = rotation.retire(first)
    assert (retired.was_marked, retired.was_removed) == (True, True)
    assert keys_of(rotation)[first].state == "retired"
    assert "Nothing is left to do" in next_steps(rotation.status())[0]
    assert list(open_keys(place.settings).load().keys) == [added.key_id]
    look(7)
    fresh = place.library()
    with use_library(fresh):
        look(7)
        assert Token.load("new").value.get_secret_value() == "new"
    fresh.close()
    assert rotation.status().is_well


def test_every_step_is_in_the_audit_and_the_audit_verifies(library: Library, rotation: Rotation) -> None:
    save(2)
    first = primary_of(rotation)
    added = rotation.add().key_id
    rotation.promote()
    rotation.promote(added)  # it is primary already, so nothing is done
    rotation.rewrap()
    rotation.rewrap()  # nothing is left
    rotation.retire(first)
    rows = [row for row in reversed(library.registry.audit()) if row.action.startswith("key.")]
    assert [(row.action, row.subject) for row in rows] == [
        ("key.added", added),
        ("key.promoted", added),
        ("key.rewrap-begun", added),
        ("key.rewrapped", added),
        ("key.retired", first),
        ("key.removed", first),
    ]
    assert rows[3].detail == {"rewrapped": 2, "left": 0}
    report = library.registry.verify_audit()
    assert report.problems == ()
    assert report.keyed > len(rows)


def test_no_key_lies_in_the_database_or_the_audit(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(3)
    keys = list(open_keys(place.settings).load().keys.values())
    rotation.add()
    rotation.promote()
    rotation.rewrap()
    keys += open_keys(place.settings).load().keys.values()
    content = place.content()
    for key in keys:
        for form in (key, key.hex().encode()):
            assert form not in content
    assert b"secret-1" not in content


def test_a_key_that_seals_something_is_not_retired_and_the_message_counts(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(2)
    Token(value=SecretStr("secret-0")).save("t0", overwrite=True)
    first = primary_of(rotation)
    with pytest.raises(KeyInUse, match=r"is the primary one.*block keys promote"):
        rotation.retire(first)
    rotation.add()
    rotation.promote()
    expected = r"seals 3 versions of 2 blocks and the key of the audit .*block keys rewrap"
    with pytest.raises(KeyInUse, match=expected):
        rotation.retire(first)
    with pytest.raises(KeyInUse, match=expected):
        rotation.refuse_retiring(first)
    assert first in open_keys(place.settings).load().keys
    assert keys_of(rotation)[first].retired_at is None
    look(2)


def test_the_key_that_seals_the_audit_is_not_retired(library: Library, rotation: Rotation) -> None:
    save(1)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    library.registry.delete("rotation-token", "t0")
    with pytest.raises(KeyInUse, match="still seals the key of the audit"):
        rotation.retire(first)
    done = rotation.rewrap()
    assert (done.rewrapped, done.audit_key) == (0, True)
    rotation.retire(first)
    assert library.registry.verify_audit().problems == ()


def test_a_key_that_was_never_used_can_be_retired(library: Library, rotation: Rotation) -> None:
    save(1)
    added = rotation.add().key_id
    rotation.retire(added)
    assert keys_of(rotation)[added].state == "retired"
    with pytest.raises(KeyUnknown, match="There is no key 'k-gone'"):
        rotation.retire("k-gone")


def test_a_retirement_that_was_stopped_half_way_is_finished_by_the_next(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    """What a kill between the two leaves: marked in the database, and still in the keyring."""
    save(1)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    rotation.rewrap()
    provider = open_keys(place.settings)
    assert isinstance(provider, FileKeyProvider)
    stopped = Rotation(place.database(), provider, provider.draft())
    assert stopped.retire(first).was_marked
    stopped.close()
    assert first in provider.load().keys
    assert f'"block keys retire {first}" again' in next_steps(rotation.status())[0]
    finished = rotation.retire(first)
    assert (finished.was_marked, finished.was_removed) == (False, True)
    again = rotation.retire(first)
    assert (again.was_marked, again.was_removed) == (False, False)


def test_a_process_with_an_old_keyring_seals_nothing_with_a_retired_key(
    library: Library, rotation: Rotation, place: RegistryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(1)
    first = primary_of(rotation)
    rotation.add()
    monkeypatch.setenv("OLD_KEYS", (place.home / "keys.json").read_text())
    old = replace(place.settings, keys="env:OLD_KEYS")
    rotation.promote()
    rotation.rewrap()
    rotation.retire(first)
    stale = open_library(old)
    with use_library(stale):
        look(1)
        with pytest.raises(
            KeyRetired, match=rf"'{first}' was retired from this database on 20.*start it anew"
        ):
            Token(value=SecretStr("x")).save("late")
        Plain(value="x").save("late")
    stale_rotation = open_rotation(old)
    with pytest.raises(KeyRetired):
        stale_rotation.promote(first)
    with pytest.raises(KeysReadOnly, match="--to FILE"):
        stale_rotation.add()
    stale_rotation.close()
    stale.close()
    with pytest.raises(KeyRetired):
        rotation.promote(first)
    assert [found.name for found in library.registry.find("rotation-token")] == ["t0"]


def test_a_key_that_is_let_go_between_the_reading_of_a_row_and_of_the_keyring_is_no_error(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(1)

    class Slow(FileKeyProvider):
        """The keys are read only after another process has changed them all."""

        def load(self) -> Keyring:
            before = primary_of(rotation)
            rotation.add()
            rotation.promote()
            rotation.rewrap()
            rotation.retire(before)
            return super().load()

    registry = LocalRegistry(place.database(), Vault(Slow(place.home / "keys.json")))
    for _ in range(2):
        found = registry.load("rotation-token", "t0").root
        assert found.content.secrets["/value"].data == "secret-0"
    registry.close()


def test_a_process_without_the_new_key_says_so_and_seals_nothing(
    library: Library, rotation: Rotation, place: RegistryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(1)
    monkeypatch.setenv("OLD_KEYS", (place.home / "keys.json").read_text())
    added = rotation.add().key_id
    rotation.promote()
    Token(value=SecretStr("new")).save("new")
    stale = open_library(replace(place.settings, keys="env:OLD_KEYS"))
    with use_library(stale):
        look(1)
        with pytest.raises(KeyUnknown, match=rf"'{added}'.*environment variable OLD_KEYS"):
            Token.load("new")
        with pytest.raises(KeyUnknown, match=added):
            Token(value=SecretStr("x")).save("late")
    stale.close()


def test_the_newest_key_is_promoted_unless_one_is_named(library: Library, rotation: Rotation) -> None:
    save(1)
    first = primary_of(rotation)
    with pytest.raises(KeyUnknown, match=r"newer than the primary.*block keys add"):
        rotation.promote()
    _, third = rotation.add().key_id, rotation.add().key_id
    assert rotation.promote().key_id == third
    with pytest.raises(KeyUnknown, match="newer"):
        rotation.promote()
    assert rotation.promote(first).before == third
    with pytest.raises(KeyUnknown, match="k-gone"):
        rotation.promote("k-gone")


def test_the_first_key_of_a_registry_is_primary_at_once(rotation: Rotation, place: RegistryPlace) -> None:
    assert "no keys yet" in next_steps(rotation.status())[0]
    assert rotation.status().is_well
    added = rotation.add()
    assert added.is_primary
    assert primary_of(rotation) == added.key_id


def test_keys_that_are_lost_are_flagged_and_none_is_made_in_their_place(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(2)
    first = primary_of(rotation)
    kept = (place.home / "keys.json").read_bytes()
    (place.home / "keys.json").unlink()
    status = rotation.status()
    assert not status.is_well
    assert [(key.id, key.state, key.sealed_versions) for key in status.keys] == [(first, "lost", 2)]
    assert "Restore it" in next_steps(status)[0]
    for act in (rotation.add, rotation.promote, rotation.rewrap, lambda: rotation.retire(first)):
        with pytest.raises(KeysMissing):
            act()
    assert not (place.home / "keys.json").exists()
    (place.home / "keys.json").touch(0o600)
    (place.home / "keys.json").write_bytes(kept)
    assert rotation.status().is_well


def test_a_lost_key_that_seals_nothing_can_be_let_go(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(1)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    rotation.rewrap()
    FileKeyProvider(place.home / "keys.json").remove(first)
    with pytest.raises(KeyUnknown, match=first):
        Token(value=SecretStr("x")).save("late")
    status = rotation.status()
    assert not status.is_well
    assert f"block keys retire {first}" in next_steps(status)[0]
    rotation.retire(first)
    Token(value=SecretStr("x")).save("late")
    assert rotation.status().is_well


def test_another_key_of_the_same_id_is_flagged(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(1)
    file = place.home / "keys.json"
    key = file.read_text().split('"key": "')[1].split('"')[0]
    file.write_text(file.read_text().replace(key, "A" * 43 + "="))
    status = rotation.status()
    assert [key.state for key in status.keys] == ["wrong"]
    assert not status.is_well
    assert "another key of this id" in next_steps(status)[0]


def test_a_rewrap_passes_over_what_it_cannot_open_and_counts_it(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(5)
    place.run(
        "UPDATE document_versions SET wrapped_key = (SELECT wrapped_key FROM document_versions AS o "
        "JOIN documents AS d ON d.id = o.document_id WHERE d.name = 't1') "
        "WHERE document_id = (SELECT id FROM documents WHERE name = 't0')"
    )
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    done = rotation.rewrap(batch=2)
    assert (done.rewrapped, done.left) == (4, 1)
    assert len(done.problems) == 1
    assert "rotation-token" in done.problems[0]
    assert "do not open" in done.problems[0]
    with pytest.raises(KeyInUse, match="1 version of 1 block"):
        rotation.retire(first)
    with pytest.raises(SealBroken):
        Token.load("t0")
    assert Token.load("t1").value.get_secret_value() == "secret-1"


def test_a_rewrap_passes_over_versions_of_a_key_that_is_lost(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(2)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    FileKeyProvider(place.home / "keys.json").remove(first)
    place.run("UPDATE keys SET retired_at = 1 WHERE retired_at IS NULL")  # lest every seal be refused for it
    done = rotation.rewrap()
    assert (done.rewrapped, done.left) == (0, 2)
    assert first in done.problems[0]


def test_documents_that_are_saved_and_deleted_during_a_rewrap_are_no_error(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(60)
    rotation.add()
    rotation.promote()

    def change(now: int, total: int) -> None:
        """Between two batches delete, overwrite and rename some: done and not done, as ids have no order."""
        if now + 2 < 60:
            library.registry.delete("rotation-token", f"t{now}")
            Token(value=SecretStr(f"secret-{now + 1}")).save(f"t{now + 1}", overwrite=True)
            library.registry.rename("rotation-token", f"t{now + 2}", f"renamed-{now + 2}")

    done = rotation.rewrap(batch=10, progress=change)
    assert done.left == 0
    found = [line.name for line in library.registry.find("rotation-token")]
    assert 50 < len(found) < 60
    for name in found:
        number = name.rpartition("-")[2].removeprefix("t")
        assert Token.load(name).value.get_secret_value() == f"secret-{number}"


def test_two_rewraps_at_once_do_the_work_once(library: Library, place: RegistryPlace) -> None:
    save(80)
    first = open_rotation(place.settings)
    first.add()
    first.promote()
    first.close()

    def rewrap(_: int) -> int:
        rotation = open_rotation(place.settings)
        done = rotation.rewrap(batch=5)
        rotation.close()
        assert (done.left, done.problems) == (0, ())
        return done.rewrapped

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(rewrap, range(2))) == 80
    look(80)


def test_steps_of_several_operators_at_once_never_leave_a_retired_key_primary(
    library: Library, place: RegistryPlace
) -> None:
    save(3)

    def operate(_: int) -> None:
        rotation = open_rotation(place.settings)
        for _round in range(4):
            with suppress(
                KeyInUse, KeyUnknown, KeyRetired
            ):  # another operator was first: said, and nothing harmed
                added = rotation.add().key_id
                rotation.promote(added)
                rotation.rewrap()
                for key in rotation.status().keys:
                    if key.id != added and key.in_keyring:
                        rotation.retire(key.id)
        rotation.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(operate, range(3)))
    rotation = open_rotation(place.settings)
    assert keys_of(rotation)[primary_of(rotation)].retired_at is None
    look(3)
    Token(value=SecretStr("x")).save("after")
    rotation.close()


MOVES = {
    "wrapped key and ciphertext": "(key_id, wrapped_key, ciphertext)",
    "ciphertext": "(ciphertext)",
    "wrapped key": "(key_id, wrapped_key)",
}


@pytest.mark.parametrize("columns", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("rewrapped", [False, True], ids=["as saved", "rewrapped"])
def test_what_is_sealed_opens_in_no_other_row_version_or_type(
    library: Library, rotation: Rotation, place: RegistryPlace, columns: str, rewrapped: bool
) -> None:
    for value in ("one", "two"):
        Token(value=SecretStr(f"{value}-1")).save(value)
        Token(value=SecretStr(f"{value}-2")).save(value, overwrite=True)
    Other(value=SecretStr("other-1")).save("one")
    if rewrapped:
        rotation.add()
        rotation.promote()
        rotation.rewrap()
    kept = place.run("SELECT document_id, version, key_id, wrapped_key, ciphertext FROM document_versions")
    rows = {
        "another row": ("'rotation-token'", "'two'", 2),
        "another version": ("'rotation-token'", "'one'", 1),
        "another type": ("'rotation-other'", "'one'", 1),
    }
    names = columns.strip("()")
    for source in rows.values():
        slug, name, version = source
        for_one = "document_id = (SELECT id FROM documents WHERE slug = 'rotation-token' AND name = 'one')"
        place.run(
            f"UPDATE document_versions SET ({names}) = (SELECT {names} FROM document_versions AS o JOIN documents AS d "
            f"ON d.id = o.document_id WHERE d.slug = {slug} AND d.name = {name} AND o.version = {version}) "
            f"WHERE {for_one} AND version = 2"
            if "," in names
            else f"UPDATE document_versions SET {names} = (SELECT o.{names} FROM document_versions AS o JOIN documents "
            f"AS d ON d.id = o.document_id WHERE d.slug = {slug} AND d.name = {name} AND o.version = {version}) "
            f"WHERE {for_one} AND version = 2"
        )
        with pytest.raises(SealBroken):
            Token.load("one")
        assert Token.load("two").value.get_secret_value() == "two-2"
    assert len(kept) == 5


def test_a_document_whose_type_or_id_was_altered_does_not_open(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    Token(value=SecretStr("one")).save("one")
    place.run("UPDATE documents SET slug = 'rotation-other'")
    with pytest.raises(SealBroken):
        Other.load("one")


def test_a_proof_of_a_key_is_not_taken_for_that_of_another(
    library: Library, rotation: Rotation, place: RegistryPlace
) -> None:
    save(1)
    rotation.add()
    rotation.promote()
    Token(value=SecretStr("x")).save("x")
    first, second = (row[0] for row in place.run("SELECT id FROM keys ORDER BY first_used_at"))
    place.run(
        f"UPDATE keys SET proof_wrapped_key = (SELECT proof_wrapped_key FROM keys WHERE id = '{first}'), "
        f"proof_ciphertext = (SELECT proof_ciphertext FROM keys WHERE id = '{first}') WHERE id = '{second}'"
    )
    with pytest.raises(SealBroken):
        Token(value=SecretStr("y")).save("y")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # whose backup is a copied file
def test_a_key_file_from_before_a_rotation_still_reads_a_backup_of_its_time(
    library: Library, rotation: Rotation, place: RegistryPlace, tmp_path: Path
) -> None:
    save(2)
    library.close()
    before = tmp_path / "backup"
    before.mkdir()
    for file in place.home.iterdir():
        (before / file.name).write_bytes(file.read_bytes())
        (before / file.name).chmod(0o600)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    rotation.rewrap()
    rotation.retire(first)
    restored = RegistryPlace(before, f"sqlite:///{before / 'blocks.db'}").library()
    with use_library(restored):
        look(2)
    restored.close()


class _OtherOperator(FileKeyProvider):
    """The key file, from which somebody else takes each key an instant before."""

    def remove(self, key_id: str) -> None:
        super().remove(key_id)
        super().remove(key_id)


def test_a_key_that_another_operator_retires_at_the_same_time_is_retired(
    place: RegistryPlace, library: Library, rotation: Rotation
) -> None:
    save(1)
    first = primary_of(rotation)
    rotation.add()
    rotation.promote()
    rotation.rewrap()
    provider = open_keys(place.settings)
    assert isinstance(provider, FileKeyProvider)
    racing = Rotation(place.database(), provider, _OtherOperator(provider.path))
    done = racing.retire(first)
    racing.close()
    assert done.was_marked
    assert not done.was_removed
    assert first not in provider.load().keys
