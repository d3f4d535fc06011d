"""A key provider over any place that can keep one text."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

from blocks_core.errors import KeysInvalid, KeysMissing
from blocks_core.key_document import KeyDocument, KeyEntry, parse_keys
from blocks_core.keyring import KEY_BYTES, Keyring, KeyWrapper


class KeyPlace(Protocol):
    """Where the text of a keyring lies."""

    @property
    def origin(self) -> str:
        """Return the place as messages name it: `the key file /srv/keys.json`."""
        ...

    @property
    def absence(self) -> str:
        """Return the sentences that say that nothing lies there, and what to do."""
        ...

    def stamp(self) -> object:
        """Return what differs after each change of the text; None where only reading can tell."""
        ...

    def read(self) -> str | None:
        """Return the text, or None where there is none.

        Raises:  KeysInvalid.
        """
        ...

    def changing(self) -> AbstractContextManager[None]:
        """Keep other processes from changing the text while it is read and written.

        Raises:  KeysReadOnly.
        """
        ...

    def write(self, text: str) -> None:
        """Replace the text, whole or not at all; called inside `changing`.

        Raises:  KeysInvalid, KeysReadOnly.
        """
        ...

    def write_first(self, text: str) -> None:
        """Keep a first text; where another process was first, leave its text.

        Raises:  KeysInvalid, KeysReadOnly.
        """
        ...


class PlacedKeyProvider:
    """Keeps a keyring as a text in a place; keys are unwrapped once for each process, and sealing is local.

    Args:    wrapper: encrypts new keys, and decrypts those that it wrapped. Keys from before it was given stay
             readable, so that a rotation brings a place under its protection.
    """

    def __init__(self, place: KeyPlace, wrapper: KeyWrapper | None = None) -> None:
        self._place = place
        self._wrapper = wrapper
        self._lock = Lock()
        self._stamp: object = None
        self._keyring: Keyring | None = None
        self._unwrapped: dict[tuple[str, bytes], bytes] = {}

    def load(self) -> Keyring:
        """Return the keys as they are now; a text that has not changed is not read again.

        Raises:  KeysMissing: nothing is there. KeysInvalid: it cannot be read.
        """
        with self._lock:
            stamp = self._place.stamp()
            if self._keyring is None or stamp is None or stamp != self._stamp:
                self._keyring = self._keyring_of(self._read())
                self._stamp = stamp
            return self._keyring

    def create(self) -> Keyring:
        """Keep a keyring of one new key, unless there is one, and return the keys.

        Raises:  KeysInvalid, KeysReadOnly.
        """
        with self._lock:
            entry = self._new_entry()
            self._place.write_first(KeyDocument(entry.id, (entry,), self._wraps()).render())
        return self.load()

    def add(self) -> str:
        """Keep a new key that is not primary; `KeyProvider.add` says more."""
        with self._place.changing(), self._lock:
            document = self._read()
            self._keyring_of(document)  # where a key cannot be read, nothing is changed
            entry = self._new_entry()
            self._place.write(document.added(entry, self._wraps()).render())
        return entry.id

    def promote(self, key_id: str) -> None:
        """Make a key the primary one; `KeyProvider.promote` says more."""
        with self._place.changing(), self._lock:
            document = self._read()
            self._keyring_of(document)
            if document.primary != key_id:
                self._place.write(document.promoted(key_id, self._place.origin).render())

    def remove(self, key_id: str) -> None:
        """Forget a key; `KeyProvider.remove` says more."""
        with self._place.changing():
            self._place.write(self._read().removed(key_id, self._place.origin).render())

    def draft(self) -> KeyDraft:
        """Return a copy whose changes are kept nowhere but in its text, for a place that only people change.

        Raises:  KeysInvalid.
        """
        return KeyDraft(self._place, self._wrapper)

    def _read(self) -> KeyDocument:
        text = self._place.read()
        if text is None:
            raise KeysMissing(self._place.absence)
        return parse_keys(text, self._place.origin)

    def _keyring_of(self, document: KeyDocument) -> Keyring:
        self._refuse_other_wrapper(document)
        keys = {entry.id: self._key(entry) for entry in document.entries}
        still = {(entry.id, entry.material) for entry in document.entries}
        self._unwrapped = {known: key for known, key in self._unwrapped.items() if known in still}
        return Keyring(
            primary=document.primary,
            keys=keys,
            origin=self._place.origin,
            created_at={entry.id: at for entry in document.entries if (at := _time(entry.created_at))},
            wrapped_by={entry.id: document.wrapped_by for entry in document.entries if entry.is_wrapped},
        )

    def _key(self, entry: KeyEntry) -> bytes:
        if not entry.is_wrapped:
            return entry.material
        known = (entry.id, entry.material)
        if known not in self._unwrapped:
            assert self._wrapper is not None
            self._unwrapped[known] = self._wrapper.unwrap(entry.id, entry.material)
        return self._unwrapped[known]

    def _refuse_other_wrapper(self, document: KeyDocument) -> None:
        if not document.wrapped_by or document.wrapped_by == self._wraps():
            return
        chosen = f"'{self._wraps()}' was chosen" if self._wrapper else "none was chosen"
        raise KeysInvalid(
            f"The keys in {self._place.origin} are wrapped by '{document.wrapped_by}', and {chosen}. "
            f"Choose the provider that wrapped them, with the setting BLOCKS_KEYS."
        )

    def _wraps(self) -> str:
        return self._wrapper.name if self._wrapper else ""

    def _new_entry(self) -> KeyEntry:
        key_id, key = f"k{os.urandom(6).hex()}", os.urandom(KEY_BYTES)
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        if self._wrapper is None:
            return KeyEntry(key_id, key, created_at)
        wrapped = self._wrapper.wrap(key_id, key)
        self._unwrapped[key_id, wrapped] = key
        return KeyEntry(key_id, wrapped, created_at, is_wrapped=True)


class KeyDraft(PlacedKeyProvider):
    """The keys of a place, with changes that are not kept there; `text` is what to keep."""

    def __init__(self, place: KeyPlace, wrapper: KeyWrapper | None = None) -> None:
        self._drafted = _DraftPlace(place)
        super().__init__(self._drafted, wrapper)

    @property
    def text(self) -> str:
        """Return the text to keep: it holds the keys."""
        return self._drafted.text or ""


class _DraftPlace:
    """A text in memory that was that of another place."""

    def __init__(self, place: KeyPlace) -> None:
        self.origin, self.absence = place.origin, place.absence
        self.text = place.read()

    def stamp(self) -> object:
        return None

    def read(self) -> str | None:
        return self.text

    def changing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def write(self, text: str) -> None:
        self.text = text

    def write_first(self, text: str) -> None:
        self.text = self.text or text


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
