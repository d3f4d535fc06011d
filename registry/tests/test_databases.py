"""What every kind of database does alike."""

from __future__ import annotations

import pytest
from registry_places import RegistryPlace

from blocks_core.errors import ValueNotStorable


def test_a_snapshot_sees_one_state_and_no_writer_waits_for_it(place: RegistryPlace) -> None:
    database = place.database(wait_seconds=2)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept (n INTEGER)")
    with database.snapshot() as connection:
        before = connection.execute("SELECT COUNT(*) FROM kept").fetchone()
        with database.transaction() as writer:
            writer.execute("INSERT INTO kept VALUES (1)")
        assert connection.execute("SELECT COUNT(*) FROM kept").fetchone() == before == (0,)
    with database.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM kept").fetchone() == (1,)
    database.close()


def test_a_transaction_that_fails_leaves_nothing_and_the_next_goes_well(place: RegistryPlace) -> None:
    database = place.database(wait_seconds=2)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept (n INTEGER)")

    def write_and_fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
            raise LookupError("of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        write_and_fail()
    with database.transaction() as connection:
        connection.executemany("INSERT INTO kept VALUES (?)", [(2,), (3,)])
    assert place.run("SELECT n FROM kept ORDER BY n") == [(2,), (3,)]
    database.close()


@pytest.mark.parametrize("value", ["a\ud800b", 2**70])
def test_a_value_that_no_column_can_hold_is_refused_and_not_shown(
    place: RegistryPlace, value: object
) -> None:
    database = place.database()
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept (t TEXT, n INTEGER)")
    column = "t" if isinstance(value, str) else "n"
    with (
        pytest.raises(ValueNotStorable, match="Nothing was changed") as caught,
        database.transaction() as one,
    ):
        one.execute(f"INSERT INTO kept ({column}) VALUES (?)", (value,))
    assert repr(value)[1:-1] not in str(caught.value)
    with pytest.raises(ValueNotStorable), database.transaction() as one:
        one.executemany(f"INSERT INTO kept ({column}) VALUES (?)", [(None,), (value,)])
    assert place.run("SELECT COUNT(*) FROM kept") == [(0,)]
    database.close()


def test_question_marks_in_quotes_and_comments_are_no_parameters(place: RegistryPlace) -> None:
    database = place.database()
    statement = (
        """SELECT '?' || ?, "what?" -- why?\nFROM (SELECT 'it''s 100%?' AS "what?") AS x WHERE 1 = ?"""
    )
    with database.reading() as connection:
        assert connection.execute(statement, ("a", 1)).fetchall() == [("?a", "it's 100%?")]
    database.close()


def test_texts_are_ordered_alike(place: RegistryPlace) -> None:
    """By code points: what a server's language says of order is not what the embedded database does."""
    database = place.database()
    database.migrate("registry", "blocks_registry.migrations")
    names = ["a", "a-b", "a.b", "aB", "a_b", "ab", "b", "가", "é", "\U0001f600"]
    with database.transaction() as connection:
        for name in reversed(names):
            connection.execute(
                "INSERT INTO documents (id, slug, name, version, saved_at) VALUES (?, ?, ?, ?, ?)",
                (name, "s", name, 1, 0.5),
            )
        rows = connection.execute("SELECT name FROM documents ORDER BY slug, name").fetchall()
    assert [name for (name,) in rows] == sorted(names)
    database.close()
