"""A SQLite file that is a chachaml store: opening it safely, its connections, its errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from chachaml.core.errors import (
    ChachamlError,
    ForeignFile,
    SchemaTooNew,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
)
from chachaml.store.engine import Db, Sql, too_slow
from chachaml.store.schema import APPLICATION_ID, Migration, create, place, schema_version, upgrade

__all__ = ["SQLiteDatabase", "open_database"]

_T = TypeVar("_T")

PATIENCE = 5.0
"""Seconds to wait for a lock that another process holds."""

_DOCTOR = "chachaml doctor says what can still be read"

_IDLE = 4
"""Reading connections kept open for the next reader."""


class Connection(apsw.Connection):
    """A connection that knows the functions that searches use."""

    def copy(self, into: str, rows: Sequence[Sequence[Any]]) -> bool:  # noqa: ARG002 - as in `Db`
        """Return False: statements are the quickest way."""
        return False

    def number_on(self, table: str) -> None:
        """Do nothing: SQLite always numbers on from the highest there is."""

    def teach(self, patience: float) -> None:
        """Make ready for a search, whose patterns may take so many seconds together."""
        from chachaml.core.query import pattern_matches
        from chachaml.core.query.matching import number_in

        deadline = time.monotonic() + patience

        def matches(*arguments: Any) -> bool:
            if time.monotonic() > deadline:
                raise too_slow(patience)
            return pattern_matches(*arguments)

        def number(*arguments: Any) -> float | None:
            return number_in(*arguments)

        self.create_scalar_function("text_matches", matches, 3, deterministic=True)
        self.create_scalar_function("number_in", number, 1, deterministic=True)

    def matching(self, op: str, text: str, pattern: str, rows: Sql) -> Sql:  # noqa: ARG002 - as in `Db`
        """Return a test that a text meets a pattern."""
        return f"text_matches('{op}', {text}, ?)", [pattern]


class SQLiteDatabase:
    """One store's file: a connection that writes, under a lock, and a few that read.

    Readers never wait for the writer, nor it for them. Whatever goes wrong inside `reading` and
    `writing` comes out as a `StoreError`.

    Attributes:
        path: The file.
        readonly: Whether it can only be read.
    """

    def __init__(self, path: Path, writer: Connection, *, readonly: bool, immutable: bool) -> None:
        self.path, self.readonly = path, readonly
        self._writer, self._immutable = writer, immutable
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def writing(
        self,
        work: Callable[[Connection], _T],
        *,
        undone: Callable[[], None],
        again: bool,  # noqa: ARG002 - here it is always known whether a transaction counts
    ) -> _T:
        """Return what `work` does within one transaction, which holds the write lock from its start.

        Args:
            work: What to do.
            undone: Called, still under the lock, when nothing of the transaction stays: the work
                failed, or the commit after it did.
            again: As in `chachaml.store.engine.Database`.

        Raises:
            StoreUnavailable: Read-only, closed, locked for too long, or the disk is full.
            StoreDamaged: The file is corrupted.
        """
        if self.readonly:
            raise StoreUnavailable(
                f"{self.path} can only be read", "check the permissions of it and its folder"
            )
        with self._lock, translated(self.path):
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                done = work(db)
                db.execute("COMMIT")
            except BaseException:
                undone()
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return done

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Within it, all queries see the store as it was at the first one.

        Raises:
            StoreUnavailable: Closed.
            StoreDamaged: The file is corrupted.
        """
        with translated(self.path):
            db = self._take()
            try:
                db.execute("BEGIN")
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                self._give(db)

    @contextmanager
    def apart(self, prepare: Callable[[Connection], None]) -> Iterator[Connection]:
        """Within it, there is a connection that reads, prepared for one use and closed after it."""
        with translated(self.path):
            if self._closed:
                raise StoreUnavailable(f"the store {self.path} was closed", "open it again")
            db = self._connect_reader()
            try:
                prepare(db)
                yield db
            finally:
                db.close()

    def now(self, db: Db) -> int:  # noqa: ARG002 - as in `chachaml.store.engine.Database`
        """Return the time, in microseconds, by this machine's clock."""
        return time.time_ns() // 1000

    def sync(self) -> None:
        """Return once everything committed so far, by any process, survives a power failure."""
        with self._lock, translated(self.path):
            db = self._writable()
            # The log of changes is one file: syncing it for this commit syncs all those before.
            db.execute("PRAGMA synchronous = FULL")
            try:
                db.execute("UPDATE store SET synced = ?", (time.time_ns() // 1000,))
            finally:
                db.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close all connections; those in use close when they are given back."""
        with self._lock, translated(self.path):
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    def _writable(self) -> Connection:
        if self.readonly:
            raise StoreUnavailable(f"{self.path} can only be read", "check its permissions, and its folder's")
        return self._writer

    def _take(self) -> Connection:
        if self._closed:
            raise StoreUnavailable(f"the store {self.path} was closed", "open it again")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect_reader()

    def _connect_reader(self) -> Connection:
        if self.readonly:
            return _connect_readonly(self.path, immutable=self._immutable)
        return _connect(str(self.path), apsw.SQLITE_OPEN_READWRITE)

    def _give(self, db: Connection) -> None:
        if self._closed or len(self._idle) >= _IDLE:
            db.close()
        else:
            self._idle.append(db)


def open_database(path: Path, migrations: Sequence[Migration], *, make: bool) -> SQLiteDatabase:
    """Open the store at `path`, bringing its schema up to date.

    Args:
        path: The file.
        migrations: All there are.
        make: Make the store if the file is missing or empty.

    Raises:
        ForeignFile: Not a chachaml store; left untouched.
        SchemaTooNew: Written by a newer chachaml; left untouched.
        StoreDamaged: Corrupted.
        StoreUnavailable: Missing, or it cannot be opened just now.
    """
    with translated(path):
        exists = _check_header(path, len(migrations))
        if not exists and not make:
            raise StoreUnavailable(
                f"there is no store at {path}", "log a run first, or name another: chachaml.connect(path)"
            )
        if not path.parent.is_dir():
            raise StoreUnavailable(f"there is no folder {path.parent}", "make it, or name another store")
        if make and not path.exists():
            place(path, migrations)
        try:
            return SQLiteDatabase(path, _open(path, migrations, make=make), readonly=False, immutable=False)
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError):
            if not exists:
                raise
            return _open_readonly(path, len(migrations))


def _open(path: Path, migrations: Sequence[Migration], *, make: bool) -> Connection:
    db = _connect(str(path), apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if make else 0))
    try:
        if db.readonly("main"):
            raise apsw.ReadOnlyError
        _prepare(db, path, migrations, make=make)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: Connection, path: Path, migrations: Sequence[Migration], *, make: bool) -> None:
    # Until it is known to be ours and not too new, closing the connection must not touch the file.
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    found = _patiently(lambda: schema_version(db))
    if found > len(migrations):
        raise _too_new(path, found, len(migrations))
    if found == 0:
        if not make:
            raise StoreUnavailable(f"the store at {path} is still empty", "log a run first")
        create(db, migrations)
    # Not before: readers of a new file's header must find it ours or empty.
    if _patiently(lambda: db.execute("PRAGMA journal_mode").get) != "wal":
        _patiently(lambda: db.execute("PRAGMA journal_mode = WAL").get)
    upgrade(db, path, migrations)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA cache_size = -16000")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def _open_readonly(path: Path, newest: int) -> SQLiteDatabase:
    log = path.with_name(path.name + "-wal")
    # Without write permission SQLite cannot share a store with a writer; nobody writes if there is no log.
    immutable = not (log.exists() and log.stat().st_size)
    db = _connect_readonly(path, immutable=immutable)
    if (found := schema_version(db)) != newest:
        db.close()
        if found > newest:
            raise _too_new(path, found, newest)
        raise StoreUnavailable(
            f"{path} has the schema {found}, this chachaml reads {newest}, and the file cannot be written",
            "open it once where it can be written, or copy it",
        )
    return SQLiteDatabase(path, db, readonly=True, immutable=immutable)


def _check_header(path: Path, newest: int) -> bool:
    """Return whether the file exists and has content; raise if it is not ours.

    Through SQLite, and as immutable: reading the file with `open` would drop the locks that other
    connections of this process hold, and a shared connection would leave files beside a foreign one.
    """
    try:
        if path.stat().st_size == 0:
            return False
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error.strerror}") from None
    if path.is_dir():
        raise StoreUnavailable(
            f"{path} is a folder", "name a file in it: chachaml.connect('folder/chachaml.db')"
        )
    try:
        db = _connect_readonly(path, immutable=True)
        # What is missing here may stand in the log: a process may have died while it moved pages from there.
        db.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
        try:
            owner, found = db.execute("PRAGMA application_id").get, schema_version(db)
        finally:
            db.close()
    except apsw.NotADBError:
        raise _foreign(path, "it is no SQLite database") from None
    if owner != APPLICATION_ID:
        raise _foreign(path, "it is the SQLite database of another program")
    if found > newest:
        raise _too_new(path, found, newest)
    return True


def _connect(name: str, flags: int) -> Connection:
    db = Connection(name, flags=flags)
    db.set_busy_timeout(int(PATIENCE * 1000))
    db.execute("PRAGMA fullfsync = ON")  # for macOS alone, as in `chachaml.core.syncing`
    # A file from somebody else must not run code of its own.
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    return db


def _connect_readonly(path: Path, *, immutable: bool) -> Connection:
    uri = path.absolute().as_uri() + ("?immutable=1" if immutable else "")
    return _connect(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _patiently(act: Callable[[], _T]) -> _T:
    """Do what SQLite does not always wait for by itself."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


# errors -------------------------------------------------------------------------------------------


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Within it, whatever goes wrong with the file comes out as a `StoreError`."""
    try:
        yield
    except apsw.Error as error:
        raise _as_store_error(path, error) from error
    except ChachamlError:
        raise
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be used just now: {error.strerror}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise StoreDamaged(f"{path} is not as chachaml left it: {error!r}", _DOCTOR) from error


def _as_store_error(path: Path, error: apsw.Error) -> StoreError:
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreUnavailable(
                f"{path} is locked by another process, for more than {PATIENCE:g} seconds",
                "try again; if it stays so, see which process holds it",
            )
        case apsw.CorruptError() | apsw.NotADBError():
            return _damaged(path, str(error))
        case apsw.FullError():
            return StoreUnavailable(
                f"there is no room on the disk of {path}", "free some, then: chachaml sync"
            )
        case apsw.ConnectionClosedError():
            return StoreUnavailable(f"the store {path} was closed", "open it again")
        case apsw.SQLError() | apsw.MismatchError() | apsw.ConstraintError():
            return StoreDamaged(f"{path} is not as chachaml left it: {error}", _DOCTOR)
        case _:
            return StoreUnavailable(f"{path} cannot be used just now: {error}")


def _damaged(path: Path, why: str) -> StoreDamaged:
    return StoreDamaged(f"{path} is damaged: {why}", _DOCTOR)


def _foreign(path: Path, why: str) -> ForeignFile:
    return ForeignFile(f"{path} is not a chachaml store: {why}", "name another file: chachaml.connect(path)")


def _too_new(path: Path, found: int, newest: int) -> SchemaTooNew:
    return SchemaTooNew(
        f"{path} has the schema {found}, this chachaml knows {newest} at most",
        "upgrade it: pip install --upgrade chachaml",
    )
