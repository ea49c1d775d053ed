"""The connection to a server: what is logged goes to a journal on this machine first, and from there to it.

Training waits for no network. What a server cannot take just now waits in the journal, for it to come back,
for `chachaml.flush`, for ``chachaml sync``, or for the next process that connects to the same address.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chachaml.away import Away
from chachaml.core import settings
from chachaml.core.changes import Batch, Receipt
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.core.kinds import REFUSED
from chachaml.delivering import deliver
from chachaml.journal.recovery import journal_folders
from chachaml.remote_blobs import RemoteBlobs
from chachaml.store.line import Line
from chachaml.store.remote import RemoteStore, open_remote

if TYPE_CHECKING:
    from chachaml.store.protocol import Store

__all__ = ["Remote"]

_KEPT = 86_400.0
"""Seconds that bytes stay on this machine once nothing waits any more."""


class Remote(Away):
    """A store behind a server, and the way that this process writes to it.

    Args:
        path: What stands for it among paths.
        url: The server's address.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.url = url
        self._token: str | None = None
        super().__init__(path, url)
        self.artifacts, self.bucket = self._folder / "artifacts", ""

    def keep_artifacts(self, where: str | os.PathLike[str]) -> None:
        """Keep what waits to be sent in this folder from now on.

        Raises:
            BadValue: A bucket, which only the server's owner names.
        """
        if settings.bucket_of(str(where)):
            raise BadValue(
                f"{self.url} keeps artifacts where its owner says", "set CHACHAML_ARTIFACTS for the server"
            )
        super().keep_artifacts(where)

    has_bytes = False

    def __repr__(self) -> str:
        return f"<chachaml server {self.url!r}>"

    def use_token(self, token: str) -> None:
        """Show this token to the server from now on."""
        with self._lock:
            self._token = token
            for one in (self._store, self._blobs):
                if isinstance(one, (RemoteStore, RemoteBlobs)):
                    one.close()
            self._store = self._blobs = None

    def user(self) -> str:
        """Return whose token the server is shown, for it attributes what is done to that account.

        Where it has no accounts, or cannot be asked, it is as it is set here.
        """
        with contextlib.suppress(StoreUnavailable):
            self.store()
        told = self._store.user if isinstance(self._store, RemoteStore) else ""
        return told or super().user()

    def _shown(self) -> str:
        return settings.server_token(self.url) if self._token is None else self._token

    def store(self, *, create: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Return the server's store.

        Raises:
            StoreUnavailable: The server cannot be reached.
            NotSignedIn: It wants another token.
        """
        with self._lock:
            if self._store is None:
                opened = open_remote(self.url, self._shown)
                self._store = Shipping(opened.line, opened.id, opened.user, self.blobs)
            return self._store

    def apply(self, batch: Batch) -> Receipt:
        """Have the server apply a stretch of this process's journal; tell what it does not take."""
        receipt = super().apply(batch)
        if refused := {one.run for one in receipt.conflicts if one.what.startswith(REFUSED)}:
            self.tell(
                "refused",
                f"{self.url} does not keep what {self.user()} logs to run {min(refused)}: the account has no "
                "right to write to its experiment. An admin grants it: chachaml admin set",
            )
        return receipt

    def blobs(self) -> RemoteBlobs:
        """Return where the bytes of artifacts are gathered, and fetched to."""
        with self._lock:
            if not isinstance(self._blobs, RemoteBlobs):
                self._blobs = RemoteBlobs(self.artifacts, Line(self.url, self._shown))
            return self._blobs

    def _has_alerts(self) -> bool:
        return False  # the server looks after them, and keeps their secrets

    def close(self, *, wait: float = 5.0) -> None:
        """Ship what can be shipped within `wait` seconds; the rest waits for whoever connects next."""
        blobs = self._blobs
        super().close(wait=wait)
        for one in {blobs, self._blobs}:  # the last of what is shipped may have needed the first
            if isinstance(one, RemoteBlobs):
                one.close()
        if not any(journal_folders(root) for root in self._roots()):
            self._tidy()

    def _tidy(self) -> None:
        """Delete bytes that were sent or fetched a while ago."""
        for path in (self.artifacts / "blobs").glob("??/*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _KEPT:
                    path.unlink()


class Shipping(RemoteStore):
    """The server's store, which is sent the bytes of artifacts before the records that name them.

    Args:
        line: The line to the server.
        store: The id of its store.
        user: Whose token it is shown, '' where it has no accounts.
        blobs: Gives the bytes that are on this machine.
    """

    def __init__(self, line: Line, store: str, user: str, blobs: Callable[[], RemoteBlobs]) -> None:
        super().__init__(line, store, user)
        self._blobs = blobs

    def apply(self, batch: Batch) -> Receipt:
        """Apply a batch, once the server has the bytes that it speaks of."""
        deliver(self._blobs(), batch)
        return super().apply(batch)
