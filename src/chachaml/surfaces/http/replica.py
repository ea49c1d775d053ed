"""A replica of the database, which pages are read from: how far behind it is, and whether it will do."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from chachaml.core.addresses import is_postgres
from chachaml.core.errors import BadValue, ChachamlError
from chachaml.store.protocol import Store
from chachaml.surfaces.http import logs

if TYPE_CHECKING:
    from chachaml.store.postgres import PostgresStore

__all__ = ["WROTE_FOR", "Replica"]

_EVERY = 0.5
"""Seconds between two looks at how far behind it is."""

_MOST = 5.0
"""Seconds that it may be behind and still be read."""

WROTE_FOR = 10
"""Seconds for which a browser that changed something reads what it wrote: longer than a replica may lag."""


class _Look(NamedTuple):
    """How a replica was found."""

    lag: float | None
    """Seconds that it was behind, None if it could not be told."""
    at: float


class Replica:
    """A replica of a server's database.

    Args:
        address: Of the replica; the password may be where that of the database is.
        primary: The store that it is a replica of.

    Raises:
        BadValue: It is no address of a database.
    """

    def __init__(self, address: str, primary: Store) -> None:
        if not is_postgres(address):
            raise BadValue(
                "read_store is no address of a Postgres database", "postgresql://user@replica/database"
            )
        self._address, self._primary = address, primary
        self._store: PostgresStore | None = None
        self._look = _Look(None, 0.0)
        self.trouble = ""
        """Why it is not read, '' if it is."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="chachaml-replica", daemon=True)
        self._thread.start()

    @property
    def lag(self) -> float | None:
        """How many seconds it is behind at most, None if that is not known."""
        lag, at = self._look
        return None if lag is None else lag + time.monotonic() - at

    def fresh(self) -> Store | None:
        """Return the replica's store if it is near enough, None otherwise."""
        lag = self.lag
        return self._store if lag is not None and lag <= _MOST else None

    def doubt(self) -> None:
        """Hear that it did not answer: it is not read before it was looked at again."""
        self._look = _Look(None, 0.0)

    def close(self) -> None:
        """Let go of it."""
        self._stopping.set()
        self._thread.join(10)
        if self._store is not None:
            self._store.close()

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._look = _Look(self._behind(), began)
                self.trouble = ""
            except ChachamlError as error:
                if not self.trouble:
                    logs.trouble(f"the replica is not read: {error.message}")
                self._look, self.trouble = _Look(None, began), error.message
            if self._stopping.wait(_EVERY):
                return

    def _behind(self) -> float:
        """Return how old the first thing is that the database has, and the replica has not.

        Raises:
            ChachamlError: It cannot be told.
        """
        store = self._opened()
        missing = self._primary.changes_since(store.newest_change(), 1).rows
        return max(0.0, time.time() - missing[0].time / 1e6) if missing else 0.0

    def _opened(self) -> PostgresStore:
        if self._store is None:
            from chachaml.store.postgres import open_postgres

            store = open_postgres(self._address, create=False)
            if store.id != self._primary.id:
                with suppress(ChachamlError):
                    store.close()
                raise BadValue("read_store is another store, no replica of this one")
            self._store = store
        return self._store
