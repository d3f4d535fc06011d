"""What a registry remembers of its documents: history, differences, usages, the audit; as tests to inherit."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from blocks_core.current import Actor, acting_as, current_actor
from blocks_core.errors import BlockNotFound
from blocks_core.library import Library
from blocks_core.records import FieldChange
from blocks_core.registry import Registry
from blocks_core.testing.registry_fixtures import RegistryFixtures
from blocks_core.testing.suite_blocks import Account, Place

_RUN = Actor("flow run", "nightly", "run-1", "ann@host")


class RecordsSuite(RegistryFixtures):
    """Part of `RegistrySuite`."""

    def recorded(self, actor: Actor) -> Actor:
        """Return how the registry records an actor; one behind tokens has a token in it."""
        return actor

    def test_each_save_is_a_line_of_the_history(self, library: Library, registry: Registry) -> None:
        """The newest first, with who and what."""
        Account(user="ann", password=SecretStr("x")).save("one")
        with acting_as(_RUN):
            Account(user="bob", password=SecretStr("x")).save("one", overwrite=True)
        registry.rename("suite-account", "one", "uno")
        newest, oldest = registry.history("suite-account", "uno")
        assert (newest.version, newest.action, newest.saved_by) == (2, "saved", _name(self.recorded(_RUN)))
        assert (oldest.version, oldest.saved_by) == (1, _name(self.recorded(current_actor())))
        assert oldest.saved_at <= newest.saved_at
        with pytest.raises(BlockNotFound):
            registry.history("suite-account", "one")

    def test_versions_are_compared_and_secrets_are_not_shown(
        self, library: Library, registry: Registry
    ) -> None:
        """Of a secret only whether it differs; of a reference, which block it was."""
        account = Account(user="ann", password=SecretStr("old-s3cr3t"))
        account.save("ann")
        Place(url="x://", account=account).save("there")
        Place(url="y://", spare=[Account(user="b", password=SecretStr("other-s3cr3t"))]).save(
            "there", overwrite=True
        )
        Account(user="ann", password=SecretStr("new-s3cr3t")).save("ann", overwrite=True)
        assert registry.diff("suite-account", "ann", 1, 2) == [
            FieldChange("password", "changed", secret=True)
        ]
        assert registry.diff("suite-account", "ann", 2, 2) == []
        found = registry.diff("suite-place", "there", 1, 2)
        assert FieldChange("account", "changed", "suite-account/ann", None) in found
        assert FieldChange("url", "changed", "x://", "y://") in found
        assert FieldChange("spare.0.password", "added", secret=True) in found
        assert "s3cr3t" not in repr(found)

    def test_who_resolved_a_block_is_known(self, library: Library, registry: Registry) -> None:
        """Of each block of a tree; how often, and in which version."""
        account = Account(user="ann", password=SecretStr("x"))
        account.save("ann")
        Place(url="x://", account=account).save("there")
        with acting_as(_RUN):
            Place.load("there")
            Place.load("there")
        Account(user="bob", password=SecretStr("x")).save("ann", overwrite=True)
        Account.load("ann")
        mine, runs = registry.usages("suite-account", "ann")
        assert (mine.actor, mine.version, mine.uses) == (self.recorded(current_actor()), 2, 1)
        assert (runs.actor, runs.version, runs.uses) == (self.recorded(_RUN), 1, 2)
        assert runs.first_used_at <= runs.last_used_at <= mine.last_used_at
        (place,) = registry.usages("suite-place", "there")
        assert place.actor == self.recorded(_RUN)
        used = {summary.name: summary.last_used_at for summary in registry.find()}
        assert used == {"ann": mine.last_used_at, "there": place.last_used_at}

    def test_reading_without_secrets_is_no_usage(self, library: Library, registry: Registry) -> None:
        """Nor is listing or comparing."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        registry.read("suite-account", "ann")
        registry.diff("suite-account", "ann", 1, 1)
        assert registry.usages("suite-account", "ann") == []
        assert registry.find()[0].last_used_at is None

    def test_each_change_is_a_row_of_the_audit(self, library: Library, registry: Registry) -> None:
        """Who did what to which block, the newest first; never a secret."""
        with acting_as(_RUN):
            Account(user="ann", password=SecretStr("s3cr3t")).save("ann")
            registry.rename("suite-account", "ann", "anna")
            Account.delete("anna")
        registry.note("block.revealed", "suite-account/anna", {"why": "export"})
        rows = registry.audit()
        assert [row.action for row in rows] == [
            "block.revealed",
            "block.deleted",
            "block.renamed",
            "block.saved",
            "type.registered",
        ]
        assert [row.number for row in rows] == [5, 4, 3, 2, 1]
        assert rows[1].actor == self.recorded(_RUN)
        assert rows[0].detail == {"why": "export"}
        assert rows[2].detail == {"to": "suite-account/anna"}
        assert "s3cr3t" not in repr(rows)
        assert [row.number for row in registry.audit(before=3, limit=1)] == [2]
        assert [row.action for row in registry.audit(subject="suite-account")] == ["type.registered"]

    def test_the_audit_is_narrowed_to_who_acted_and_how(self, library: Library, registry: Registry) -> None:
        """By the name of what acted, or of the user; all that is asked for must hold."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        before = registry.audit()[0].number
        recorded = self.recorded(_RUN)
        with acting_as(_RUN):
            Account(user="ann", password=SecretStr("x")).save("bob")
            Account.delete("bob")
        theirs = [row for row in registry.audit(by=recorded.name) if row.number > before]
        assert [row.action for row in theirs] == ["block.deleted", "block.saved"]
        assert [row for row in registry.audit(by=recorded.user) if row.number > before] == theirs
        assert registry.audit(by=recorded.name, action="block.deleted") == theirs[:1]
        assert registry.audit(action="block.saved", subject="suite-account/bob") == theirs[1:]
        assert registry.audit(action="block.saved", before=theirs[1].number, limit=1)[0].number == before
        assert registry.audit(by=recorded.name, subject="suite-account/ann", action="block.deleted") == []
        assert registry.audit(by="nobody") == registry.audit(action="no.such") == []

    def test_the_audit_of_a_block_goes_back_before_it_was_renamed(
        self, library: Library, registry: Registry
    ) -> None:
        """And has nothing of another block that took the old name."""
        Account(user="ann", password=SecretStr("x")).save("one")
        registry.rename("suite-account", "one", "uno")
        Account(user="bob", password=SecretStr("x")).save("one")
        actions = [row.action for row in registry.audit(subject="suite-account/uno")]
        assert actions == ["block.renamed", "block.saved"]
        Account.delete("uno")
        assert registry.audit(subject="suite-account/uno")[0].action == "block.deleted"

    def test_the_audit_of_a_registry_that_nobody_touched_verifies(
        self, library: Library, registry: Registry
    ) -> None:
        """And still does after more was added to it, from an earlier head."""
        first = registry.verify_audit()
        assert first.problems == ()
        Account(user="ann", password=SecretStr("x")).save("ann")
        report = registry.verify_audit()
        assert registry.verify_audit(first.head).problems == ()
        assert (report.rows, report.problems) == (2, ())
        assert registry.verify_audit(report.head).problems == ()
        assert registry.verify_audit("2:0000").problems != ()
        assert registry.verify_audit("7:0000").problems != ()
        Account(user="bob", password=SecretStr("x")).save("bob")
        assert registry.verify_audit(report.head).problems == ()

    @pytest.mark.parametrize(
        "head", ["", ":", "abc", "0:00", "-1:00", "\u00b2:00", "1:\u00e9", f"{'9' * 5000}:00"]
    )
    def test_a_head_that_no_report_gave_is_told_as_such(
        self, library: Library, registry: Registry, head: str
    ) -> None:
        """It is a problem of the report, not an error."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        assert registry.verify_audit(head).problems != ()

    def test_rows_are_asked_for_by_any_number(self, library: Library, registry: Registry) -> None:
        """One beyond all is no error."""
        Account(user="ann", password=SecretStr("x")).save("ann")
        assert len(registry.audit(before=10**20, limit=10**20)) == 2
        assert registry.audit(before=0) == []


def _name(actor: Actor) -> str:
    """Return what the history calls an actor."""
    return actor.user or actor.name
