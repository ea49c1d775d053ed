"""What is particular to SQLite: opening files of all kinds, locks, processes, damage, speed by plan."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import numpy as np
import pytest

from chachaml.core.changes import ParamsLogged
from chachaml.core.errors import (
    ForeignFile,
    SchemaTooNew,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
)
from chachaml.core.model import RunQuery
from chachaml.store import database
from chachaml.store.schema import APPLICATION_ID, MIGRATIONS
from chachaml.store.sqlite import SQLiteStore, open_sqlite
from chachaml.testing import Writer, ended, points, started
from chachaml.testing.material import best_by


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chachaml.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(open_sqlite(path)) as store:
        yield store


def in_a_process(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Within it, permissions count, even if the tests are run by root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# opening ------------------------------------------------------------------------------------------


def test_a_new_file_is_made_at_the_newest_schema(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        assert store.info().schema == len(MIGRATIONS)
    with closing(apsw.Connection(str(path))) as db:
        assert db.execute("PRAGMA application_id").get == APPLICATION_ID
        assert db.execute("PRAGMA user_version").get == len(MIGRATIONS)
        assert db.execute("PRAGMA journal_mode").get == "wal"
        assert [row[0] for row in db.execute("SELECT version FROM migrations")] == [
            *range(1, len(MIGRATIONS) + 1)
        ]
        assert db.execute("SELECT length(id) FROM store").get == 32


def test_closing_leaves_one_file(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        Writer(store).start()
        store.info()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreUnavailable):
        open_sqlite(path, create=False)
    assert path.stat().st_size == 0
    open_sqlite(path).close()
    open_sqlite(path, create=False).close()


def test_a_missing_store_is_not_made_for_readers(path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no store at") as caught:
        open_sqlite(path, create=False)
    assert caught.value.hint
    assert not path.exists()


def test_the_store_may_have_any_name(tmp_path: Path) -> None:
    for name in ("odd ?#%41 name.db", "日本.db", "-", "a'b"):
        open_sqlite(tmp_path / name).close()
        open_sqlite(tmp_path / name, create=False).close()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_missing_folder_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no folder"):
        open_sqlite(tmp_path / "missing" / "chachaml.db")
    with pytest.raises(StoreUnavailable, match="is a folder"):
        open_sqlite(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        open_sqlite(tmp_path / "file" / "chachaml.db")


@pytest.mark.parametrize("wal", [False, True])
def test_the_database_of_another_program_is_left_alone(path: Path, wal: bool) -> None:
    with closing(sqlite3.connect(path)) as db:
        if wal:
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE runs (id TEXT PRIMARY KEY)")
        db.commit()
    refused(path, ForeignFile, "another program")


@pytest.mark.parametrize("content", [b"x", b"hello " * 1000, b"\0" * 8192, b"SQLite format 3"])
def test_what_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, ForeignFile, "not a chachaml store")


def test_a_newer_store_is_left_alone(path: Path) -> None:
    open_sqlite(path).close()
    with closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA user_version = 99")
    refused(path, SchemaTooNew, "schema 99")


def test_a_newer_store_in_use_is_left_alone(path: Path) -> None:
    open_sqlite(path).close()
    with closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA user_version = 99")  # so far in the log beside the file only
        log = path.with_name(path.name + "-wal")
        before = path.read_bytes(), log.read_bytes()
        with pytest.raises(SchemaTooNew):
            open_sqlite(path)
        assert (path.read_bytes(), log.read_bytes()) == before


def refused(path: Path, error: type[StoreError], message: str) -> None:
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(error, match=message) as caught:
            open_sqlite(path, create=create)
        assert caught.value.hint
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_store_that_cannot_be_written_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chachaml.db")
        with closing(open_sqlite(path)) as store:
            run = Writer(store).start()
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        with as_nobody(), closing(open_sqlite(path)) as store:
            assert store.get_run(run).id == run
            with pytest.raises(StoreUnavailable, match="only be read"):
                Writer(store).start()
            with pytest.raises(StoreUnavailable, match="only be read"):
                store.sync()
            with pytest.raises(StoreUnavailable):
                open_sqlite(path.with_name("other.db"))
        Path(folder).chmod(0o755)


def test_a_closed_store_says_so(store: SQLiteStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.info()
    with pytest.raises(StoreUnavailable, match="closed"):
        Writer(store).start()


# processes ----------------------------------------------------------------------------------------

MANY = """
import sys
from pathlib import Path
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import Writer, points
print("ready", flush=True)
sys.stdin.readline()
store = open_sqlite(sys.argv[1])
writer = Writer(store)
run = writer.start()
for step in range(30):
    writer.write(points(run, "own", [step], [step]), points("f" * 32, "shared", [step], [step]))
print(store.id)
store.close()
"""


def test_eight_processes_make_one_store_and_write_to_it(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ids = {output(process) for process in processes}
    assert len(ids) == 1
    with closing(open_sqlite(path, create=False)) as store:
        assert {store.id} == ids
        assert store.info().points == 8 * 60
        assert store.get_run("f" * 32).metrics["shared"].count == 8 * 30
        assert store.read_series("f" * 32, "shared").steps.tolist() == [
            s for s in range(30) for _ in range(8)
        ]
        assert store.check() == []


def test_a_long_lock_is_trouble_that_passes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    with closing(open_sqlite(path)) as store, closing(apsw.Connection(str(path))) as other:
        writer = Writer(store)
        run = writer.start()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            writer.write(points(run, "a", [1.0]))
        assert store.get_run(run).metrics == {}
        other.execute("ROLLBACK")
        writer.write(points(run, "a", [1.0]))


def test_readers_do_not_wait_for_a_writer(path: Path, store: SQLiteStore) -> None:
    run = Writer(store).start()
    with closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN IMMEDIATE; DELETE FROM runs")
        assert store.get_run(run).id == run
        other.execute("ROLLBACK")


def test_a_few_points_need_no_numpy(path: Path) -> None:
    code = """
import struct, sys
from chachaml.core.changes import Batch, JournalInfo, PointsLogged, RunStarted
from chachaml.store.sqlite import open_sqlite
store = open_sqlite(sys.argv[1])
run, journal = "a" * 32, JournalInfo("b" * 32, store.id)
step = struct.pack("<16q", *range(16))
points = PointsLogged(run, "loss", step, step, struct.pack("<16d", *range(16)))
store.apply(Batch((RunStarted(run, 1, "e", "n", "me"), points), journal, 0, 1))
print(store.get_run(run).metrics["loss"].count, "numpy" in sys.modules)
"""
    assert output(in_a_process(code, path)) == "16 False"


def test_a_failed_batch_leaves_no_numbers_behind(store: SQLiteStore) -> None:
    writer = Writer(store)
    run = writer.start()
    broken = ParamsLogged(run, 1, {"new key": "1", "also new": 2})  # type: ignore[dict-item]
    with pytest.raises((TypeError, StoreError)):
        store.apply(writer.batch(broken))
    other = writer.start(experiment="new key", tags={"new key": "v"})
    writer.write(ParamsLogged(run, 1, {"new key": "1"}))
    assert (store.get_run(run).params, store.get_run(other).tags) == ({"new key": 1}, {"new key": "v"})
    assert store.check() == []


def test_many_threads_share_a_store(store: SQLiteStore) -> None:
    writer = Writer(store)
    run = writer.start()
    stop, errors = threading.Event(), list[Exception]()

    def read() -> None:
        try:
            while not stop.is_set():
                summary = store.get_run(run).metrics.get("a")
                if summary:
                    assert len(store.read_series(run, "a").values) >= summary.count
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for step in range(100):
        writer.write(points(run, "a", np.arange(50.0), range(step * 50, step * 50 + 50)))
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.get_run(run).metrics["a"].count == 5000


# damage -------------------------------------------------------------------------------------------


def test_damaged_pages_are_named(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        run = Writer(store).start()
    pages = path.read_bytes()
    for junk in (b"\xff", b"\0"):
        path.write_bytes(pages[:4096] + junk * (len(pages) - 4096))
        with pytest.raises(StoreDamaged), closing(open_sqlite(path)) as store:
            store.get_run(run)
    path.write_bytes(pages[: len(pages) // 2])
    with pytest.raises(StoreDamaged), closing(open_sqlite(path)) as store:
        store.get_run(run)


def test_a_damaged_chunk_is_named(path: Path) -> None:
    with closing(open_sqlite(path)) as store:
        writer = Writer(store)
        run = writer.start()
        writer.write(points(run, "a", np.arange(1000.0)), points(run, "b", [1.0]))
        with closing(apsw.Connection(str(path))) as db:
            db.execute("UPDATE chunks SET data = substr(data, 1, 50)")
        with pytest.raises(StoreDamaged):
            store.read_series(run, "a")
        assert store.read_series(run, "b").values.tolist() == [1.0]
        (problem,) = store.check()
        assert run in problem
        assert "'a'" in problem


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("DELETE FROM runs", "rows of series name runs that do not exist"),
        ("DELETE FROM keys", "rows of params name keys that do not exist"),
        ("DELETE FROM chunks", "should have"),
        ("DELETE FROM series", "chunks belong to no series"),
    ],
)
def test_dangling_rows_are_found(path: Path, store: SQLiteStore, harm: str, problem: str) -> None:
    writer = Writer(store)
    run = writer.start(tags={"k": "v"})
    writer.write(points(run, "a", np.arange(100.0)), ParamsLogged(run, 1, {"lr": "1"}))
    assert store.check() == []
    with closing(apsw.Connection(str(path))) as db:
        db.execute(harm)
    assert any(problem in found for found in store.check())


# size and plans -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "most"), [("float64", 8.0), ("float32", 5.0)])
def test_points_are_small_on_disk(path: Path, kind: str, most: float) -> None:
    rng = np.random.default_rng(0)
    count, batch = 400_000, 50_000
    values = (np.exp(-np.arange(count) / 1e5) + rng.normal(0, 0.05, count)).astype(kind).astype("f8")
    times = 1_700_000_000_000_000 + np.cumsum(rng.integers(0, 4, count))
    open_sqlite(path).close()
    empty = path.stat().st_size
    with closing(open_sqlite(path)) as store:
        writer = Writer(store)
        run = writer.start()
        for at in range(0, count, batch):
            cut = slice(at, at + batch)
            writer.write(points(run, "loss", values[cut], range(at, at + batch), times[cut]))
    assert path.stat().st_size - empty < most * count


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(),
        RunQuery(experiment="e"),
        RunQuery(status="failed"),
        RunQuery(name="n"),
        RunQuery(created_by="me"),
        RunQuery(parent="p" * 32),
        RunQuery(experiment="e", status="failed", created_by="me"),
        RunQuery(text_id="abcd"),
        RunQuery(**best_by("m")),
        RunQuery(**best_by("m", "min", descending=False), experiment="e"),
    ],
)
def test_no_search_reads_whole_tables(path: Path, query: RunQuery) -> None:
    texts: list[str] = []
    with closing(open_sqlite(path)) as store:
        Writer(store).start()
        with store._database.reading() as db:
            db.exec_trace = lambda _, sql, __: not texts.append(sql)
        store.find_runs(query)
        with closing(apsw.Connection(str(path))) as db:
            for text in texts:
                if text.startswith("SELECT"):
                    marks = text.count("?")
                    plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + text, ("[]",) * marks)]
                    scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
                    assert all("USING" in scan and "INDEX" in scan for scan in scans), plan


def test_pages_of_equally_good_runs_miss_none(store: SQLiteStore) -> None:
    writer = Writer(store)
    runs = [writer.start(time=1_000 + i % 2) for i in range(150)]
    writer.write(*(points(run, "acc", [1.0]) for run in runs), *(ended(run) for run in runs))
    found, cursor = [], ""
    while True:
        page = store.find_runs(RunQuery(**best_by("acc"), limit=7, cursor=cursor))
        found += [run.id for run in page.runs]
        if not (cursor := page.next):
            break
    best_first = sorted(runs, key=lambda run: (runs.index(run) % 2, run), reverse=True)
    assert found == best_first


def test_a_stub_moves_to_its_experiment(store: SQLiteStore) -> None:
    writer, run = Writer(store), "c" * 32
    writer.write(points(run, "acc", [1.0]))
    writer.write(started(run, 50, experiment="late"))
    page = store.find_runs(RunQuery(experiment="late", **best_by("acc")))
    assert [found.id for found in page.runs] == [run]


def test_where_fsync_stops_at_the_drives_cache_the_drive_is_asked(path: Path, store: SQLiteStore) -> None:
    Writer(store).write(started("a" * 32))
    assert store.info().runs == 1
    mine = [db for db in apsw.connections() if db.filename == str(path)]
    # Readers too: whoever closes last moves the log into the file.
    assert [db.pragma("fullfsync") for db in mine] == [1, 1]
