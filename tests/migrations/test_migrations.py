"""The schema's history: every step is taken once, in one transaction, after a copy."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from chachaml.core.errors import StoreDamaged, StoreUnavailable
from chachaml.store.schema import MIGRATIONS, Migration
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import Writer

HEAD = len(MIGRATIONS)
NEXT = Migration("colours of runs", lambda db: db.execute("ALTER TABLE runs ADD COLUMN colour TEXT"))
BROKEN = Migration(
    "half a step", lambda db: db.execute("ALTER TABLE runs ADD COLUMN half TEXT; CREATE TABLE runs (a)")
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a store with one run, closed."""
    path = tmp_path / "chachaml.db"
    with closing(open_sqlite(path)) as store:
        Writer(store).start()
    return path


def ledger(path: Path) -> list[tuple[int, str]]:
    with closing(apsw.Connection(str(path))) as db:
        return [(*row,) for row in db.execute("SELECT version, name FROM migrations ORDER BY version")]


def columns(path: Path) -> set[str]:
    with closing(apsw.Connection(str(path))) as db:
        return {row[1] for row in db.execute("PRAGMA table_info(runs)")}


def test_an_old_store_is_copied_and_brought_up_to_date(path: Path) -> None:
    before = path.read_bytes()
    with closing(open_sqlite(path, migrations=(*MIGRATIONS, NEXT))) as store:
        assert (store.info().schema, store.info().runs) == (HEAD + 1, 1)
        identity = store.id
    assert ledger(path)[-1] == (HEAD + 1, "colours of runs")
    assert "colour" in columns(path)
    copy = path.with_name(f"chachaml.db.v{HEAD}.bak")
    assert {file.name for file in path.parent.iterdir()} == {path.name, copy.name}
    assert path.read_bytes() != before
    with closing(open_sqlite(copy)) as old:
        assert (old.id, old.info().schema, old.info().runs) == (identity, HEAD, 1)


def test_a_store_at_the_newest_schema_is_not_copied(path: Path) -> None:
    open_sqlite(path).close()
    assert list(path.parent.iterdir()) == [path]


def test_a_step_that_fails_changes_nothing(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            open_sqlite(path, migrations=(*MIGRATIONS, NEXT, BROKEN))
        assert [version for version, _ in ledger(path)] == [*range(1, HEAD + 2)]
        assert "colour" in columns(path)
        assert "half" not in columns(path)


def test_a_new_store_takes_all_steps_or_none(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with pytest.raises(StoreDamaged):
        open_sqlite(path, migrations=(*MIGRATIONS, BROKEN))
    with pytest.raises(StoreUnavailable, match="no store"):
        open_sqlite(path, create=False)
    with closing(open_sqlite(path, migrations=(*MIGRATIONS, NEXT))) as store:
        assert store.info().schema == HEAD + 1
    assert len(ledger(path)) == HEAD + 1


UPGRADE = """
import sys
from chachaml.store.schema import MIGRATIONS, Migration
from chachaml.store.sqlite import open_sqlite
step = Migration("counted", lambda db: db.execute("CREATE TABLE once (a); INSERT INTO once VALUES (1)"))
open_sqlite(sys.argv[1], migrations=(*MIGRATIONS, step)).close()
"""


def test_processes_that_upgrade_at_once_take_each_step_once(path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, str(path)], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    with closing(apsw.Connection(str(path))) as db:
        assert db.execute("SELECT count(*) FROM once").get == 1
    assert len(ledger(path)) == HEAD + 1
