"""A registry as the holder of a token sees it: the same interface, with their rights enforced.

First the role is asked, then the list: a block beyond the list is not there, saved or not. What a token may load it
may load with all that it holds, or not at all: a list that named `s3/*` and gave out the credentials that a bucket
holds would say less than it does. What is refused is seen at the first load; what is given too much, at none.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

from blocks_core.current import acting_as
from blocks_core.document import Document, DocumentTree, Draft, Json, dotted
from blocks_core.errors import BlockNotFound, BlocksError, ReferenceBroken
from blocks_core.names import join_address
from blocks_core.records import AuditEntry, AuditReport, FieldChange, Summary, Usage, VersionSummary
from blocks_core.registry import Edit, Put, Registration, Remove, Rename, refuse_unexpected
from blocks_core.schema import BlockType
from blocks_registry.access.begun_loads import BegunLoad
from blocks_registry.access.contents import keeping, references_of, without_secrets
from blocks_registry.access.holders import Holder
from blocks_registry.access.reads import SecretReads, by_notes
from blocks_registry.access.revealing import Revealing
from blocks_registry.access.roles import Right
from blocks_registry.access.veiling import BEYOND, absent, veiled, veiled_changes
from blocks_registry.errors import AccessDenied
from blocks_registry.searching import ALL, Wanted

_MAX_NOTE = 10_000
"""Characters of what a token may write into the audit at once, as JSON."""

_OWN_ACTIONS: Final = (
    "block.saved",
    "block.deleted",
    "block.renamed",
    "block.resolved",
    "key.",
    "session.",
    "token.",
    "type.",
)
"""How rows begin that a registry writes of itself, which a note must not look like."""


class GuardedRegistry:
    """Does what its holder may have done. It is cheap: make one for each request.

    Args:    reads: sees that reads of secrets are recorded, for all requests of a process together; None records
             each by itself.
    """

    def __init__(self, registry: Revealing, holder: Holder, reads: SecretReads | None = None) -> None:
        self._registry = registry
        self._holder = holder
        self._reach = holder.reach
        self._actor = holder.actor
        self._reads = reads or SecretReads(by_notes(registry), counted_seconds=0.0)

    def register(self, block_type: BlockType) -> Registration:
        """Note a type; for whoever may change every block of it."""
        self._holder.require(Right.REGISTER)
        if not self._reach.names_type(block_type.slug):
            raise self._denied(
                f"registers no block type '{block_type.slug}', whose blocks it does not all reach"
            )
        with self._acting():
            return self._registry.register(block_type)

    def types(self) -> list[BlockType]:
        """Return the registered types: what plugins offer, whatever blocks the holder reaches."""
        self._holder.require(Right.READ)
        return self._registry.types()

    def type(self, slug: str) -> BlockType:
        """Return a registered type."""
        self._holder.require(Right.READ)
        return self._registry.type(slug)

    def load(self, slug: str, name: str, *, version: int | None = None) -> DocumentTree:
        """Return a document with its secrets and all that it refers to, once it is recorded.

        Raises:  AccessDenied: it holds a block beyond the holder's list, too.
        """
        return self.begin_load(slug, name, version=version).finish()

    def begin_load(self, slug: str, name: str, *, version: int | None = None) -> BegunLoad:
        """Read for a load; what was read is given once it is recorded.

        Raises:  what `load` raises.
        """
        self._look(Right.RESOLVE, slug, name)
        with self._acting(slug, name):
            tree = self._registry.load(slug, name, version=version)
        documents = [tree.root, *(found for found in tree.others.values() if found.id != tree.root.id)]
        if not self._reach.is_everything:
            self._refuse_beyond(documents)
        return BegunLoad(tree, self._reads, self._reads.count(self._holder, self._actor, documents))

    def read(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return a document without its secrets."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            return self._registry.read(slug, name, version=version)

    def reveal(self, slug: str, name: str, *, version: int | None = None) -> Document:
        """Return one document with its secrets, to be shown to a person, once that is recorded.

        Raises:  BlockNotFound; AccessDenied: that is for admins.
        """
        self._look(Right.REVEAL, slug, name)
        with self._acting(slug, name):
            document = self._registry.reveal(slug, name, version=version)
            detail: dict[str, Json] = {
                "version": document.version,
                "token": self._holder.name,
                "token_id": self._holder.token_id,
            }
            self._registry.note("block.revealed", document.address, detail)
        return document

    def find(
        self,
        slug: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return a line for each document in reach."""
        wanted = Wanted(slug=slug, labels=labels or {})
        return self.search(wanted, after=after, limit=ALL if limit is None else limit)

    def search(self, wanted: Wanted, *, after: str | None = None, limit: int = ALL) -> list[Summary]:
        """Return a line for each document in reach that is asked for."""
        self._holder.require(Right.READ)
        lines = self._registry.search(wanted, patterns=self._reach.patterns, after=after, limit=limit)
        return [line for line in lines if self._reach.names(line.slug, line.name)]

    def addresses(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the addresses of documents in reach; other ids are left out, as those of no document are."""
        self._holder.require(Right.READ)
        found = self._registry.addresses(ids)
        return {each: address for each, address in found.items() if self._reach.names_address(address)}

    def save(self, draft: Draft, *, overwrite: bool = False, expected_version: int | None = None) -> Document:
        """Keep a document; it comes back without its secrets."""
        self._look_at_put(draft)
        with self._acting(draft.slug, draft.name):
            self._refuse_new_references([draft])
            document = self._registry.save(draft, overwrite=overwrite, expected_version=expected_version)
        return without_secrets(document)

    def save_keeping(
        self,
        draft: Draft,
        kept: Mapping[str, str],
        *,
        expected_version: int | None = None,
        expected_id: UUID | None = None,
        others: Sequence[Put] = (),
    ) -> Document:
        """Keep the next version of a document, some of its secrets taken over from the one before, unseen.

        Args:    kept: JSON pointer of a secret in the draft, which has null there -> where it stands now.
                 expected_version, expected_id: that the document has now; None takes any.
                 others: to be kept with it, all or none, such as new documents that it refers to.
        Raises:  BlockNotFound; BlockInvalid: no secret stands there. VersionConflict; what `save` raises.
        """
        self._look_at_put(draft)
        with self._acting(draft.slug, draft.name):
            now = self._registry.reveal(draft.slug, draft.name)
            based_on = now.version if expected_version is None else expected_version
            put = Put(draft, based_on, expected_id or now.id)
            refuse_unexpected(put, now.version, now.id)  # in another version, another secret may stand there
            content = keeping(draft, kept, now.content)
        document = self.change([*others, replace(put, draft=replace(draft, content=content))])[-1]
        assert document is not None
        return document

    def change(self, edits: Sequence[Edit]) -> list[Document | None]:
        """Do several edits, all or none of them; documents come back without their secrets."""
        self._holder.require(Right.EDIT)
        for edit in edits:
            if isinstance(edit, Put):
                self._look_at_put(edit.draft)
                continue
            self._look(Right.EDIT, edit.slug, edit.name)
            if isinstance(edit, Rename):
                self._refuse_name(edit.slug, edit.new_name)
            elif edit.force:
                self._refuse_breaking(edit)
        with self._acting():
            self._refuse_new_references([edit.draft for edit in edits if isinstance(edit, Put)])
            done = self._registry.change(edits)
        return [document and without_secrets(document) for document in done]

    def rename(self, slug: str, name: str, new_name: str) -> Document:
        """Give a document another name, which is in reach as the old one is."""
        (document,) = self.change([Rename(slug, name, new_name)])
        assert document is not None
        return document

    def restore(
        self,
        slug: str,
        name: str,
        version: int,
        *,
        expected_version: int | None = None,
        expected_id: UUID | None = None,
    ) -> Document:
        """Make an older version the newest again; it comes back without its secrets."""
        self._look(Right.EDIT, slug, name)
        with self._acting(slug, name):
            if not self._reach.is_everything:
                old = self._registry.read(slug, name, version=version)
                self._refuse_new_references([Draft(slug, name, old.type_version, "", old.content)])
            document = self._registry.restore(
                slug, name, version, expected_version=expected_version, expected_id=expected_id
            )
        return without_secrets(document)

    def delete(self, slug: str, name: str, *, force: bool = False) -> None:
        """Remove a document; by force only where no block beyond the holder's list holds it."""
        self.change([Remove(slug, name, force=force)])

    def history(self, slug: str, name: str) -> list[VersionSummary]:
        """Return a line for each version of a document."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            return self._registry.history(slug, name)

    def diff(self, slug: str, name: str, old: int, new: int) -> list[FieldChange]:
        """Return how two versions differ; never a secret, nor what block beyond the list was held."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            changes = self._registry.diff(slug, name, old, new)
            if self._reach.is_everything:
                return changes
            contents = [self._registry.read(slug, name, version=each).content for each in (old, new)]
            held = {target for content in contents for _, target in content.references()}
            return veiled_changes(changes, contents, self._registry.addresses(held), self._reach)

    def users(self, slug: str, name: str) -> list[str]:
        """Return the addresses of the documents in reach that refer to one."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            found = self._registry.users(slug, name)
        return [address for address in found if self._reach.names_address(address)]

    def some_users(self, slug: str, name: str, *, limit: int) -> list[str]:
        """Return the addresses of some of the documents in reach that refer to one, sorted."""
        if not self._reach.is_everything:
            return self.users(slug, name)[:limit]
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            return self._registry.some_users(slug, name, limit=limit)

    def count_users(self, ids: Iterable[UUID], *, limit: int = 1000) -> dict[UUID, int]:
        """Return how many documents refer to each of some in reach; beyond the list they are counted, not named."""
        self._holder.require(Right.READ)
        seen = ids if self._reach.is_everything else self.addresses(ids)
        return self._registry.count_users(seen, limit=limit)

    def usages(self, slug: str, name: str) -> list[Usage]:
        """Return who resolved a document."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            return self._registry.usages(slug, name)

    def last_usages(self, slug: str, name: str, *, limit: int) -> list[Usage]:
        """Return who resolved a document last."""
        self._look(Right.READ, slug, name)
        with self._acting(slug, name):
            return self._registry.last_usages(slug, name, limit=limit)

    def audit(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return rows of the audit."""
        self._holder.require(Right.AUDIT)
        return self._registry.audit(subject=subject, by=by, action=action, before=before, limit=limit)

    def verify_audit(self, head: str | None = None) -> AuditReport:
        """Look at the whole chain of the audit."""
        self._holder.require(Right.AUDIT)
        return self._registry.verify_audit(head)

    def note(self, action: str, subject: str, detail: Mapping[str, Json] | None = None) -> None:
        """Record what the holder did with secrets that it has, such as writing them to a file.

        Raises:  AccessDenied: it would look like a row that the registry writes of itself, or is too long.
        """
        self._holder.require(Right.NOTE)
        if not self._reach.is_everything and not self._reach.names_address(subject):
            raise self._denied("notes nothing of other blocks")
        if action.startswith(_OWN_ACTIONS):
            raise self._denied(f"notes nothing as '{action[:100]}', which the registry records by itself")
        if len(action) + len(subject) + len(json.dumps(dict(detail or {}))) > _MAX_NOTE:
            raise self._denied(f"notes no more than {_MAX_NOTE} characters at once")
        with self._acting():
            self._registry.note(action, subject, detail)

    def close(self) -> None:
        """Do nothing: the registry belongs to whoever opened it."""

    def _look(self, right: Right, slug: str, name: str) -> None:
        """Let pass who has a right to a block that is in reach.

        Raises:  AccessDenied; BlockNotFound: it is not in reach, whether it is saved or not.
        """
        self._holder.require(right)
        if not self._reach.names(slug, name):
            raise absent(join_address(slug, name), self._reach)

    def _look_at_put(self, draft: Draft) -> None:
        self._holder.require(Right.EDIT)
        self._refuse_name(draft.slug, draft.name)

    def _refuse_name(self, slug: str, name: str) -> None:
        """Refuse a name to be given beyond the list, without looking whether it is taken."""
        if not self._reach.names(slug, name):
            raise self._denied(f"saves nothing as '{join_address(slug, name)[:220]}'")

    def _refuse_breaking(self, edit: Remove) -> None:
        """Refuse to force a removal by which blocks beyond the list would break."""
        if self._reach.is_everything:
            return
        users: list[str] = []  # of a removal that comes again, as its answer was lost
        with suppress(BlockNotFound), self._acting(edit.slug, edit.name):
            users = self._registry.users(edit.slug, edit.name)
        if not all(self._reach.names_address(user) for user in users):
            address = join_address(edit.slug, edit.name)
            raise self._denied(f"deletes by force no block that others beyond that hold, such as '{address}'")

    def _refuse_beyond(self, documents: Sequence[Document]) -> None:
        """Refuse documents of which one is beyond the list; say which field leads there, and not where to."""
        beyond = {found.id for found in documents if not self._reach.names(found.slug, found.name)}
        if not beyond:
            return
        for document in documents:
            for pointer, target in document.content.references():
                if target in beyond and document.id not in beyond:
                    field = dotted(pointer)
                    raise self._denied(
                        f"does not load '{document.address}', whose field '{field}' holds a block beyond that"
                    )

    def _refuse_new_references(self, drafts: Sequence[Draft]) -> None:
        """Refuse drafts that refer to a block beyond the list, unless the version before did so.

        Raises:  ReferenceBroken: as of a block that is not saved.
        """
        if self._reach.is_everything:
            return
        chosen = {draft.document_id for draft in drafts}
        held = [
            (draft, pointer, target) for draft in drafts for pointer, target in references_of(draft.content)
        ]
        found = self._registry.addresses({target for _, _, target in held} - chosen)
        for draft, pointer, target in held:
            address = found.get(target)
            if address is None or self._reach.names_address(address):
                continue  # one that is not saved, the registry refuses
            if target not in self._held_now(draft):
                raise ReferenceBroken(join_address(draft.slug, draft.name), dotted(pointer), BEYOND)

    def _held_now(self, draft: Draft) -> set[UUID]:
        try:
            now = self._registry.read(draft.slug, draft.name)
        except BlockNotFound:
            return set()
        return {target for _, target in now.content.references()}

    def _denied(self, what: str) -> AccessDenied:
        return AccessDenied(
            f"The token '{self._holder.name}' is for {self._reach}, and {what}. Ask an admin for a token whose list "
            f"has it: block token create NAME --role {self._holder.role} --allow SLUG/NAME"
        )

    @contextmanager
    def _acting(self, slug: str = "", name: str = "") -> Generator[None]:
        """Let the holder answer for what is done, and say nothing to it of blocks beyond its list."""
        with acting_as(self._actor):
            if self._reach.is_everything:
                yield
                return
            try:
                yield
            except BlocksError as error:
                seen = veiled(error, self._reach, join_address(slug, name))
                if seen is error:
                    raise
                raise seen from None  # the cause says what it may not
