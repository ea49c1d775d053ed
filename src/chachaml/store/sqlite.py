"""The store in one SQLite file: `open_sqlite`.

Written through apsw, whose wheels carry a current SQLite. The file is in WAL mode: readers never
wait for the writer. docs/reference/schema.md describes the tables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chachaml.core.errors import StoreDamaged, StoreError
from chachaml.core.ids import is_id
from chachaml.core.model import StoreInfo
from chachaml.store.database import SQLiteDatabase, open_database, translated
from chachaml.store.relational import RelationalStore
from chachaml.store.schema import MIGRATIONS, Migration, copy_file, schema_version

__all__ = ["SQLiteStore", "open_sqlite"]


def open_sqlite(
    path: str | os.PathLike[str], *, create: bool = True, migrations: Sequence[Migration] = MIGRATIONS
) -> SQLiteStore:
    """Open the store in the file at `path`, bringing its schema up to date.

    A file of an older schema is copied to ``<name>.v<version>.bak`` first. One that cannot be
    written, or whose folder cannot, is opened for reading.

    Args:
        path: The file.
        create: Make the store if there is none.
        migrations: The schema's history.

    Raises:
        ForeignFile: Not a chachaml store; left untouched.
        SchemaTooNew: Written by a newer chachaml; left untouched.
        StoreDamaged: Corrupted.
        StoreUnavailable: Missing, or it cannot be opened just now.
    """
    return SQLiteStore(open_database(Path(path).absolute(), migrations, make=create))


class SQLiteStore(RelationalStore):
    """Keeps runs in a SQLite file; see `chachaml.store.protocol` for what it promises.

    Attributes:
        id: The store's id.
    """

    _database: SQLiteDatabase

    def __init__(self, database: SQLiteDatabase) -> None:
        with database.reading() as db:
            store: str = db.execute("SELECT id FROM store").get
        if not (isinstance(store, str) and is_id(store)):  # journals will be known by it
            database.close()
            raise StoreDamaged(f"{database.path} is damaged: its id is {store!r}")
        super().__init__(database, store)

    def __repr__(self) -> str:
        return f"<chachaml SQLite store {str(self._database.path)!r}>"

    def sql(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] = (), *, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return columns and rows of one SELECT over the views of `chachaml.store.sql`.

        Raises:
            BadValue: Not a single SELECT that SQLite understands, or one that takes too long.
        """
        from chachaml.store import sql

        with self._database.apart(sql.prepare) as db:
            return sql.select(db, query, values, most)

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        with self._database.reading() as db:
            counts, version = self._counts(db), schema_version(db)
        return StoreInfo(self.id, "sqlite", str(self._database.path), version, *counts)

    def copy_to(self, path: Path) -> None:
        """Copy the store as it is now to a file, replacing one that is there; others may go on writing.

        Raises:
            StoreUnavailable: There is no room, or no permission.
            StoreDamaged: The store's file is corrupted.
        """
        with translated(path):
            copy_file(self._database.path, path)

    def check(self) -> list[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        from chachaml.store.checking import problems

        try:
            with self._database.reading() as db:
                found = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
                return found or problems(db)
        except StoreError as error:
            return [error.message]
