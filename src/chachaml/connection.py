"""Which stores this process uses, and the kinds of connections that keep nothing or only write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from chachaml.connected import EXIT_WAIT, Connection, exiting, is_left_behind
from chachaml.core import settings
from chachaml.core.changes import Change, Receipt
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.journal.beats import Beat
from chachaml.journal.journal import Journal, NoJournal
from chachaml.journal.recovery import Recovered

if TYPE_CHECKING:
    from chachaml.artifacts.blobs import LocalBlobs
    from chachaml.store.protocol import Store

__all__ = [
    "Connection",
    "after_fork",
    "after_fork_in_parent",
    "at",
    "before_fork",
    "close_all",
    "connect",
    "connection",
    "exiting",
    "is_left_behind",
    "using",
]


class Disabled(Connection):
    """The connection of ``CHACHAML_MODE=disabled``: takes everything, keeps nothing."""

    keeps = False

    def store(self, *, create: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Return an empty store."""
        if self._store is None:
            from chachaml.store.memory import MemoryStore

            self._store = MemoryStore()
        return self._store

    def journal(self) -> Journal:
        """Return a journal that drops what is written to it."""
        if self._journal is None:
            self._journal = NoJournal(self.path, "")
        return self._journal

    def flush(self, *, at_once: bool = False) -> Recovered:  # noqa: ARG002 - as in Connection
        """Do nothing."""
        return Recovered()

    def blobs(self) -> LocalBlobs:
        """Return where the bytes of artifacts are kept; nothing is made before it is needed."""
        with self._lock:
            if self._blobs is None or self._blobs.root != self.artifacts:
                from chachaml.artifacts.blobs import LocalBlobs

                self._blobs = LocalBlobs(self.artifacts)
            return self._blobs

    def command(self, *changes: Change) -> Receipt:  # noqa: ARG002 - as in Connection
        """Do nothing."""
        return Receipt(applied=False, applied_to=0, cursor=0)


class Spool(Connection):
    """A connection that only writes: its journals lie in a shared folder, and no database is touched."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(path)
        self.folder = folder
        self.artifacts, self.bucket = folder / "artifacts", ""
        self._beat: Beat | None = None
        self._seen = 0

    def keep_artifacts(self, where: str | os.PathLike[str]) -> None:
        """Keep artifacts in this folder from now on, until the spool is brought into a store.

        Raises:
            BadValue: A bucket: the store that it is brought into has one, or none.
        """
        if settings.bucket_of(str(where)):
            raise BadValue(
                "a spool keeps artifacts in its folder", f"chachaml sync {self.folder} sends them to {where}"
            )
        super().keep_artifacts(where)

    def __repr__(self) -> str:
        return f"<chachaml spool {str(self.folder)!r}>"

    def store(self, *, create: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Refuse: a spool is not read."""
        self._refuse()

    def ready(self, *, at_once: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Refuse: a spool is not read."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StoreUnavailable(
            f"the spool {self.folder} is only written to",
            f"chachaml sync {self.folder} brings it into a store",
        )

    def command(self, *changes: Change) -> Receipt:  # noqa: ARG002 - as in Connection
        """Refuse: nothing can be changed but by logging."""
        self._refuse()

    def flush(self, *, at_once: bool = False) -> Recovered:  # noqa: ARG002 - as in Connection
        """Return once what was logged here is on the shared disk."""
        self._drain_own()
        self._sync()
        return Recovered()

    def _make_journal(self) -> Journal:
        root = self.folder / "journals"
        root.mkdir(parents=True, exist_ok=True)
        # Written, not mapped: what is mapped reaches other machines when the system likes.
        journal = Journal(root, "", mode="write", on_trouble=self._on_full, shared=True)
        self._beat = Beat(journal.folder)
        return journal

    def _drain_own(self) -> bool:
        """Beat, and tell whether there is anything new to sync."""
        journal = self._journal
        if journal is None or self._beat is None:
            return False
        journal.retry()
        self._beat.renew()
        before, self._seen = self._seen, journal.end()
        return self._seen > before

    def close(self, *, wait: float = EXIT_WAIT) -> None:
        """Let go of all files; what was logged stays for `chachaml sync`."""
        journal, thread, beat = self._journal, self._thread, self._beat
        if journal is not None and thread is not None:
            thread.stop(wait, self._sync)
            journal.close(drained=False)
            with contextlib.suppress(OSError):
                if beat is not None:
                    beat.end()
        self._journal = self._beat = None
        self._begin()

    def after_fork(self) -> None:
        """In a forked child: begin a journal of one's own."""
        super().after_fork()
        if self._journal is not None:
            self._beat = Beat(self._journal.folder)
        self._seen = 0


_connections: dict[Path, Connection] = {}
_current: Connection | None = None
_used: ContextVar[Connection | None] = ContextVar("chachaml_connection", default=None)


def connect(
    store: str | os.PathLike[str] | None = None,
    *,
    artifacts: str | os.PathLike[str] | None = None,
    token: str | None = None,
) -> Connection:
    """Choose the store that this process uses from now on; runs under way stay with theirs.

    Args:
        store: Path of the store's file, or the address of a server (``http://host:8080``) or of a database
            (``postgresql://user@host/database``), or ``spool:///shared/dir`` to only write journals there.
            Default: as it is set, else ``./chachaml.db``.
        artifacts: Folder of the artifacts, or address of a bucket (``s3://bucket/prefix``, ``gs://...``,
            ``az://...``). Default: ``CHACHAML_ARTIFACTS``, else the folder beside the store,
            ``chachaml-artifacts`` for ``chachaml.db``.
        token: What to show a server. Default: ``CHACHAML_TOKEN``; a server that you started yourself on
            this machine is shown its token without being asked.

    Returns:
        The connection. Nothing is opened or made before it is needed.
    """
    global _current
    _current = at(settings.store_path(store))
    if token is not None:
        _current.use_token(token)
    if artifacts is not None:
        _current.keep_artifacts(artifacts)
    return _current


def at(path: Path) -> Connection:
    """Return this process's connection to the store at `path`, an absolute path."""
    if settings.disabled():
        return Disabled(path)
    if path not in _connections:
        _connections.setdefault(path, _made(path))
    return _connections[path]


def _made(path: Path) -> Connection:
    if (spool := settings.spool_folder(path)) is not None:
        return Spool(path, spool)
    if url := settings.server_url(path):
        from chachaml.remoting import Remote

        return Remote(path, url)
    if address := settings.database(path):
        from chachaml.away import Team

        return Team(path, address)
    return Connection(path)


def connection() -> Connection:
    """Return the connection in use: that of `using`, else the last one of `connect`, else the default."""
    return _used.get() or _current or connect()


@contextlib.contextmanager
def using(where: Connection) -> Iterator[None]:
    """Use a connection in this context alone: this thread or task, and those started from it."""
    token = _used.set(where)
    try:
        yield
    finally:
        _used.reset(token)


def close_all() -> None:
    """Close every connection."""
    for each in tuple(_connections.values()):
        each.close()


def before_fork() -> None:
    """Let this process's drainers come to rest."""
    for each in tuple(_connections.values()):
        each.before_fork()


def after_fork_in_parent() -> None:
    """Let this process's drainers go on."""
    for each in tuple(_connections.values()):
        each.after_fork_in_parent()


def after_fork() -> None:
    """In a forked child: keep off the parent's files."""
    for each in _connections.values():
        each.after_fork()
