"""One store as this process uses it: the store itself, this process's journal for it, its drainer."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from chachaml.core import settings
from chachaml.core.changes import Batch, Change, OwnerLost, Receipt
from chachaml.core.errors import (
    BadValue,
    ChachamlError,
    ChachamlWarning,
    ForeignFile,
    SchemaTooNew,
    SchemaTooOld,
    StoreUnavailable,
)
from chachaml.core.ids import command_id
from chachaml.delivering import Delivering
from chachaml.journal.drainer import Drain, DrainThread
from chachaml.journal.journal import HELD_LIMIT, Journal, NoJournal
from chachaml.journal.reader import FolderSource
from chachaml.journal.recovery import Recovered, journal_folders, reap, recover

if TYPE_CHECKING:
    from chachaml.alerting.watching import Watcher
    from chachaml.artifacts.blobs import LocalBlobs
    from chachaml.store.protocol import Store

__all__ = ["EXIT_WAIT", "Connection", "exiting", "is_left_behind"]

EXIT_WAIT = 5.0
"""Seconds that a process waits at its end for the drainer; the next opener brings in the rest."""

LOOK_EVERY = 2.0
"""Seconds between two looks at alerts while something is logged."""

FORK_WAIT = 1.0
"""Seconds that a fork waits for the drainer to come to rest."""

FIRST_FORK_WAIT = 30.0
"""Seconds that it waits while the drainer drains for the first time, which imports modules."""

exiting = threading.Event()
"""Set when the process ends."""


def is_left_behind() -> bool:
    """Tell whether the caller is a thread that goes on while the process ends."""
    return exiting.is_set() and threading.current_thread() is not threading.main_thread()


class Connection:
    """A store, opened when first needed, and the way that this process writes to it.

    Get one from `connect`. Everything here may be used from any thread.
    """

    keeps = True
    """Whether what is logged is kept at all."""

    has_bytes = True
    """Whether the bytes of artifacts are kept on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.artifacts = settings.artifacts_root(path)
        """The folder of the artifacts; with a bucket, of those that are on their way to it."""
        self.bucket = settings.artifacts_bucket()
        """The address of the bucket that artifacts are kept in, '' for the folder."""
        self.trouble: ChachamlError | None = None
        """The last reason why draining failed, until it succeeds again."""
        self._told: set[str] = set()
        self._store: Store | None = None
        self._journal: Journal | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._blobs: LocalBlobs | None = None
        self._thread: DrainThread | None = None
        self._drain: Drain | None = None
        self._watcher: Watcher | None = None
        self._drained: dict[str, None] = {}
        """Runs that something was drained of since alerts were looked at."""
        self._looked = 0.0
        self._at_rest: list[_Lock] = []
        """What a fork holds, and lets go of after it."""

    @property
    def place(self) -> str:
        """Where the store is, for people."""
        return str(self.path)

    def __repr__(self) -> str:
        return f"<chachaml store {str(self.path)!r}>"

    # the store ------------------------------------------------------------------------------------

    def store(self, *, create: bool = False) -> Store:
        """Return the store.

        Args:
            create: Make the file if it is missing.

        Raises:
            StoreError: It cannot be opened.
        """
        with self._lock:
            if self._store is None:
                from chachaml.store.sqlite import open_sqlite

                self._store = open_sqlite(self.path, create=create)
            return self._store

    def ready(self, *, at_once: bool = False) -> Store:
        """Return the store once it holds all that was logged here, and what the dead left.

        Where nothing was ever logged it is an empty one, and no file is made.

        Args:
            at_once: As in `flush`.

        Raises:
            StoreError: The store cannot be used.
        """
        if self._is_nowhere():
            from chachaml.store.memory import MemoryStore

            return MemoryStore()
        try:
            self.flush(at_once=at_once)
        except StoreUnavailable as error:
            if self._journal is not None:
                raise  # a read would miss what was logged here
            self.tell("others", f"what other processes left cannot be brought in: {error.message}")
        return self.store()

    def _is_nowhere(self) -> bool:
        """Tell whether there is neither a store nor anything on its way to it."""
        if self._store is not None or self._journal is not None or _is_there(self.path):
            return False
        return not any(journal_folders(root) for root in self._roots())

    def _roots(self) -> tuple[Path, ...]:
        return (settings.journals_beside(self.path), *settings.spare_journals(self.path))

    def flush(self, *, at_once: bool = False) -> Recovered:
        """Bring into the store what was logged here, and what other processes left in their journals.

        Args:
            at_once: Bring in what living processes logged within the last half second, too.

        Raises:
            StoreError: The store does not take it just now; it stays in the journals.
        """
        report = Recovered()
        if self._is_nowhere():
            return report
        own = self._journal.id if self._journal else ""
        if own:
            self._drain_own()
        store = self.store(create=True)
        for root in self._roots():
            recover(root, self._target(), store.id, report, own=own, at_once=at_once)
        self._reap(store, own)
        return report

    def _target(self) -> Store:
        """Return what journals are drained into; it is made if need be."""
        store = self.store(create=True)
        return cast("Store", Delivering(store, self.blobs())) if self.bucket else store

    def _reap(self, store: Store, own: str) -> None:
        """Let runs crash whose owner's journal is gone."""
        reap(self._roots(), store, own=own)

    def user(self) -> str:
        """Return in whose name things are done here: as it is set, else the operating system's user."""
        return settings.current_user()

    def use_token(self, token: str) -> None:  # noqa: ARG002 - a file asks for none
        """Show this token to the server.

        Raises:
            BadValue: The store is not behind a server.
        """
        raise BadValue(
            f"{self.path} is no server, and takes no token", "connect('http://host:8080', token=...)"
        )

    def blobs(self) -> LocalBlobs:
        """Return where the bytes of artifacts are kept; nothing is made before it is needed."""
        with self._lock:
            if self._blobs is None or self._blobs.root != self.artifacts:
                self._blobs = self._make_blobs()
            return self._blobs

    def _make_blobs(self) -> LocalBlobs:
        if self.bucket:
            from chachaml.artifacts.objects import ObjectBlobs
            from chachaml.artifacts.opening import open_bucket

            return ObjectBlobs(self.artifacts, open_bucket(self.bucket), lambda: self.store().id)
        from chachaml.artifacts.blobs import LocalBlobs

        return LocalBlobs(self.artifacts)

    def keep_artifacts(self, where: str | os.PathLike[str]) -> None:
        """Keep artifacts in this folder or bucket from now on.

        Raises:
            BadValue: No such address, or a server keeps them where its owner says.
            MissingExtra: Buckets need obstore.
        """
        self.bucket = settings.bucket_of(str(where))
        self.artifacts = (
            settings.artifacts_root(self.path) if self.bucket else Path(where).expanduser().absolute()
        )
        self._blobs = None
        if self.bucket:
            self.blobs()  # what is wrong with its address is better told now

    def command(self, *changes: Change) -> Receipt:
        """Apply `changes` at once, after all that was logged before.

        Raises:
            StoreError: The store does not take them.
        """
        return self.ready().apply(Batch(changes, command=command_id()))

    def apply(self, batch: Batch) -> Receipt:
        """Apply a stretch of this process's journal; the store is made if need be."""
        receipt = self._target().apply(batch)
        self._drained.update(dict.fromkeys(run for one in batch.changes if (run := getattr(one, "run", ""))))
        return receipt

    def applied_to(self, journal: str) -> int:
        """Return how much of a journal the store holds; the store is made if need be."""
        return self.store(create=True).applied_to(journal)

    # the journal ----------------------------------------------------------------------------------

    def journal(self) -> Journal:
        """Return this process's journal, begun with the first call.

        Raises:
            ForeignFile: The store's file belongs to something else.
            SchemaTooNew: The store is of a newer chachaml.
        """
        with self._lock:
            if self._journal is None and is_left_behind():
                return NoJournal(self.path, "")
            if self._journal is None:
                self._journal = self._make_journal()
            if self._thread is None:
                own = FolderSource(self._journal.folder, written=self._journal.end)
                self._drain = Drain(own, self, verify=False)
                self._thread = DrainThread(self._drain_own, self._tick, self._on_trouble)
                try:
                    self._thread.start()
                except RuntimeError as error:  # no more threads are allowed, or the process ends
                    self._on_trouble(error)
                self._close_with_worker()
            return self._journal

    def _make_journal(self) -> Journal:
        return Journal(
            self._journal_root(), self._store_id(), mode=settings.journal_mode(), on_trouble=self._on_full
        )

    def _store_id(self) -> str:
        try:
            return self.store(create=True).id
        except (ForeignFile, SchemaTooNew, SchemaTooOld):
            raise
        except Exception as error:  # whatever it is, training goes on
            self._on_trouble(error)
            return ""

    def _journal_root(self) -> Path:
        beside = settings.journals_beside(self.path)
        if os.access(beside if _is_there(beside) else beside.parent, os.W_OK | os.X_OK):
            return beside
        for root in settings.spare_journals(self.path):
            with contextlib.suppress(OSError):
                root.mkdir(parents=True, exist_ok=True, mode=0o700)
                if os.access(root, os.W_OK):
                    return root
        return beside

    def _sync(self) -> None:
        """Have what was logged so far survive a power failure: bytes before the records that name them."""
        if self._blobs is not None:
            self._blobs.sync()
        if self._journal is not None:
            self._journal.sync()

    def _tick(self) -> None:
        """Do what is to be done about once a second while there is something to drain."""
        self._sync()
        now = time.monotonic()
        if self._drained and now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look_at_alerts()

    def _look_at_alerts(self) -> None:
        """Have alerts judged by what was drained, if there are any; returns at once."""
        drained, self._drained = list(self._drained), {}
        if self._watcher is None and self._has_alerts():
            from chachaml.alerting.watching import Watcher

            self._watcher = Watcher(self.store)
        if self._watcher is not None:
            self._watcher.note(drained)

    def _look_a_last_time(self, wait: float) -> None:
        """Judge alerts by what was drained last, and tell what can be told within `wait` seconds.

        In this thread: a process that ends can start no other.
        """
        drained, self._drained = list(self._drained), {}
        if self._watcher is not None:
            self._watcher.note(drained)
            self._watcher.close(wait)
        elif drained and self._has_alerts():
            from chachaml.alerting.watching import look_and_tell

            look_and_tell(self.store, drained, wait)

    def _has_alerts(self) -> bool:
        try:
            store = self.store()
            return bool(store.alerts() or store.due_events(time.time_ns() // 1000, 1))
        except ChachamlError:
            return False

    def _drain_own(self) -> bool:
        """Drain this process's journal; return whether there was anything to drain."""
        thread, drain, journal = self._thread, self._drain, self._journal
        if thread is None or drain is None or journal is None:
            return False
        with thread.lock:
            journal.retry()
            start, end = drain.position, journal.end()
            journal.touch()
            # Up to where the journal ends now: a busy writer must not keep a reader here for ever.
            while drain.position < end and drain.step():
                journal.touch()
                if journal.can_release(drain.position):
                    self._sync()
                    self.store().sync()
                    journal.release(drain.position)
            self.trouble = None
            return drain.position > start

    # trouble --------------------------------------------------------------------------------------

    def _on_trouble(self, error: Exception) -> None:
        self.trouble = error if isinstance(error, ChachamlError) else StoreUnavailable(repr(error))
        self.tell(
            "draining",
            f"the store {self.place} cannot be written: {self.trouble.message}. What is logged is kept in "
            f"{self._journal.folder if self._journal else 'the journal'} ({self.waiting():,} bytes so far), "
            "and is brought in as soon as possible, or by: chachaml sync",
        )

    def _on_full(self, why: str) -> None:
        self.tell(
            "journal",
            f"the journal cannot be written: {why}. What is logged stays in memory, up to "
            f"{HELD_LIMIT >> 20} MB, until there is room again",
        )

    def tell(self, kind: str, message: str) -> None:
        """Warn, once for each `kind`; never raises, for training goes on."""
        if kind in self._told:
            return
        self._told.add(kind)
        try:
            warnings.warn(f"chachaml: {message}", ChachamlWarning, stacklevel=2)
        except Warning:
            print(f"chachaml: {message}", file=sys.stderr)  # warnings are errors here, and this is none

    def report_loss(self) -> None:
        """Say loudly if records were lost.

        Raises:
            StoreUnavailable: Only if ``CHACHAML_STRICT`` is set and something is not stored.
        """
        journal = self._journal
        if journal is not None and journal.lost:
            self.tell("lost", f"LOST: {journal.lost:,} records found no room on disk or in memory")
        if self.trouble is not None and settings.strict():
            raise StoreUnavailable(f"not everything is stored: {self.trouble.message}", self.trouble.hint)

    def waiting(self) -> int:
        """Return how many bytes of this process's journal the store does not have yet."""
        position = self._drain.position if self._drain else 0
        return self._journal.end() - position if self._journal else 0

    # the end --------------------------------------------------------------------------------------

    def close(self, *, wait: float = EXIT_WAIT) -> None:
        """Drain what can be drained within `wait` seconds and let go of all files.

        Runs of this process that have not ended will have crashed.
        """
        journal, thread, stopped = self._journal, self._thread, True
        if journal is not None and thread is not None:
            drained = threading.Event()
            stopped = thread.stop(wait, lambda: self._drain_last(journal, thread, wait, drained))
            if journal.held or journal.lost:
                self._told.discard("lost")
                self.tell(
                    "lost", f"LOST: {journal.held:,} bytes and {journal.lost:,} records were never on disk"
                )
            journal.close(drained=drained.is_set())
            if stopped:
                self._look_a_last_time(wait)
        self._journal = None
        self._begin()
        if self._store is not None:
            if stopped:  # else the drainer is within it
                self._store.close()
            self._store = None

    def _drain_last(
        self, journal: Journal, thread: DrainThread, wait: float, drained: threading.Event
    ) -> None:
        """Drain to the end if `wait` seconds do; set `drained` if the journal's files can go."""
        deadline = time.monotonic() + wait
        drain = self._drain
        try:
            with thread.lock:
                journal.retry()
                # From here on a thread that still logs is told so: it must not log behind the last drain.
                journal.stop()
                if drain is None or not journal.end():
                    return
                drain.run(until=lambda: time.monotonic() > deadline)
                if drain.position < journal.end() or journal.held:
                    return
                lost = OwnerLost(journal.id, time.time_ns() // 1000)
                self._sync()
                store = self.store()
                store.apply(Batch((lost,), command=f"lost:{journal.id}:{drain.position}"))
                store.sync()
                drained.set()
        except Exception as error:
            self._on_trouble(error)

    def _close_with_worker(self) -> None:
        """In a multiprocessing worker: close at its end, which runs finalizers but no atexit functions."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, self.close, exitpriority=10)

    def before_fork(self) -> None:
        """Let the drainer come to rest.

        A child forked while it imports a module could never import that one, and a child forked while
        it is within SQLite might find SQLite's own locks held for ever.
        """
        if self._thread is not None:
            import ctypes  # noqa: F401  # the child needs it

            wait = FORK_WAIT if self._thread.rested else FIRST_FORK_WAIT
            self._come_to_rest(self._thread.lock, wait)
        if self._watcher is not None:
            self._come_to_rest(self._watcher.resting, FORK_WAIT)

    def _come_to_rest(self, lock: _Lock, wait: float) -> None:
        if lock.acquire(timeout=wait):
            self._at_rest.append(lock)

    def after_fork_in_parent(self) -> None:
        """Let the drainer go on."""
        while self._at_rest:
            self._at_rest.pop().release()

    def after_fork(self) -> None:
        """In a forked child: keep off the parent's database and journal files."""
        if self._store is not None:
            _never_finalise(self._store)
            self._store = None
        self._begin()
        if self._journal is not None:
            self._journal.after_fork()


class _Lock(Protocol):
    """What `threading` gives under several names, by version."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...

    def release(self) -> None: ...


def _is_there(path: Path) -> bool:
    # Not Path.exists, which raises where the answer cannot be had.
    return os.path.exists(path)  # noqa: PTH110


def _never_finalise(thing: object) -> None:
    """Keep `thing` for ever: closing a database in a forked child would disturb the parent's."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
