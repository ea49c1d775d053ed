# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound
"""A schema of a Postgres database that is a chachaml store: its connections, transactions, errors.

Nothing is set for a session, all is set within transactions, so that poolers may stand between.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from zlib import crc32

import msgspec
import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.adapt import Loader
from psycopg.types.numeric import NumericBinaryLoader

from chachaml.core.addresses import Address, shown
from chachaml.core.errors import ChachamlError, StoreDamaged, StoreError, StoreUnavailable
from chachaml.core.query import pattern_matches
from chachaml.store.dialect import statement
from chachaml.store.engine import Db, Sql, too_slow

__all__ = ["PostgresDatabase", "Session", "connect", "lock_of", "translated"]

_T = TypeVar("_T")
_Raw = psycopg.Connection[tuple[Any, ...]]

PATIENCE = 5.0
"""Seconds to wait for the database, or for whoever writes just now."""

_MOST_CONNECTIONS = 10
_IDLE = 120.0
"""Seconds after which a connection that nobody needs is closed."""

_LONGEST = 60
"""Seconds that one query may take."""

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

_STUCK = 15
"""Seconds that a writer may be silent within a transaction: all others wait for it."""

_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_BUSY = (errors.LockNotAvailable, errors.QueryCanceled)


class Rows(psycopg.RawCursor[tuple[Any, ...]]):
    """What a statement found."""

    @property
    def get(self) -> Any:
        """The one value that was asked for; None if there is no row."""
        row = self.fetchone()
        return None if row is None else row[0]


class Session(Db):
    """A connection within a transaction.

    Args:
        raw: The connection.
        now: The database's time, in microseconds, when the transaction began to write.
        types: The types of tables' columns, as far as they are known.
    """

    def __init__(self, raw: _Raw, now: int = 0, types: dict[str, list[int]] | None = None) -> None:
        self.raw, self.now = raw, now
        self._types = {} if types is None else types
        self._deadline = self._patience = 0.0

    def execute(self, text: str, values: Sequence[Any] | Mapping[str, Any] = (), /) -> Rows:
        """Run one statement."""
        found = statement(text)
        return Rows(self.raw).execute(found.text, found.bound(values), binary=True)

    def executemany(self, text: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of many rows, without waiting for one before the next."""
        found = statement(text)
        if bound := [found.bound(row) for row in rows]:
            Rows(self.raw).executemany(found.text, bound)

    def copy(self, into: str, rows: Sequence[Sequence[Any]]) -> bool:
        """Add rows by COPY, in binary: three to six times as fast as INSERT, from some eight rows on."""
        types = self._types_of(into)
        with Rows(self.raw).copy(f"COPY {into} FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row([None if value != value else value for value in row])  # as in `bound`
        return True

    def number_on(self, table: str) -> None:
        """Let the numbers of new rows follow those that rows were given by hand."""
        place = f"pg_get_serial_sequence('{table}', 'no')"
        self.execute(f"SELECT setval({place}, max(no)) FROM {table} HAVING max(no) IS NOT NULL")

    def _types_of(self, into: str) -> list[int]:
        """Return the types of a table's columns: binary values do not say what they are."""
        if into not in self._types:
            table, _, columns = into.partition(" ")
            found = Rows(self.raw).execute(
                f"SELECT {columns.strip('()') or '*'} FROM {table} LIMIT 0".encode()
            )
            self._types[into] = [column.type_code for column in found.description or ()]
        return self._types[into]

    def teach(self, patience: float) -> None:
        """Make ready for a search, whose patterns may take so many seconds together."""
        self._patience, self._deadline = patience, time.monotonic() + patience

    def matching(self, op: str, text: str, pattern: str, rows: Sql) -> Sql:
        """Return a test that a text meets a pattern, which texts do so being found out beforehand.

        Patterns are Python's, in all stores the same; those of Postgres differ.
        """
        if op == "like":
            return f"{text} LIKE ? ESCAPE ''", [pattern]
        source, values = rows
        fitting = []
        for (one,) in self.execute(f"SELECT DISTINCT {text} {source}", values):
            if time.monotonic() > self._deadline:
                raise too_slow(self._patience)
            if one is not None and pattern_matches(op, one, pattern):
                fitting.append(one)
        return f"{text} IN (SELECT value FROM json_each(?))", [msgspec.json.encode(fitting).decode()]


class _NumberLoader(Loader):
    """Reads what Postgres adds up of whole numbers as what it is."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text or "e" in text or "N" in text else int(text)


class _BinaryNumberLoader(NumericBinaryLoader):
    """The same of what comes in binary: a sum of many whole numbers is one, too."""

    def load(self, data: Any) -> Any:
        found = super().load(data)
        return int(found) if found.as_tuple().exponent == 0 else float(found)


def connect(address: Address, timeout: float = PATIENCE) -> _Raw:
    """Return a connection of one's own, in which each statement counts at once.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    with translated(address.public):
        return psycopg.Connection[tuple[Any, ...]].connect(**_given(address, timeout))


def _given(address: Address, timeout: float) -> dict[str, Any]:
    about = {"application_name": "chachaml", "connect_timeout": str(max(2, round(timeout)))}
    return {**about, **address.options, **address.secrets, "autocommit": True}


def lock_of(schema: str) -> int:
    """Return the number of the advisory lock under which a store is written, and upgraded."""
    return 0x63686D6C << 32 | crc32(schema.encode())


class PostgresDatabase:
    """One store's schema: connections to be had, one transaction at a time that writes.

    Whatever goes wrong inside `reading` and `writing` comes out as a `StoreError`.

    Attributes:
        address: The database and the schema.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._path = f'SET LOCAL search_path = "{address.schema}"'
        self._channel = f"chachaml_{crc32(address.schema.encode()):08x}"
        self._types: dict[str, list[int]] = {}
        self._listening = threading.Lock()
        self._listener: _Raw | None = None
        self._pool = psycopg_pool.ConnectionPool[_Raw](
            kwargs=_given(address, PATIENCE),
            min_size=0,
            max_size=_MOST_CONNECTIONS,
            max_idle=_IDLE,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,
            num_workers=1,
            configure=_configure,
            open=False,
        )
        self._pool.open()

    def writing(self, work: Callable[[Db], _T], *, undone: Callable[[], None], again: bool) -> _T:
        """Return what `work` does within one transaction that has the store to itself.

        It is done again when the database refused it for reasons of its own, or went away.

        Raises:
            StoreUnavailable: Not to be reached, not to be written, or somebody else writes for too long.
            StoreDamaged: The tables are not as they should be.
        """
        deadline = time.monotonic() + PATIENCE
        with translated(self.address.public):
            while True:
                raw, committing = self._pool.getconn(), False
                try:
                    done = work(self._begin(raw))
                    committing = True
                    raw.execute(f"NOTIFY {self._channel}; COMMIT")
                    return done
                except BaseException as error:
                    undone()
                    unsure = committing and not isinstance(error, _CONFLICTS)
                    if not _is_passing(error) or (unsure and not again) or time.monotonic() > deadline:
                        raise
                finally:
                    self._give(raw)
                time.sleep(random.uniform(0.01, 0.1))

    def _begin(self, raw: _Raw) -> Session:
        found = raw.execute(
            f"BEGIN; {self._path}; SET LOCAL lock_timeout = {int(PATIENCE * 1000)}; "
            f"SET LOCAL idle_in_transaction_session_timeout = '{_STUCK}s'; "
            f"SELECT pg_advisory_xact_lock({lock_of(self.address.schema)}); "
            f"{_NOW}"
        )
        while found.nextset():
            pass
        row = found.fetchone()
        return Session(raw, row[0] if row else 0, self._types)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Within it, all queries see the store as it was at the first one.

        Raises:
            StoreUnavailable: Not to be reached.
            StoreDamaged: The tables are not as they should be.
        """
        with translated(self.address.public):
            raw = self._begin_reading()
            try:
                yield Session(raw)
            finally:
                self._give(raw)

    def _begin_reading(self) -> _Raw:
        """Return a connection that reads; one that was cut while it was idle makes room for the next."""
        tries = _MOST_CONNECTIONS
        while True:
            raw = self._pool.getconn()
            try:
                raw.execute(
                    f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._path}; "
                    f"SET LOCAL statement_timeout = '{_LONGEST}s'"
                )
                return raw
            except BaseException as error:
                self._give(raw)
                if not isinstance(error, _AWAY) or not tries:
                    raise
            tries -= 1

    def _give(self, raw: _Raw) -> None:
        """Give a connection back, out of any transaction."""
        with suppress(psycopg.Error):
            if raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                raw.execute("ROLLBACK")
        self._pool.putconn(raw)

    def now(self, db: Db) -> int:
        """Return the time, in microseconds, by the database's clock."""
        return db.now if isinstance(db, Session) and db.now else int(db.execute(_NOW).get)

    def sync(self) -> None:
        """Return once everything committed so far, by anybody, survives a power failure."""

        def mark(db: Db) -> None:
            db.execute("SET LOCAL synchronous_commit = on")
            db.execute("UPDATE store SET synced = ?", (self.now(db),))

        self.writing(mark, undone=lambda: None, again=True)

    def wait(self, timeout: float) -> None:
        """Return once something was written, or after so many seconds; now and then for nothing."""
        with self._listening:
            try:
                if self._listener is None:
                    self._listener = connect(self.address)
                    self._listener.execute(f"LISTEN {self._channel}")
                    return  # what was written before nobody told of
                for _ in self._listener.notifies(timeout=timeout, stop_after=1):
                    return
            except (psycopg.Error, StoreError):
                self._drop_listener()
                time.sleep(min(timeout, 0.2))

    def _drop_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def close(self) -> None:
        """Close all connections; those in use close when they are given back."""
        self._pool.close()
        with self._listening:
            self._drop_listener()


def _configure(raw: _Raw) -> None:
    raw.adapters.register_loader("numeric", _NumberLoader)
    raw.adapters.register_loader("numeric", _BinaryNumberLoader)


def _is_passing(error: BaseException) -> bool:
    """Tell whether another try may do: the database gave up for a conflict, or went away."""
    return isinstance(error, (*_CONFLICTS, *_AWAY)) and not isinstance(error, _BUSY)


# errors -------------------------------------------------------------------------------------------


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Within it, whatever goes wrong with the database comes out as a `StoreError`."""
    try:
        yield
    except psycopg.Error as error:
        raise _as_store_error(place, error) from None
    except ChachamlError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise StoreDamaged(f"{place} is not as chachaml left it: {error!r}", _DOCTOR) from error


_DOCTOR = "chachaml doctor says what can still be read"


def _as_store_error(place: str, error: Exception) -> StoreError:
    why = shown(str(error).strip().partition("\n")[0])
    match error:
        case psycopg_pool.PoolClosed():
            return StoreUnavailable(f"the store {place} was closed", "open it again")
        case psycopg_pool.PoolTimeout():
            return StoreUnavailable(
                f"the database {place} cannot be reached, or all its connections are in use"
            )
        case errors.QueryCanceled():
            return StoreUnavailable(f"{place} was asked for what takes too long: {why}", "ask for less")
        case errors.LockNotAvailable():
            return StoreUnavailable(
                f"{place} is being written by somebody else, for more than {PATIENCE:g} seconds", "try again"
            )
        case errors.InsufficientPrivilege():
            return StoreUnavailable(
                f"{place} does not let this user do that: {why}",
                "docs/guide/postgres.md says which rights are needed",
            )
        case errors.InvalidPassword() | errors.InvalidAuthorizationSpecification():
            return StoreUnavailable(f"{place} does not let this user in: {why}", _PASSWORD)
        case psycopg.OperationalError() if "password" in why or "authentication" in why:
            return StoreUnavailable(f"{place} does not let this user in: {why}", _PASSWORD)
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return StoreUnavailable(f"the database {place} cannot be used just now: {why}")
        case errors.ReadOnlySqlTransaction():
            return StoreUnavailable(
                f"{place} can only be read: it is a replica, perhaps", "?target_session_attrs=read-write"
            )
        case psycopg.ProgrammingError() | psycopg.DataError() | psycopg.IntegrityError():
            return StoreDamaged(f"{place} is not as chachaml left it: {why}", _DOCTOR)
        case _:
            return StoreUnavailable(f"the database {place} cannot be used just now: {why}")


_PASSWORD = "the password comes from the address, PGPASSWORD, or ~/.pgpass"  # noqa: S105
