"""A database of its own for each test, blocks to keep results in and to tell people, and the record of runs."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import PrivateAttr
from shelf_storage import ShelfStorage

from blocks_core import Message, Notifier
from blocks_core.errors import NotificationFailed
from blocks_flows.journal import close_journal
from blocks_flows.runs import RunFilter, RunRecords


class Inbox(Notifier, slug="test-inbox"):
    """Keeps what it is told."""

    _messages: list[Message] = PrivateAttr(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        return self._messages

    def notify(self, message: Message) -> None:
        self._messages.append(message)


class DeadInbox(Notifier, slug="test-dead-inbox"):
    """Takes nothing."""

    def notify(self, message: Message) -> None:
        raise NotificationFailed("The service answered 503. Try again later.")


@pytest.fixture(scope="module", autouse=True)
def own_pickling() -> Iterator[None]:
    """Dask lets all exceptions take their tracebacks into pickles, once it is imported: other tests go without."""
    table = copyreg.dispatch_table.copy()
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(table)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "blocks-home"
    monkeypatch.setenv("BLOCKS_HOME", str(folder))
    monkeypatch.delenv("BLOCKS_URL", raising=False)
    monkeypatch.delenv("BLOCKS_LOG_LEVEL", raising=False)
    yield folder
    close_journal()


@pytest.fixture
def records(home: Path) -> Iterator[RunRecords]:
    reader = RunRecords()
    yield reader
    reader.close()


@pytest.fixture
def last_run(records: RunRecords):
    """Return a function that returns the flow run that began last."""
    return lambda: records.list_runs(RunFilter(limit=1))[0]


@pytest.fixture
def shelf() -> ShelfStorage:
    return ShelfStorage()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def dead_inbox() -> DeadInbox:
    return DeadInbox()
