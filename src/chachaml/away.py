"""Stores that are no files here: what is logged goes to a journal first, and from there to them.

Training waits for no network. What the store cannot take just now waits in the journal, for it to come back,
for `chachaml.flush`, for ``chachaml sync``, or for the next process that connects to the same address.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chachaml.connected import Connection
from chachaml.core import settings
from chachaml.core.addresses import Address, address_of
from chachaml.core.errors import ChachamlError, StoreError
from chachaml.core.ids import new_remote_id
from chachaml.journal.journal import Journal
from chachaml.journal.recovery import Recovered, bury_silent
from chachaml.store.protocol import Beating

if TYPE_CHECKING:
    from chachaml.store.protocol import Store

__all__ = ["Away", "Team"]

BEAT_EVERY = 20.0
"""Seconds after which the store is told that this process lives, if nothing else told it."""

REAP_EVERY = 15.0
"""Seconds between two looks for processes of which nothing is heard any more."""


class Away(Connection):
    """A store that is no file here, and the way that this process writes to it.

    Args:
        path: What stands for it among paths.
        address: Where it is, as it may be shown.
    """

    def __init__(self, path: Path, address: str) -> None:
        self._address = address
        self._folder = settings.server_folder(path)
        self._beaten = 0.0
        super().__init__(path)

    @property
    def place(self) -> str:
        """Where the store is, for people."""
        return self._address

    def _is_nowhere(self) -> bool:
        return False

    def _roots(self) -> tuple[Path, ...]:
        return (self._folder / "journals",)

    def flush(self, *, at_once: bool = False) -> Recovered:
        """Bring over what was logged here, and what others on this machine left.

        Raises:
            StoreError: The store does not take it just now; says how much waits, and where.
        """
        try:
            return super().flush(at_once=at_once)
        except StoreError as error:
            told = f"{error.message}; {self.waiting():,} bytes of this process wait in {self._roots()[0]}"
            hint = f"{error.hint}  Later: chachaml --store {self.place} sync".strip()
            raise type(error)(told, hint) from error

    def report_loss(self) -> None:
        """Say what is lost, and what the store does not have yet."""
        super().report_loss()
        if self.trouble is not None and self.waiting():
            self._told.discard("pending")
            self.tell(
                "pending",
                f"{self.place} does not have all of it yet: {self.waiting():,} bytes wait in "
                f"{self._roots()[0]}, for this process, the next one, or: chachaml --store {self.place} sync",
            )

    def _reap(self, store: Store, own: str) -> None:
        """Do nothing: only the store hears of everybody who logs to it."""

    def _make_journal(self) -> Journal:
        root = self._roots()[0]
        with contextlib.suppress(OSError):  # the journal says what it cannot do
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Journal(
            root,
            self._store_id(),
            mode=settings.journal_mode(),
            on_trouble=self._on_full,
            make_id=new_remote_id,
        )

    def _drain_own(self) -> bool:
        """Bring over this process's journal; tell the store now and then that this process lives."""
        drained = super()._drain_own()
        journal, now = self._journal, time.monotonic()
        if drained:
            self._beaten = now
        elif journal is not None and journal.end() and now - self._beaten >= BEAT_EVERY:
            self._beaten = now
            with contextlib.suppress(ChachamlError):
                store = self.store()
                if isinstance(store, Beating):
                    store.beat(journal.id)
        return drained


class Team(Away):
    """A store in a Postgres database, and the way that this process writes to it.

    Args:
        path: What stands for it among paths.
        address: The database and the schema.
    """

    def __init__(self, path: Path, address: Address) -> None:
        super().__init__(path, address.public)
        self._reaped = time.monotonic()
        self._since = self._reaped

    def __repr__(self) -> str:
        return f"<chachaml database {self.place!r}>"

    def store(self, *, create: bool = False) -> Store:
        """Return the store.

        Args:
            create: Make it if there is none.

        Raises:
            StoreError: It cannot be opened.
        """
        with self._lock:
            if self._store is None:
                from chachaml.store.postgres import open_postgres

                self._store = open_postgres(address_of(self.place), create=create)
            return self._store

    def flush(self, *, at_once: bool = False) -> Recovered:
        """Bring over what was logged here, and what others on this machine left.

        Raises:
            StoreError: The database does not take it just now; says how much waits, and where.
        """
        try:
            return super().flush(at_once=at_once)
        except StoreError:
            self._since = time.monotonic()  # nobody could be heard meanwhile
            raise

    def _reap(self, store: Store, own: str) -> None:
        """Let runs crash of whose process nothing was heard for long, wherever it was."""
        now = time.monotonic()
        if now - self._reaped >= REAP_EVERY and isinstance(store, Beating):
            self._reaped = now
            bury_silent(store, heard_for=now - self._since, own=own)
