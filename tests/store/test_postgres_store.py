"""What is particular to the store in Postgres: its schema, rights, many writers, what is shown of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from msgspec.structs import replace
from tests.postgres import PASSWORD, fresh_url, server

from chachaml.core.addresses import address_of, shown
from chachaml.core.changes import Batch, ParamsLogged, RunEdited, TagsSet
from chachaml.core.errors import BadValue, ForeignFile, SchemaTooNew, SchemaTooOld, StoreUnavailable
from chachaml.core.ids import new_id
from chachaml.core.model import RunQuery
from chachaml.core.values import canonical
from chachaml.store import postgres_database
from chachaml.store.dialect import statement
from chachaml.store.postgres import PostgresStore, open_postgres, upgrade_postgres
from chachaml.store.schema import MIGRATIONS, Migration
from chachaml.testing import ODD_FLOATS, ODD_TEXTS, ODD_VALUES, Writer, ended, points, started
from chachaml.testing.material import in_threads

HEAD = len(MIGRATIONS)
NEXT = Migration("colours of runs", lambda db: db.execute("ALTER TABLE runs ADD COLUMN colour TEXT"))
BROKEN = Migration(
    "half a step", lambda db: db.execute("CREATE TABLE half (a TEXT); CREATE TABLE runs (a TEXT)")
)


@pytest.fixture
def url() -> str:
    return fresh_url()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(open_postgres(url)) as opened:
        yield opened


def ledger(url: str) -> list[int]:
    with server().connect() as db:
        rows = db.execute(f"SELECT version FROM {address_of(url).schema}.migrations ORDER BY 1".encode())
        return [number for (number,) in rows if isinstance(number, int)]


# writing ------------------------------------------------------------------------------------------


def test_what_is_copied_in_is_what_is_inserted(store: PostgresStore) -> None:
    """Many rows of one transaction go another way than few."""
    run, named = new_id(), [started(new_id(), name=text) for text in ODD_TEXTS]
    params = {f"p{place}": canonical("p", value) for place, value in enumerate(ODD_VALUES)}
    metrics = [points(run, f"m{place}", [value]) for place, value in enumerate(ODD_FLOATS)]
    at_once = Writer(store)
    at_once.write(started(run), *named)
    at_once.write(ParamsLogged(run, 1, params), *metrics)
    with closing(open_postgres(fresh_url())) as other:
        singly = Writer(other)
        for change in (started(run), *named, *metrics):
            singly.write(change)
        for key, value in params.items():
            singly.write(ParamsLogged(run, 1, {key: value}))
        pages = [one.find_runs(RunQuery(with_values=True)).runs for one in (store, other)]
    assert len(pages[0]) == len(named) + 1
    told = [[repr(replace(row, owner=None)) for row in page] for page in pages]
    assert told[0] == told[1]


# the schema ---------------------------------------------------------------------------------------


def test_eight_who_start_at_once_make_one_store(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(open_postgres, [url] * 8))
    assert len({store.id for store in stores}) == 1
    assert ledger(url) == list(range(1, HEAD + 1))
    for store in stores:
        store.close()


def test_a_shared_store_is_upgraded_only_when_told_to(url: str) -> None:
    with closing(open_postgres(url)) as store:
        Writer(store).start()
    newer = (*MIGRATIONS, NEXT)
    with pytest.raises(SchemaTooOld) as told:
        open_postgres(url, migrations=newer)
    assert f"chachaml upgrade {address_of(url).public}" in told.value.hint
    assert ledger(url)[-1] == HEAD
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: upgrade_postgres(url, migrations=newer), range(8)))
    assert sorted(done) == [[]] * 7 + [["colours of runs"]]
    with closing(open_postgres(url, migrations=newer)) as store:
        assert (store.info().schema, store.info().runs) == (HEAD + 1, 1)
    with pytest.raises(SchemaTooNew):
        open_postgres(url)


def test_a_step_that_fails_leaves_nothing_behind(url: str) -> None:
    open_postgres(url).close()
    for _ in range(2):
        with pytest.raises(Exception, match="already exists"):
            upgrade_postgres(url, migrations=(*MIGRATIONS, BROKEN))
    assert ledger(url)[-1] == HEAD
    open_postgres(url).close()


def test_what_is_not_ours_is_left_alone(url: str) -> None:
    schema = address_of(url).schema
    server().execute(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.runs (a int)")
    with pytest.raises(ForeignFile, match="something else"):
        open_postgres(url)


def test_a_store_that_is_not_there_is_not_made_to_read_it(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="there is no store"):
        open_postgres(url, create=False)
    assert len(upgrade_postgres(url)) == HEAD  # which is told to
    open_postgres(url, create=False).close()


# rights -------------------------------------------------------------------------------------------


def test_a_role_needs_no_more_than_the_guide_says(url: str) -> None:
    schema = address_of(url).schema
    owner = open_postgres(url)
    role = f"app_{schema}"
    server().execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        f"GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        f"CREATE ROLE {role}_reader LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}_reader",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}_reader",
    )
    with closing(open_postgres(server().url(schema, user=role))) as app:
        writer = Writer(app)
        run = writer.start()
        writer.write(points(run, "loss", range(100)), TagsSet(run, 1, {"k": "v"}), ended(run))
        app.apply(Batch((RunEdited(run, 5, "ada", "name", "better"),), command="c"))
        app.sync()
        assert app.check() == []
    with closing(open_postgres(server().url(schema, user=f"{role}_reader"))) as reader:
        assert reader.get_run(run).name == "better"
        with pytest.raises(StoreUnavailable, match="does not let this user"):
            Writer(reader).start()
    owner.close()


def test_who_may_make_no_schema_may_use_one_that_was_made_for_them(url: str) -> None:
    schema = address_of(url).schema
    role = f"owner_{schema}"
    server().execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", f"CREATE SCHEMA {schema} AUTHORIZATION {role}"
    )
    with closing(open_postgres(server().url(schema, user=role))) as store:
        Writer(store).start()


# writing ------------------------------------------------------------------------------------------


def test_sixty_four_who_write_at_once_lose_nothing_and_wait_for_each_other(store: PostgresStore) -> None:
    run = Writer(store).start()

    def write() -> None:
        writer = Writer(store)
        for number in range(5):
            writer.write(points(run, "loss", [float(number)]), TagsSet(run, 1, {"who": writer.info.id}))

    in_threads(*[write] * 64)
    assert store.get_run(run).metrics["loss"].count == 320
    assert len(store.read_series(run, "loss").steps) == 320
    assert store.check() == []


def test_a_reader_of_the_feed_never_passes_a_batch_that_comes_later(store: PostgresStore) -> None:
    """Cursors are given under the lock, so a transaction that ends later has the higher one."""
    stop, seen = threading.Event(), list[int]()

    def follow() -> None:
        cursor = 0
        while not stop.is_set() or store.newest_change() > cursor:
            feed = store.changes_since(cursor)
            seen.extend(row.cursor for row in feed.rows)
            cursor = feed.cursor

    follower = threading.Thread(target=follow)
    follower.start()
    writers = [Writer(store) for _ in range(4)]
    in_threads(*[lambda w=writer: [w.start() for _ in range(20)] for writer in writers])  # type: ignore[misc]
    stop.set()
    follower.join()
    assert seen == [row.cursor for row in store.changes_since(0).rows]
    assert len(seen) == 80


def test_who_waits_is_told_at_once(store: PostgresStore) -> None:
    store.wait(5)  # begins to listen
    writer = Writer(store)
    writer.start()
    done = threading.Event()

    def wait() -> None:
        store.wait(30)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert done.wait(10)


def test_a_conflict_of_the_database_is_tried_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who write and lock in opposite order: one gives up within, and nobody hears of it."""
    run = Writer(store).start()
    schema = store._database.address.schema
    tries = []

    def work(db: postgres_database.Session) -> None:
        tries.append(1)
        db.execute("UPDATE runs SET name = 'inner' WHERE id = ?", (run,))
        if len(tries) == 1:
            begun.set()
            locked.wait(10)
        db.execute("UPDATE store SET points = points")

    begun, locked = threading.Event(), threading.Event()
    with server().connect() as other:
        thread = threading.Thread(
            target=lambda: store._database.writing(work, undone=lambda: None, again=True)  # type: ignore[arg-type]
        )
        thread.start()
        assert begun.wait(10)
        other.execute("SET deadlock_timeout = '10s'")
        other.execute("BEGIN")
        other.execute(f"UPDATE {schema}.store SET points = points".encode())
        other.execute("SET LOCAL lock_timeout = '20s'")
        locked.set()
        other.execute(f"UPDATE {schema}.runs SET name = 'outer' WHERE id = '{run}'".encode())
        other.execute("COMMIT")
        thread.join(20)
    assert len(tries) == 2
    assert store.get_run(run).name == "inner"


def test_a_connection_that_was_cut_while_idle_is_not_noticed(store: PostgresStore) -> None:
    run = Writer(store).start()
    in_threads(*[lambda: store.get_run(run)] * 4)
    server().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'chachaml' AND state = 'idle'"
    )
    assert store.get_run(run).id == run
    assert Writer(store).start()


def test_very_long_texts_are_kept_and_found(store: PostgresStore) -> None:
    """An index of Postgres holds 2,700 bytes of a text at most."""
    noise = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(20_000))
    writer = Writer(store)
    run = writer.start(name=noise, experiment=noise[::-1], created_by=noise[1:])
    key = noise[:1000]
    writer.write(TagsSet(run, 1, {key: noise}), points(run, key, [1.0]))
    assert [row.id for row in store.find_runs(RunQuery(name=noise, experiment=noise[::-1])).runs] == [run]
    assert store.find_runs(RunQuery(created_by=noise)).runs == ()
    assert store.get_run(run).tags == {key: noise}


# SQL by hand --------------------------------------------------------------------------------------


def test_sql_is_the_same_as_on_a_file(store: PostgresStore) -> None:
    writer = Writer(store)
    run = writer.start(name="one")
    writer.write(points(run, "loss", [3.0, 1.0]), ended(run))
    columns, rows = store.sql(
        "SELECT name, min FROM runs JOIN metrics ON run = runs.id WHERE key = ?", ("loss",), most=9
    )
    assert (columns, rows) == (["name", "min"], [("one", 1.0)])
    for query in ("SELECT * FROM tokens", "DELETE FROM runs", "SELECT 1; SELECT 2"):
        with pytest.raises(BadValue):
            store.sql(query, most=9)


# what is shown ------------------------------------------------------------------------------------


def test_a_password_is_shown_nowhere(store: PostgresStore, url: str) -> None:
    assert PASSWORD in url
    told = [repr(store), str(store.info()), address_of(url).public, repr(address_of(url)), shown(url)]
    wrong = url.replace(PASSWORD, "secret-and-wrong")
    for bad in (
        wrong,
        wrong.replace("/postgres?", "/nowhere?"),
        wrong.replace("@127.0.0.1:", "@127.0.0.1:x"),
        wrong.replace("?schema=", "?schema=A;"),
        f"postgresql://u:secret-and-wrong@127.0.0.1:{server().port}",
        "postgresql://u:secret-and-/wrong#?@host/db",
    ):
        with pytest.raises((StoreUnavailable, BadValue)) as error:
            open_postgres(bad)
        told += [
            str(error.value),
            repr(error.value),
            repr(error.value.__cause__),
            repr(error.value.__context__),
        ]
    assert not [line for line in told if PASSWORD in line or "secret-and" in line]
    open_postgres(url).close()  # with the right password again


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ("postgresql://u:p@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgres://h/db?schema=chachaml", "postgresql://h/db"),
        ("jdbc:postgresql://h/db?user=u&password=p&currentSchema=x", "postgresql://u@h/db?schema=x"),
        ("jdbc:postgresql://h/db?ssl=true", "postgresql://h/db?sslmode=verify-full"),
        ("postgresql://a:1,b:2/db?target_session_attrs=read-write", None),
        ("postgresql:///db?host=/var/run", "postgresql://%2Fvar%2Frun/db"),
        ("postgresql://u%40x:p@[::1]:5/d%20b", "postgresql://u%40x@[::1]:5/d%20b"),
    ],
)
def test_addresses_are_written_in_one_way(given: str, public: str | None) -> None:
    address = address_of(given)
    assert address.public == (given if public is None else public)
    assert address_of(address.public) == address
    assert "p" not in address.options.values()


def test_statements_are_put_into_other_words_without_losing_a_value() -> None:
    found = statement(
        "SELECT a FROM runs WHERE id IN (SELECT value FROM json_each(:ids)) AND no < :no OR no > :no"
    )
    assert found.text == "SELECT a FROM runs WHERE id = ANY ($1) AND no < $2 OR no > $2"
    assert found.bound({"no": 3, "ids": '["a"]'}) == [["a"], 3]
    assert statement("SELECT ?2, ?1").bound((float("nan"), 1)) == [None, 1]


def test_an_old_server_and_other_encodings_are_refused(url: str) -> None:
    with server().connect() as db:
        db.execute("DROP DATABASE IF EXISTS latin")
        db.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(StoreUnavailable, match="UTF-8"):
        open_postgres(url.replace("/postgres?", "/latin?"))
    with pytest.raises(psycopg.Error), server().connect() as db:
        db.execute("SELECT 1 FROM chachaml.store")
