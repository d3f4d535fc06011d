"""What happens when a PostgreSQL server is not as it should be: a typed error that shows no password, and nothing lost."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from urllib.parse import quote

import psycopg
import pytest
from postgres_server import PASSWORD, PostgresServer
from pydantic import SecretStr

from blocks_core import Block, use_library
from blocks_core.errors import BlockNotFound, BlocksError, ValueNotStorable
from blocks_core.library import Library
from blocks_core.masking import SECRETS_IN_USE
from blocks_registry import Settings, open_library
from blocks_registry.errors import AddressInvalid, DatabaseCorrupt, DatabaseLocked, DatabaseUnavailable
from blocks_registry.postgres_database import MAX_CONNECTIONS, PostgresDatabase


class Plain(Block, slug="server-plain"):
    """Nothing secret."""

    value: str = ""


class Token(Block, slug="server-token"):
    """A token."""

    value: SecretStr


def at(url: str, home: Path) -> Library:
    return open_library(Settings(home=home, url=url))


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
def library(postgres_url: str, tmp_path: Path) -> Iterator[Library]:
    with use_library(at(postgres_url, tmp_path)) as library:
        yield library
    library.close()


@pytest.fixture
def database(postgres_url: str) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_url, wait_seconds=5)
    yield database
    database.close()


def cut_all(server: PostgresServer, url: str, among: str = "true") -> int:
    """End the server's side of all connections to a database; return how many there were."""
    rows = server.run(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name_of(url)}' AND {among}"
    )
    return len(rows)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda url, _: url.replace("/p%40ss", "/p%40sz").replace("w0rd", "w0rt"),
            "refuses the user 'postgres'",
        ),
        (lambda url, _: url.replace("postgres:", "nobody-here:"), "refuses the user 'nobody-here'"),
        (lambda url, _: url.rpartition("/")[0] + "/not-there", "createdb not-there"),
        (lambda url, port: url.replace(f":{port}/", ":1/"), "cannot be reached"),
        (lambda url, _: url.replace("127.0.0.1", "no-such-host.invalid"), "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_used_is_an_error_with_a_remedy_and_no_password(
    postgres_server: PostgresServer,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[str, int], str],
    said: str,
) -> None:
    url = change(postgres_url, postgres_server.port)
    assert url != postgres_url
    with (
        caplog.at_level(logging.DEBUG),
        use_library(at(url, tmp_path)) as library,
        pytest.raises(DatabaseUnavailable, match=said) as caught,
    ):
        Plain.load("one")
    assert "BLOCKS_URL" in str(caught.value) or "createdb" in str(caught.value)
    shown = [str(caught.value), repr(caught.value), repr(library), repr(caught.value.__cause__), caplog.text]
    assert not any(piece in text for text in shown for piece in ("w0rd", "w0rt", quote(PASSWORD, safe="")))


def test_the_password_is_in_no_repr_and_is_masked_in_logs(postgres_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, url=postgres_url)
    database = PostgresDatabase(postgres_url)
    database.migrate("registry", "blocks_registry.migrations")
    for shown in (repr(settings), str(settings), repr(database), database.place, repr(database.__dict__)):
        assert "w0rd" not in shown
    assert "w0rd" not in SECRETS_IN_USE.hide(
        f"connecting with {PASSWORD}, which is {quote(PASSWORD, safe='')}"
    )
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr%zzet@host/db",
        "postgresql://user:s3cr@et@host/db",
        "postgresql://user:s3cr/et@host/db",
        "postgresql://user:s3cret@host:port/db",
        "postgresql://user@host/db?password=s3cret&bogus=1",
        "postgres://user:s3cret@[::1/db",
    ],
)
def test_an_address_that_is_none_is_refused_without_a_piece_of_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddressInvalid, match="BLOCKS_URL") as caught:
        at(url, tmp_path)
    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_password_may_come_from_the_environment(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = f"postgres://postgres@127.0.0.1:{postgres_server.port}/{name_of(postgres_url)}"
    with use_library(at(url, tmp_path)) as library:
        Plain(value="x").save("one")
        assert Plain.load("one").value == "x"
    library.close()


def test_a_driver_that_is_missing_is_an_error_that_says_how_to_install_it() -> None:
    program = "import sys; sys.modules['psycopg'] = None\nfrom blocks_registry.cli import main; main(['ls'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "BLOCKS_URL": "postgresql://user:s3cret@127.0.0.1:1/db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'blocks-registry[postgresql]'" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


def test_the_driver_is_not_imported_for_the_embedded_database(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom blocks_registry.cli import main\n"
        "try: main(['ls'])\nfinally: assert 'psycopg' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name != "BLOCKS_URL"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "BLOCKS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_connections_that_the_server_closed_while_they_lay_unused_are_replaced(
    postgres_server: PostgresServer, postgres_url: str, library: Library
) -> None:
    Plain(value="x").save("one")
    assert cut_all(postgres_server, postgres_url) > 0
    assert Plain.load("one").value == "x"
    assert cut_all(postgres_server, postgres_url) > 0
    Plain(value="y").save("one", overwrite=True)
    assert Plain.load("one").value == "y"


def test_a_select_is_asked_again_when_its_connection_is_cut_before_the_answer(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    with database.reading() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert cut_all(postgres_server, postgres_url) == 1
        assert connection.execute("SELECT ?", ("again",)).fetchone() == ("again",)


def test_a_select_that_was_prepared_before_a_table_changed_is_prepared_anew(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    postgres_server.run(
        "CREATE TABLE kept (n INTEGER)", "INSERT INTO kept VALUES (1)", database=name_of(postgres_url)
    )
    with database.reading() as connection:
        for _ in range(8):
            assert connection.execute("SELECT * FROM kept WHERE n = ?", (1,)).fetchall() == [(1,)]
        postgres_server.run("ALTER TABLE kept ADD COLUMN m INTEGER", database=name_of(postgres_url))
        assert connection.execute("SELECT * FROM kept WHERE n = ?", (1,)).fetchall() == [(1, None)]


def test_a_transaction_begins_on_another_connection_when_its_own_was_cut(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    with database.reading() as connection:
        connection.execute("SELECT 1")
        cut_all(postgres_server, postgres_url)
        with connection.transaction("BEGIN", 1):
            connection.execute("CREATE TABLE kept (n INTEGER)")
    assert postgres_server.run("SELECT COUNT(*) FROM kept", database=name_of(postgres_url)) == [(0,)]


def test_a_connection_that_is_cut_within_a_transaction_is_an_error_and_nothing_was_changed(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    postgres_server.run("CREATE TABLE kept (n INTEGER)", database=name_of(postgres_url))

    def write_and_be_cut() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO kept VALUES (?)", (1,))
            cut_all(postgres_server, postgres_url)
            connection.execute("INSERT INTO kept VALUES (?)", (2,))

    with pytest.raises(DatabaseUnavailable, match=r"was cut .*Nothing was changed; try again"):
        write_and_be_cut()
    with database.transaction() as connection:
        connection.execute("INSERT INTO kept VALUES (?)", (3,))
    assert postgres_server.run("SELECT n FROM kept", database=name_of(postgres_url)) == [(3,)]


SLOW_COMMIT = (
    "CREATE TABLE kept (n INTEGER)",
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON kept DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION dawdle()",
)


def test_a_connection_that_is_cut_while_it_commits_is_an_error_that_says_that_nobody_knows(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    postgres_server.run(*SLOW_COMMIT, database=name_of(postgres_url))

    def cut_the_commit() -> None:
        while not cut_all(postgres_server, postgres_url, "query = 'COMMIT' AND state = 'active'"):
            time.sleep(0.01)

    cutter = Thread(target=cut_the_commit)
    cutter.start()
    with (
        pytest.raises(DatabaseUnavailable, match="it is not known whether it was made"),
        database.transaction() as connection,
    ):
        connection.execute("INSERT INTO kept VALUES (1)")
    cutter.join()


def test_a_server_that_is_started_anew_is_found_again(
    postgres_server: PostgresServer, library: Library
) -> None:
    Plain(value="x").save("one")
    postgres_server.stop()
    try:
        for attempt in (lambda: Plain.load("one"), lambda: Plain().save("two")):
            with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
                attempt()
    finally:
        postgres_server.start()
    assert Plain.load("one").value == "x"
    Plain().save("two")


def test_a_failed_statement_that_was_passed_over_does_not_pass_for_a_commit(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    postgres_server.run("CREATE TABLE kept (n INTEGER)", database=name_of(postgres_url))

    def write_and_pass_over() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
            with suppress(DatabaseUnavailable):
                connection.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(DatabaseUnavailable, match=r"did not commit.*Nothing was changed"):
        write_and_pass_over()
    assert postgres_server.run("SELECT n FROM kept", database=name_of(postgres_url)) == []
    with database.reading() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_who_writes_runs_does_not_wait_for_who_writes_documents(postgres_url: str) -> None:
    documents = PostgresDatabase(postgres_url, wait_seconds=0.2)
    runs = PostgresDatabase(postgres_url, purpose="runs", wait_seconds=0.2)
    with documents.transaction():
        with runs.transaction():
            pass
        with pytest.raises(DatabaseLocked), documents.relaxed(wait_seconds=0.1).transaction():
            pass
    for database in (documents, runs):
        database.close()


def test_a_server_that_ends_who_waits_too_long_is_a_locked_database(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.run(f"ALTER DATABASE {name_of(postgres_url)} SET statement_timeout = 100")
    database = PostgresDatabase(postgres_url, wait_seconds=20)
    with (
        database.transaction(),
        pytest.raises(DatabaseLocked, match=r"locked by another process.*Nothing was changed"),
        database.transaction(),
    ):
        pass
    with pytest.raises(DatabaseLocked, match="statement timeout"), database.reading() as connection:
        connection.execute("SELECT pg_sleep(5)")
    database.close()


def test_more_connections_than_a_process_may_have_are_waited_for_and_then_refused(postgres_url: str) -> None:
    database = PostgresDatabase(postgres_url, wait_seconds=0.2)
    held = [database.reading() for _ in range(MAX_CONNECTIONS)]
    for one in held:
        one.__enter__()
    with pytest.raises(DatabaseLocked, match=f"All {MAX_CONNECTIONS} connections"), database.reading():
        pass
    held.pop().__exit__(None, None, None)
    with database.reading() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for one in held:
        one.__exit__(None, None, None)
    database.close()


@pytest.fixture
def guest(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """The URL of a user without any right of its own; the tables are there, and one block is saved."""
    name = f"guest_{name_of(postgres_url)}"
    postgres_server.run(f"CREATE ROLE {name} LOGIN PASSWORD 'guest-password'")
    yield postgres_server.url(name_of(postgres_url), name, "guest-password")
    postgres_server.run(f"DROP OWNED BY {name}", database=name_of(postgres_url))
    postgres_server.run(f"DROP ROLE {name}")


def user_of(url: str) -> str:
    return url.partition("://")[2].partition(":")[0]


def test_a_user_who_may_only_read_can_load_and_is_told_what_is_missing_to_save(
    postgres_server: PostgresServer, postgres_url: str, library: Library, guest: str, tmp_path: Path
) -> None:
    Plain(value="x").save("one")
    postgres_server.run(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user_of(guest)}", database=name_of(postgres_url)
    )
    with use_library(at(guest, tmp_path)) as reader:
        assert Plain.load("one").value == "x"
        with pytest.raises(DatabaseUnavailable, match=r"permission denied.*Give the user in BLOCKS_URL"):
            Plain().save("two")
    reader.close()


def test_a_user_who_may_not_make_tables_is_told_so(guest: str, tmp_path: Path) -> None:
    with (
        use_library(at(guest, tmp_path)) as library,
        pytest.raises(DatabaseUnavailable, match=r"permission denied for schema public.*Give the user"),
    ):
        Plain.load("one")
    library.close()


def test_a_database_that_takes_no_writes_is_an_error_and_can_be_read(
    postgres_server: PostgresServer, postgres_url: str, library: Library, tmp_path: Path
) -> None:
    Plain(value="x").save("one")
    postgres_server.run(f"ALTER DATABASE {name_of(postgres_url)} SET default_transaction_read_only = on")
    with use_library(at(postgres_url, tmp_path)) as reader:
        assert Plain.load("one").value == "x"
        with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
            Plain().save("two")
    reader.close()


def test_a_server_that_takes_no_more_connections_is_an_error_with_a_remedy(
    postgres_server: PostgresServer, guest: str, tmp_path: Path
) -> None:
    postgres_server.run(f"ALTER ROLE {user_of(guest)} CONNECTION LIMIT 0")
    with (
        use_library(at(guest, tmp_path)),
        pytest.raises(DatabaseUnavailable, match=r"takes no more connections.*max_connections"),
    ):
        Plain.load("one")


def test_a_database_that_cannot_hold_all_texts_is_refused(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with (
        postgres_server.database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0") as url,
        use_library(at(url, tmp_path)),
        pytest.raises(DatabaseUnavailable, match=r"LATIN1.*UTF8"),
    ):
        Plain.load("one")


@pytest.fixture
def small_disk(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a tablespace on a file system of 12 MB."""
    mount = Path(mkdtemp(prefix="blocks-small-"))
    made = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        mount.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    try:
        if os.geteuid() == 0:
            shutil.chown(mount, "nobody")
        postgres_server.run(f"CREATE TABLESPACE small LOCATION '{mount}'")
        yield "small"
        postgres_server.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", str(mount)], check=True)
        mount.rmdir()


def test_a_full_disk_of_the_server_is_an_error_and_leaves_the_old_state(
    postgres_server: PostgresServer, small_disk: str, tmp_path: Path
) -> None:
    with (
        postgres_server.database(f"TABLESPACE {small_disk}") as url,
        use_library(at(url, tmp_path)) as library,
    ):
        Plain(value="kept").save("one")
        postgres_server.run("CHECKPOINT")  # so that to read, it need write nothing of a new database any more
        with pytest.raises(DatabaseUnavailable, match="disk is full"):
            fill()
        assert Plain.load("one").value == "kept"
        names = [line.name for line in library.registry.find()]
        assert all(Plain.load(name).value for name in names)
        library.close()


def fill() -> None:
    for number in range(400):  # of what cannot be compressed
        Plain(value=os.urandom(50_000).hex()).save(f"big-{number}")


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_a_text_that_the_database_cannot_hold_is_refused_and_shown_nowhere(
    library: Library, database: PostgresDatabase, text: str
) -> None:
    Plain(value=text).save("one")  # as JSON it is escaped
    assert Plain.load("one").value == text
    with pytest.raises(ValueNotStorable, match="NUL character or half a surrogate") as caught:
        library.registry.load("server-plain", text)
    assert caught.value.__cause__ is None or text not in repr(caught.value.__cause__)
    with pytest.raises(ValueNotStorable), database.transaction() as connection:
        connection.executemany("INSERT INTO block_types (slug) VALUES (?)", [("fine",), (text,)])
    with pytest.raises(BlockNotFound):
        Plain.load("two")


def test_a_damaged_index_is_a_damaged_database(database: PostgresDatabase) -> None:
    with (
        pytest.raises(DatabaseCorrupt, match="restore it from a backup"),
        database.transaction() as connection,
    ):
        connection.execute(
            "DO $$ BEGIN RAISE EXCEPTION 'index \"x\" contains corrupted page' USING ERRCODE = 'XX002'; END $$"
        )


def test_a_forked_child_opens_its_own_connections_and_leaves_its_parents_alone(library: Library) -> None:
    Token(value=SecretStr("x")).save("one")
    child = os.fork()
    if child == 0:
        try:
            Token(value=SecretStr("of the child")).save("two")
            os._exit(0 if Token.load("one").value.get_secret_value() == "x" else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert Token.load("two").value.get_secret_value() == "of the child"
    Token(value=SecretStr("y")).save("one", overwrite=True)


def test_a_fork_within_a_transaction_leaves_it_to_the_parent(
    postgres_server: PostgresServer, postgres_url: str, database: PostgresDatabase
) -> None:
    postgres_server.run("CREATE TABLE kept (n INTEGER)", database=name_of(postgres_url))
    with database.transaction() as connection:
        connection.execute("INSERT INTO kept VALUES (1)")
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        connection.execute("INSERT INTO kept VALUES (2)")
    assert postgres_server.run("SELECT n FROM kept ORDER BY n", database=name_of(postgres_url)) == [
        (1,),
        (2,),
    ]


class Holder(Block, slug="server-holder"):
    """Holds five others."""

    held: list[Token]


def test_a_tree_of_five_references_is_one_statement_and_a_save_is_one_transaction(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    library = at(postgres_url, tmp_path)
    with use_library(library):
        tokens = [Token(value=SecretStr(f"planted-{number}")) for number in range(5)]
        for number, token in enumerate(tokens):
            token.save(f"t{number}")
        Holder(held=tokens).save("tree")
        library.close()
        postgres_server.run(f"ALTER DATABASE {name_of(postgres_url)} SET log_statement = 'all'")
        start = postgres_server.log.stat().st_size
        for _ in range(8):  # as it is, and as the driver prepares it
            held = Holder.load("tree").held
            assert [found.value.get_secret_value() for found in held] == [f"planted-{n}" for n in range(5)]
        tokens[0].save("t0", overwrite=True)
        library.close()
    alone, transactions = statements_since(postgres_server, start, postgres_url)
    alone = [said for said in alone if "migrations" not in said]  # a new connection looks at the tables
    assert len(alone) == 8
    assert all("WITH RECURSIVE tree" in statement for statement in alone)
    [saved] = [statements for statements in transactions if not any("usages" in said for said in statements)]
    assert any("INSERT INTO document_versions" in statement for statement in saved)
    assert "planted-" not in postgres_server.log.read_text()


def statements_since(server: PostgresServer, start: int, url: str) -> tuple[list[str], list[list[str]]]:
    """Return what came to a database outside of transactions, and the statements of each transaction."""
    records = server.log.read_bytes()[start:].decode().replace("\n\t", " ").splitlines()
    alone, transactions, begun = list[str](), list[list[str]](), dict[str, list[str]]()
    for record in records:
        database, process, said = record.split(" ", 2)
        if database != name_of(url) or not said.startswith("LOG:"):
            continue
        if "statement: BEGIN" in said:
            begun[process] = []
        elif "COMMIT" in said:
            transactions.append(begun.pop(process))
        else:
            begun.get(process, alone).append(said)
    assert not begun
    return alone, transactions


def test_a_driver_error_never_comes_through(database: PostgresDatabase) -> None:
    """Whatever is wrong with a statement, callers need to know one tree of errors only."""
    wrong = ("SELEC 1", "SELECT 1/0", "SELECT 'x'::float8", "SELECT $1", "SELECT nothing", "COPY x TO STDOUT")
    for statement in wrong:
        for give in (database.reading, database.transaction, database.snapshot):
            with pytest.raises(BlocksError) as caught, give() as connection:
                connection.execute(statement)
            assert isinstance(caught.value.__cause__, psycopg.Error), statement
