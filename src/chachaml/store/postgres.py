"""The store in a Postgres database, for teams: `open_postgres`. Needs the extra ``postgres``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chachaml.core.addresses import Address, address_of
from chachaml.core.errors import MissingExtra, StoreError
from chachaml.core.model import StoreInfo
from chachaml.store.relational import RelationalStore
from chachaml.store.schema import MIGRATIONS, Migration

try:
    from chachaml.store import postgres_schema
    from chachaml.store.postgres_database import PostgresDatabase
except ImportError as missing:
    raise MissingExtra(f"Postgres needs psycopg: {missing}", "pip install 'chachaml[postgres]'") from missing

__all__ = ["PostgresStore", "open_postgres", "upgrade_postgres"]


def open_postgres(
    address: str | Address, *, create: bool = True, migrations: Sequence[Migration] = MIGRATIONS
) -> PostgresStore:
    """Open the store in a schema of a database.

    Args:
        address: Such as ``postgresql://user@host:5432/database?schema=team_a``. The schema is
            ``chachaml`` unless it says otherwise.
        create: Make the store if there is none.
        migrations: The schema's history.

    Raises:
        ForeignFile: The schema holds tables of something else.
        SchemaTooOld: Written by an older chachaml: ``chachaml upgrade`` brings it up to date.
        SchemaTooNew: Written by a newer chachaml.
        StoreUnavailable: Not to be reached, or there is no store.
        MissingExtra: psycopg is not installed.
    """
    if isinstance(address, str):
        address = address_of(address)
    store = postgres_schema.prepare(address, migrations, make=create)
    return PostgresStore(PostgresDatabase(address), store)


def upgrade_postgres(address: str, *, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Bring a store to the newest schema, or make it; return the names of the steps, none if all is done.

    Raises:
        StoreError: As `open_postgres`.
    """
    return postgres_schema.upgrade(address_of(address), migrations)


class PostgresStore(RelationalStore):
    """Keeps runs in a Postgres database; see `chachaml.store.protocol` for what it promises.

    Attributes:
        id: The store's id.
    """

    _database: PostgresDatabase

    def __init__(self, database: PostgresDatabase, store: str) -> None:
        super().__init__(database, store)

    def __repr__(self) -> str:
        return f"<chachaml Postgres store {self._database.address.public!r}>"

    def sql(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] = (), *, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return columns and rows of one SELECT over the views of `chachaml.store.sql`.

        It is SQLite's SQL here too: what the views show is copied into memory for it.

        Raises:
            BadValue: Not a single SELECT that SQLite understands, or one that takes too long.
        """
        from chachaml.store import sql_apart

        with self._database.reading() as db:
            copy = sql_apart.copied(db, query)
        return sql_apart.select(copy, query, values, most)

    def wait(self, timeout: float) -> None:
        """Return once something was written, or after so many seconds; now and then for nothing."""
        self._database.wait(timeout)

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        with self._database.reading() as db:
            counts, version = self._counts(db), db.execute("SELECT max(version) FROM migrations").get
        return StoreInfo(self.id, "postgres", self._database.address.public, version, *counts)

    def check(self) -> list[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        from chachaml.store.checking import problems

        try:
            with self._database.reading() as db:
                return problems(db)
        except StoreError as error:
            return [error.message]
