"""The schema in Postgres: made from the same migrations as in SQLite, one process at a time."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from chachaml.core.addresses import Address
from chachaml.core.errors import ForeignFile, SchemaTooNew, SchemaTooOld, StoreUnavailable
from chachaml.core.ids import is_id
from chachaml.store.dialect import definitions
from chachaml.store.postgres_database import Rows, Session, connect, lock_of, translated
from chachaml.store.schema import Migration

__all__ = ["prepare", "upgrade"]

_OLDEST = 140000

_FUNCTIONS = r"""
CREATE OR REPLACE FUNCTION number_in(value text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF value !~ '^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$' OR value ~ '\n' THEN
        RETURN NULL;
    END IF;
    RETURN value::double precision;
EXCEPTION WHEN numeric_value_out_of_range THEN
    IF value ~ '[eE]-' THEN
        RETURN 0;
    END IF;
    RETURN CASE WHEN value LIKE '-%' THEN '-Infinity' ELSE 'Infinity' END;
END $$;
"""

_STORAGE = """
ALTER TABLE chunks ALTER COLUMN sketch SET STORAGE EXTERNAL;
ALTER TABLE chunks ALTER COLUMN data SET STORAGE EXTERNAL;
"""
"""What is packed already gains nothing by being packed again."""

_INDEXES = """
CREATE INDEX IF NOT EXISTS series_by_last ON series (key, last, started, run);
CREATE INDEX IF NOT EXISTS series_by_min ON series (key, min, started, run);
CREATE INDEX IF NOT EXISTS series_by_max ON series (key, max, started, run);
"""
"""The best runs of all, and the rare ones: SQLite reads all values of a key as quickly."""


class _Definer(Session):
    """Runs migrations: their definitions in Postgres's words, all else as it is."""

    def execute(self, text: str, values: Any = (), /) -> Rows:
        if values:
            return super().execute(text, values)
        return Rows(self.raw).execute(definitions(text).encode())


def prepare(address: Address, migrations: Sequence[Migration], *, make: bool) -> str:
    """See to it that there is a store of the newest schema, and return its id.

    Args:
        address: The database and the schema.
        migrations: All there are.
        make: Make the store if there is none.

    Raises:
        ForeignFile: The schema holds tables of something else.
        SchemaTooOld: Written by an older chachaml; it is not upgraded by itself, for others use it.
        SchemaTooNew: Written by a newer chachaml.
        StoreUnavailable: Not to be reached, or there is no store and none is to be made.
    """
    with _opened(address) as raw:
        found = _version_of(raw, address, len(migrations))
        if not found and not make:
            raise StoreUnavailable(
                f"there is no store in {address.public}",
                "log a run first, or name another: chachaml.connect(...)",
            )
        if not found:
            _take_steps(raw, address, migrations, new=True)
            found = _version_of(raw, address, len(migrations))
        if found < len(migrations):
            raise SchemaTooOld(
                f"{address.public} has the schema {found}, this chachaml needs {len(migrations)}",
                f"when everybody's chachaml may be upgraded: chachaml upgrade {address.public}",
            )
        store = raw.execute(f'SELECT id FROM "{address.schema}".store').fetchone()
    if store is None or not is_id(store[0]):
        raise StoreUnavailable(f"{address.public} is damaged: its id is {store and store[0]!r}")
    return str(store[0])


def upgrade(address: Address, migrations: Sequence[Migration]) -> list[str]:
    """Bring a store to the newest schema, or make it, in one transaction; return the names of the steps.

    Raises:
        StoreError: As `prepare`, but for one that is too old.
    """
    with _opened(address) as raw:
        return _take_steps(raw, address, migrations, new=False)


@contextmanager
def _opened(address: Address) -> Iterator[psycopg.Connection[Any]]:
    with translated(address.public), connect(address) as raw:
        if raw.info.server_version < _OLDEST:
            raise StoreUnavailable(
                f"{address.public} is Postgres {raw.info.server_version // 10000}", "14 or newer is needed"
            )
        if raw.info.parameter_status("server_encoding") != "UTF8":
            raise StoreUnavailable(
                f"{address.public} does not keep texts as UTF-8", "CREATE DATABASE ... ENCODING 'UTF8'"
            )
        yield raw


def _version_of(raw: psycopg.Connection[Any], address: Address, newest: int) -> int:
    """Return the number of the last migration that was run; 0 where there is no store.

    Raises:
        ForeignFile: The schema holds tables of something else.
        SchemaTooNew: It was written by a newer chachaml.
    """
    query = """SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm')"""
    tables = {name for (name,) in raw.execute(query, (address.schema,))}
    if not tables:
        return 0
    if not {"store", "journals", "migrations"} <= tables:
        raise ForeignFile(
            f"the schema {address.schema} of {address.public} holds tables of something else",
            "name another: ?schema=...",
        )
    row = raw.execute(f'SELECT max(version) FROM "{address.schema}".migrations').fetchone()
    found = int(row[0] or 0) if row else 0
    if found > newest:
        raise SchemaTooNew(
            f"{address.public} has the schema {found}, this chachaml knows {newest} at most",
            "upgrade it: pip install --upgrade chachaml",
        )
    return found


def _take_steps(
    raw: psycopg.Connection[Any], address: Address, migrations: Sequence[Migration], *, new: bool
) -> list[str]:
    """Run the migrations that are missing, under a lock that lets one process do so at a time."""
    names = []
    with raw.transaction():
        raw.execute(f"SELECT pg_advisory_xact_lock({lock_of(address.schema)})")
        done = _version_of(raw, address, len(migrations))
        if new and done:
            return []  # another process was quicker
        if not done:
            _make_schema(raw, address.schema)
        raw.execute(f'SET LOCAL search_path = "{address.schema}"')
        raw.execute(_FUNCTIONS)
        session = _Definer(raw)
        for number, migration in enumerate(migrations[done:], done + 1):
            migration.run(session)  # type: ignore[arg-type]
            version: str = sys.modules["chachaml"].__version__
            ledger = (number, migration.name, time.time_ns() // 1000, version)
            session.execute("INSERT INTO migrations VALUES (?, ?, ?, ?)", ledger)
            names.append(migration.name)
        raw.execute(_STORAGE)
        raw.execute(_INDEXES)
    return names


def _make_schema(raw: psycopg.Connection[Any], schema: str) -> None:
    # Asked first: whoever may not make schemas may not say IF NOT EXISTS of one that is there either.
    if raw.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        raw.execute(f'CREATE SCHEMA "{schema}"')
