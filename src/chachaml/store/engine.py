"""What the statements of this package need of a database, and whoever runs them of its transactions.

Statements are written once, as SQLite reads them. `chachaml.store.dialect` says how Postgres reads the
few spellings in which the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from chachaml.core.errors import BadValue

__all__ = ["Database", "Db", "Rows", "Sql", "too_slow"]

_T = TypeVar("_T")

Sql = tuple[str, list[Any]]
"""A piece of SQL and what is bound in it."""


def too_slow(patience: float) -> BadValue:
    """Return the error of a search whose patterns took longer than they may."""
    return BadValue(f"the search took longer than {patience:.0f} seconds", "use a narrower filter")


class Rows(Protocol):
    """What a statement found."""

    @property
    def get(self) -> Any:
        """The one value that was asked for; None if there is no row."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None if there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""
        ...

    def __next__(self) -> Any:
        """Return the next row."""
        ...


class Db(Protocol):
    """A connection within a transaction."""

    def execute(self, text: str, values: Sequence[Any] | Mapping[str, Any] = (), /) -> Rows:
        """Run one statement."""
        ...

    def executemany(self, text: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each of many rows."""
        ...

    def copy(self, into: str, rows: Sequence[Sequence[Any]]) -> bool:
        """Add many rows to a table by a quicker way than statements; return False where there is none.

        Args:
            into: The table, with the columns in parentheses if not all are given.
            rows: The rows.
        """
        ...

    def number_on(self, table: str) -> None:
        """Let the numbers of new rows follow those that rows were given by hand."""
        ...

    def teach(self, patience: float) -> None:
        """Make ready for a search, whose patterns may take so many seconds together."""
        ...

    def matching(self, op: str, text: str, pattern: str, rows: Sql) -> Sql:
        """Return a test that a text meets a pattern; see `chachaml.core.query.pattern_matches`.

        Args:
            op: "like", "ilike" or "~".
            text: The text as SQL.
            pattern: The pattern.
            rows: From where all texts are that may be asked about: "FROM ...", and what is bound in it.
        """
        ...


class Database(Protocol):
    """A store's database: one transaction at a time writes, any number read."""

    def writing(self, work: Callable[[Db], _T], *, undone: Callable[[], None], again: bool) -> _T:
        """Return what `work` does within one transaction that has the store to itself.

        Args:
            work: What to do.
            undone: Called when nothing of the transaction stays.
            again: Whether `work` may be done once more when it is not known whether the first time counts.
        """
        ...

    def reading(self) -> AbstractContextManager[Db]:
        """Within it, all queries see the store as it was at the first one."""
        ...

    def now(self, db: Db) -> int:
        """Return the time, in microseconds, by the clock that all who write go by."""
        ...

    def sync(self) -> None:
        """Return once everything committed so far survives a power failure."""
        ...

    def close(self) -> None:
        """Let go of everything; closing twice is fine."""
        ...
