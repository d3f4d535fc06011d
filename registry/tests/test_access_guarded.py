"""What each role may do with blocks that its list names, and with those that it does not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import UUID

import pytest
from access_calls import ACCOUNT, CALLS, GIVE_SECRETS, PLACE, ids_of, without_password
from access_stage import LIST, PLANTED, Stage, everything_in, fill
from pydantic import SecretStr

from blocks_core.document import pointer_to, reference_mark
from blocks_core.errors import (
    BlockExists,
    BlockInUse,
    BlockInvalid,
    BlockNotFound,
    BlocksError,
    DocumentDamaged,
    ReferenceBroken,
    VersionConflict,
)
from blocks_core.registry import Put, Registry, Remove, Rename
from blocks_core.testing.suite_blocks import Account, Place
from blocks_registry import Settings, open_library
from blocks_registry.access import GuardedRegistry, Holder, Role
from blocks_registry.access.veiling import BEYOND
from blocks_registry.errors import AccessDenied


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry has the blocks of the stage."""
    home = tmp_path_factory.mktemp("filled")
    library = open_library(Settings(home, f"sqlite:///{home / 'blocks.db'}"))
    fill(library)
    library.close()
    return home


@pytest.fixture
def stage(filled: Path, tmp_path: Path) -> Iterator[Stage]:
    home = Path(copytree(filled, tmp_path / "home"))
    library = open_library(Settings(home, f"sqlite:///{home / 'blocks.db'}"))
    yield Stage(library)
    library.close()


RESTRICTABLE = [role for role in Role if role is not Role.ADMIN]


def test_the_table_has_every_method() -> None:
    methods = {name for name, _ in inspect.getmembers(GuardedRegistry, inspect.isfunction) if name[0] != "_"}
    assert methods == set(CALLS)
    assert {name for name in dir(Registry) if name[0] != "_"} <= set(CALLS)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", CALLS)
def test_a_role_may_do_what_it_is_for_and_nothing_else(stage: Stage, method: str, role: Role) -> None:
    call = CALLS[method]
    before = len(stage.registry.audit())
    if role.value in call.roles.split():
        found = call.of(stage.guard(role), stage, "theirs")
        assert (PLANTED in everything_in(found)) == ((method, role) in GIVE_SECRETS)
    else:
        with pytest.raises(AccessDenied, match=f"the-{role}") as caught:
            call.of(stage.guard(role), stage, "theirs")
        assert f"--role {call.roles.split()[0]}" in str(caught.value)
        assert len(stage.registry.audit()) == before


@pytest.mark.parametrize("role", RESTRICTABLE)
@pytest.mark.parametrize("method", CALLS)
def test_what_a_list_names_is_there_as_without_a_list(stage: Stage, method: str, role: Role) -> None:
    call = CALLS[method]
    patterns = (f"{ACCOUNT}/*", f"{PLACE}/*")  # register asks for a whole type
    if role.value in call.roles.split():
        call.of(stage.guard(role, *patterns), stage, "mine")
    else:
        with pytest.raises(AccessDenied):
            call.of(stage.guard(role, *patterns), stage, "mine")


@pytest.mark.parametrize("role", RESTRICTABLE)
@pytest.mark.parametrize("method", CALLS)
def test_what_a_list_does_not_name_is_not_there(stage: Stage, method: str, role: Role) -> None:
    call = CALLS[method]
    if role.value not in call.roles.split():
        with pytest.raises(AccessDenied):
            call.of(stage.guard(role, *LIST), stage, "theirs")
    elif call.beyond is None:
        assert "theirs" not in everything_in(call.of(stage.guard(role, *LIST), stage, "theirs"))
    else:
        said = []
        for name in ("theirs", "thisis"):  # as long, and not saved
            with pytest.raises(call.beyond) as caught:
                call.of(stage.guard(role, *LIST), stage, name)
            said.append(str(caught.value).replace(name, "NAME"))
        assert said[0] == said[1]
    assert [line.name for line in stage.registry.find(ACCOUNT)] == ["mine", "theirs"]


def test_what_is_missing_in_reach_is_said_as_what_is_beyond(stage: Stage) -> None:
    """And no name beyond the list is suggested."""
    guard = stage.guard("viewer", "*/mine", "*/their")
    said = []
    for name in ("their", "theirs"):
        with pytest.raises(BlockNotFound) as caught:
            guard.read(ACCOUNT, name)
        said.append(str(caught.value).replace(f"'{ACCOUNT}/{name}'", "NAME"))
    assert said[0] == said[1]
    assert "The token is for */mine, */their, and sees no others." in said[0]
    with pytest.raises(BlockNotFound, match="has no version 9"):
        guard.read(ACCOUNT, "mine", version=9)


def test_a_tree_is_loaded_with_all_that_it_holds_or_not_at_all(stage: Stage) -> None:
    guard = stage.guard("runner", *LIST)
    tree = guard.load(PLACE, "mine")
    assert {document.address for document in tree.others.values()} == {f"{PLACE}/mine", f"{ACCOUNT}/mine"}
    with pytest.raises(AccessDenied) as caught:
        guard.load(PLACE, "mine-and-theirs")
    assert "its field" not in str(caught.value)
    assert "whose field 'spare.1' holds a block beyond that" in str(caught.value)
    assert "theirs" not in str(caught.value).replace("mine-and-theirs", "")
    with pytest.raises(AccessDenied, match=r"spare\.0"):
        stage.guard("runner", f"{PLACE}/*").load(PLACE, "mine")
    assert len(stage.guard("runner", f"{PLACE}/*", f"{ACCOUNT}/*").load(PLACE, "mine-and-theirs").others) == 3


def test_a_broken_reference_beyond_a_list_does_not_say_what_it_was(stage: Stage) -> None:
    stage.registry.delete(ACCOUNT, "theirs", force=True)
    with pytest.raises(ReferenceBroken) as caught:
        stage.guard("runner", *LIST).load(PLACE, "mine-and-theirs")
    assert caught.value.target == BEYOND
    assert f"{ACCOUNT}/theirs" not in str(caught.value)
    stage.registry.delete(ACCOUNT, "mine", force=True)
    with pytest.raises(ReferenceBroken, match=f"{ACCOUNT}/mine"):
        stage.guard("runner", *LIST).load(PLACE, "mine")


def test_a_damaged_block_beyond_a_list_is_not_named(stage: Stage) -> None:
    held = stage.library.draft(
        Place(url="x://", account=stage.library.load(Account, "theirs")), "theirs-inner"
    )
    stage.registry.save(held)
    with stage.registry._database.transaction() as connection:
        connection.execute(
            "UPDATE document_versions SET data = 'no json' WHERE document_id = ?",
            (str(ids_of(stage, "theirs")[0]),),
        )
    with pytest.raises(DocumentDamaged) as caught:
        stage.guard("runner", *LIST).load(PLACE, "mine-and-theirs")
    assert caught.value.address == f"{PLACE}/mine-and-theirs"
    assert f"{ACCOUNT}/theirs" not in str(caught.value)


def test_an_editor_refers_only_to_blocks_that_the_list_names(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    guard.save(stage.place("mine-new", "mine"))
    said = []
    for target in (
        ids_of(stage, "theirs")[0],
        UUID(int=7),
    ):  # one that is beyond the list, one that is nowhere
        with pytest.raises(ReferenceBroken) as caught:
            guard.save(holding(stage.place("mine-other"), target))
        said.append(str(caught.value))
    assert said[0] == said[1]
    for edits in ([Put(stage.place("mine-other", "theirs"))], [Put(stage.place("mine", "mine", "theirs"))]):
        with pytest.raises(ReferenceBroken):
            guard.change(edits)


def test_a_reference_beyond_the_list_is_kept_where_it_was_and_goes_nowhere_else(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    changed = stage.place("mine-and-theirs", "mine", "theirs", url="y://")
    assert guard.save(changed, overwrite=True).version == 2
    with pytest.raises(ReferenceBroken):
        guard.save(replace(changed, name="mine-copy"))
    guard.save(stage.place("mine-and-theirs", "mine"), overwrite=True)
    with pytest.raises(ReferenceBroken):
        guard.save(changed, overwrite=True)
    with pytest.raises(ReferenceBroken):
        guard.restore(PLACE, "mine-and-theirs", 1)
    assert stage.guard("editor").restore(PLACE, "mine-and-theirs", 1).version == 4


def test_documents_of_one_change_may_refer_to_each_other(stage: Stage) -> None:
    new = UUID(int=9)
    account = replace(stage.account("mine-new"), document_id=new)
    done = stage.guard("editor", *LIST).change([Put(holding(stage.place("mine-place"), new)), Put(account)])
    assert [document and document.address for document in done] == [
        f"{PLACE}/mine-place",
        f"{ACCOUNT}/mine-new",
    ]


def holding(draft: Any, target: UUID) -> Any:
    content = draft.content
    data = {**content.data, "spare": [None]}
    marks = {**content.marks, pointer_to("/spare", 0): reference_mark(target)}
    return replace(draft, content=replace(content, data=data, marks=marks))


@pytest.mark.parametrize("mark", ["block:", "block:nonsense", "block:{00000000-0000-0000-0000-000000000007}"])
def test_a_mark_that_is_no_reference_is_refused_as_without_a_list(stage: Stage, mark: str) -> None:
    draft = stage.place("mine-new")
    bad = replace(draft, content=replace(draft.content, data={**draft.content.data, "account": None}, marks={
        **draft.content.marks, "/account": mark}))  # fmt: skip
    for guard in (stage.guard("editor", *LIST), stage.guard("editor")):
        with pytest.raises((BlockInvalid, ReferenceBroken)):
            guard.save(bad)


def test_names_beyond_the_list_are_not_given_and_not_looked_up(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    said = []
    for name in ("theirs", "thisis"):
        with pytest.raises(AccessDenied) as caught:
            guard.rename(ACCOUNT, "mine", name)
        said.append(str(caught.value).replace(name, "NAME"))
    assert said[0] == said[1]
    with pytest.raises(BlockExists):
        stage.guard("editor").rename(ACCOUNT, "mine", "theirs")


def test_who_holds_a_block_beyond_the_list_is_counted_and_not_named(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    assert guard.users(ACCOUNT, "mine") == [f"{PLACE}/mine", f"{PLACE}/mine-and-theirs"]
    with pytest.raises(BlockInUse) as caught:
        guard.delete(ACCOUNT, "mine")
    assert caught.value.users == (f"{PLACE}/mine", f"{PLACE}/mine-and-theirs", "1 beyond this token's list")
    with pytest.raises(AccessDenied, match="that others beyond that hold"):
        guard.delete(ACCOUNT, "mine", force=True)
    stage.registry.delete(PLACE, "theirs")
    guard.delete(ACCOUNT, "mine", force=True)
    assert [line.name for line in stage.registry.find(ACCOUNT)] == ["theirs"]


def test_a_difference_does_not_name_what_is_beyond_the_list(stage: Stage) -> None:
    stage.registry.save(
        stage.place("mine-and-theirs", "theirs", "mine", url="suite-account/theirs"), overwrite=True
    )
    address = f"{ACCOUNT}/theirs"
    shown = {
        change.path: change for change in stage.guard("viewer", *LIST).diff(PLACE, "mine-and-theirs", 1, 2)
    }
    assert (shown["spare.0"].before, shown["spare.0"].after) == (f"{ACCOUNT}/mine", BEYOND)
    assert (shown["spare.1"].before, shown["spare.1"].after) == (BEYOND, f"{ACCOUNT}/mine")
    assert shown["url"].after == address  # a text of the block itself, which the viewer reads
    whole = {change.path: change for change in stage.guard("viewer").diff(PLACE, "mine-and-theirs", 1, 2)}
    assert whole["spare.0"].after == address


def test_an_editor_keeps_a_secret_without_seeing_it(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    draft = without_password(stage, "mine")
    data = {**draft.content.data, "user": "bob"}
    saved = guard.save_keeping(
        replace(draft, content=replace(draft.content, data=data)), {"/password": "/password"}
    )
    assert (saved.version, saved.content.secrets) == (3, {})
    loaded = stage.library.load(Account, "mine")
    assert (loaded.user, loaded.password.get_secret_value()) == ("bob", PLANTED)
    assert stage.actions()[-1] == ("block.saved", f"{ACCOUNT}/mine", "the-editor")


def test_a_secret_is_kept_of_the_version_that_is_expected_and_of_no_other_block(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    with pytest.raises(VersionConflict):
        guard.save_keeping(without_password(stage, "mine"), {"/password": "/password"}, expected_version=1)
    with pytest.raises(BlockInvalid, match="no secret to keep"):
        guard.save_keeping(without_password(stage, "mine"), {"/password": "/user"})
    with pytest.raises(BlockNotFound):
        guard.save_keeping(without_password(stage, "mine-new"), {"/password": "/password"})
    with pytest.raises(BlockInvalid):  # a secret does not become a text that can be read
        guard.save_keeping(stage.account("mine"), {"/user": "/password"})


def test_a_secret_is_kept_while_a_broken_reference_is_mended(stage: Stage) -> None:
    inner = Account(user="in", password=SecretStr(PLANTED))
    stage.registry.save(
        stage.library.draft(
            Place(url="x://", account=inner, spare=[stage.library.load(Account, "theirs")]), "mine-x"
        )
    )
    stage.registry.delete(ACCOUNT, "theirs", force=True)
    mended = stage.library.draft(Place(url="x://", account=inner), "mine-x")
    mended = replace(mended, content=replace(mended.content, secrets={}))
    where = "/account/password"
    assert stage.guard("editor").save_keeping(mended, {where: where}).version == 2


def test_everything_is_recorded_as_done_by_the_token(stage: Stage) -> None:
    guard = stage.guard("editor")
    guard.save(stage.account("mine"), overwrite=True)
    guard.rename(ACCOUNT, "mine", "mine-too")
    guard.restore(ACCOUNT, "mine-too", 1)
    guard.delete(PLACE, "theirs")
    rows = stage.registry.audit(limit=4)
    assert {(row.actor.kind, row.actor.name, row.actor.id) for row in rows} == {
        ("token", "the-editor", "id-of-editor")
    }
    assert guard.history(ACCOUNT, "mine-too")[0].saved_by == "the-editor"
    stage.guard("runner").load(ACCOUNT, "mine-too")
    assert stage.registry.usages(ACCOUNT, "mine-too")[0].actor.name == "the-runner"


def test_a_note_does_not_look_like_what_the_registry_records_itself(stage: Stage) -> None:
    guard = stage.guard("runner")
    for action in ("block.saved", "token.created", "key.retired", "session.opened", "type.registered"):
        with pytest.raises(AccessDenied, match="records by itself"):
            guard.note(action, f"{ACCOUNT}/mine")
    with pytest.raises(AccessDenied, match="no more than"):
        guard.note("block.revealed", f"{ACCOUNT}/mine", {"to": "x" * 20_000})


def test_closing_a_guard_leaves_the_registry_open(stage: Stage) -> None:
    stage.guard("viewer").close()
    assert stage.guard("viewer").read(ACCOUNT, "mine").name == "mine"


def test_an_admin_has_no_list() -> None:
    from blocks_registry.access import Reach

    with pytest.raises(BlocksError, match="would bind nobody"):
        Holder("1", "a", Role.ADMIN, Reach.of(["s3/*"]))


def test_removals_and_renames_are_looked_at_one_by_one(stage: Stage) -> None:
    guard = stage.guard("editor", *LIST)
    for edit in (Remove(ACCOUNT, "theirs"), Rename(ACCOUNT, "theirs", "mine-too")):
        with pytest.raises(BlockNotFound):
            guard.change([Put(stage.account("mine")), edit])
    assert len(stage.registry.history(ACCOUNT, "mine")) == 2
