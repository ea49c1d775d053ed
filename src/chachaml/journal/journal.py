"""This process's journal for one store: what is logged is kept once `Journal.append` returns.

Nothing here waits for a database or a network. When not even a file can be written, records stay
in memory up to a limit, and what is lost beyond it is counted.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from chachaml.core.changes import Change
from chachaml.core.ids import new_id, new_shared_id
from chachaml.core.syncing import sync_folder
from chachaml.journal import liveness
from chachaml.journal.beats import BEAT, DONE
from chachaml.journal.format import (
    MAX_SERIES,
    change_frame,
    encode_header,
    group_frame,
    salt_of,
    series_frame,
)
from chachaml.journal.segment import Segment, create_segment

__all__ = ["HELD_LIMIT", "Journal", "NoJournal", "remove_folder"]

HELD_LIMIT = 64 << 20
"""How many bytes of records are kept in memory while no file can be written."""

_HEADER_ROOM = 4096
_ENDED_KEPT = 64
"""So many ended runs stay declared: a thread may be in the middle of a last log call to one."""


class Journal:
    """An append-only sequence of records in segments, written by this process alone.

    Args:
        root: The folder of all journals of the store.
        store: The store's id; '' when it could not be opened.
        mode: How segments are written; see `chachaml.journal.segment.create_segment`.
        on_trouble: Told once, in words, when records have to stay in memory.
        shared: The folder is on a disk that several machines share, which may have no locks: none is
            taken, and the id tells so.
        make_id: Makes the journal's id. Default: as `shared` says.

    Attributes:
        write: Append one whole record made with this journal's `salt`. Raises ValueError when the
            segment is full: then `append` does what is needed. This is the hot path.
        lost: How many records were lost because memory was full too.
    """

    def __init__(
        self,
        root: Path,
        store: str,
        *,
        mode: str = "auto",
        on_trouble: Callable[[str], None] = lambda _: None,
        shared: bool = False,
        make_id: Callable[[], str] | None = None,
    ) -> None:
        self.root, self._store, self._mode, self._on_trouble = root, store, mode, on_trouble
        self._shared, self._make_id = shared, make_id or (new_shared_id if shared else new_id)
        self._begin()

    def _begin(self) -> None:
        self.id = self._make_id()
        self.salt = salt_of(self.id)
        self.folder = self.root / self.id
        self.write: Callable[[bytes], object] = _refuse
        self.lost = 0
        self.closed = False
        self._lock = threading.RLock()
        self._held_lock: liveness.Lock | None = None
        self._segments: list[Segment] = []
        self._declared: dict[str, list[bytes]] = {}
        self._ended: deque[str] = deque()
        self._series = self._groups = 0
        self._unsynced = 0
        self._held: list[bytes] = []
        self._held_bytes = 0

    # writing ------------------------------------------------------------------------------------

    def append(self, record: bytes) -> None:
        """Append one whole record; it survives this process once the call returns.

        Never raises: when the disk refuses, the record stays in memory, or is counted as lost.
        """
        try:
            self.write(record)
        except (ValueError, OSError) as error:
            self._append_slowly(record, error)

    def log(self, change: Change) -> None:
        """Append anything that is not a point."""
        self.append(change_frame(change, self.salt))

    def number_series(self, run: str, key: str) -> int | None:
        """Declare the series (run, key); return its number, None when all numbers are used up."""
        with self._lock:
            number = self._series
            if number >= MAX_SERIES:
                return None
            self._series += 1
            self._declare(run, series_frame(number, run, key, self.salt))
            return number

    def number_group(self, run: str, members: Sequence[int]) -> int:
        """Declare the series of `members` (their numbers) as logged together; return the group's number."""
        with self._lock:
            number = self._groups
            self._groups += 1
            self._declare(run, group_frame(number, members, self.salt))
            return number

    def forget(self, run: str) -> None:
        """Do not declare the series of `run`, which has ended, in further segments."""
        with self._lock:
            self._ended.append(run)
            while len(self._ended) > _ENDED_KEPT and not self._held:
                self._declared.pop(self._ended.popleft(), None)

    def _declare(self, run: str, frame: bytes) -> None:
        # Written before it is remembered: a new segment begun by this very frame holds it once.
        self.append(frame)
        self._declared.setdefault(run, []).append(frame)

    def _append_slowly(self, record: bytes, error: Exception) -> None:
        with self._lock:
            try:
                if isinstance(error, ValueError):
                    self._write_or_rotate(record)
                else:
                    self._hold(record, str(error))
            except OSError as trouble:
                self._hold(record, str(trouble))

    def _write_or_rotate(self, record: bytes) -> None:
        try:
            self.write(record)  # another thread may have begun a segment meanwhile
        except ValueError:
            self._rotate(record)

    def _rotate(self, record: bytes) -> None:
        """Begin a new segment that declares all that is declared and holds `record`, and go on there."""
        if self.closed:
            raise OSError("the journal is closed")
        if self._segments:
            # Sealed before the next exists: whoever sees two segments knows that the first is whole.
            self._segments[-1].seal()
        base = self._segments[-1].base + self._segments[-1].size if self._segments else 0
        number = self._segments[-1].number + 1 if self._segments else 1
        frames = b"".join(frame for frames in self._declared.values() for frame in frames)
        segment = self._begin_segment(number, base, frames + record)
        self._segments.append(segment)
        self.write = segment.write

    def _begin_segment(self, number: int, base: int, records: bytes) -> Segment:
        """Return a new segment that holds its header and `records`, or leave none behind."""
        if self._held_lock is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._shared:
                self._held_lock = liveness.hold(self.folder, wait=True)
        segment = create_segment(self.folder, number, base, _HEADER_ROOM + len(records), self._mode)
        info = liveness.whoami(self.id, self._store, time.time_ns() // 1000)
        try:
            segment.write(encode_header(info, number, base))
            segment.write(records)
        except BaseException:
            segment.close()
            segment.path.unlink(missing_ok=True)
            raise
        return segment

    # when no file can be written ------------------------------------------------------------------

    def _hold(self, record: bytes, why: str) -> None:
        if not self._held:
            self._on_trouble(why)
        self.write = self._keep
        self._keep(record)

    def _keep(self, record: bytes) -> None:
        with self._lock:
            if self.write != self._keep:
                self.append(record)
            elif self._held_bytes + len(record) <= HELD_LIMIT:
                self._held.append(record)
                self._held_bytes += len(record)
            else:
                self.lost += 1

    @property
    def held(self) -> int:
        """How many bytes of records are in memory only."""
        return self._held_bytes

    def retry(self) -> bool:
        """Try to write what is held in memory; return whether everything is in a file again."""
        with self._lock:
            if not self._held:
                return True
            try:
                self._rotate(b"".join(self._held))
            except (OSError, ValueError):
                return False
            self._held, self._held_bytes = [], 0
            return True

    # draining -------------------------------------------------------------------------------------

    def end(self) -> int:
        """Return the logical offset behind the last record in a file."""
        segments = self._segments
        return segments[-1].end() if segments else 0

    def touch(self) -> None:
        """Make ready what the next records will be written to."""
        if segments := self._segments:
            segments[-1].touch()

    def sync(self) -> None:
        """Return once what is in a file survives a power failure."""
        segments = tuple(self._segments)
        for segment in segments:
            if segment.number >= self._unsynced:
                segment.sync()
        if segments and segments[-1].number > self._unsynced:
            for folder in (self.folder, self.root, self.root.parent):
                sync_folder(folder)
            self._unsynced = segments[-1].number

    def can_release(self, applied_to: int) -> bool:
        """Tell whether a full segment lies below `applied_to`."""
        segments = self._segments
        return len(segments) > 1 and segments[1].base <= applied_to

    def release(self, applied_to: int) -> None:
        """Delete the full segments below `applied_to`, which must be durable in the store."""
        with self._lock:
            while self.can_release(applied_to):
                segment = self._segments.pop(0)
                segment.close()
                _remove_segment(segment.path)

    def stop(self) -> None:
        """Take no more records: what is in a file now is all that there is to drain."""
        with self._lock:
            self.closed = True
            self.write = _refuse
            if self._segments:
                self._segments[-1].seal()

    def close(self, *, drained: bool) -> None:
        """Let go of the files. They go if `drained` (everything durable in the store), else they stay.

        Stops the journal if `stop` did not.
        """
        self.stop()
        with self._lock:
            for segment in self._segments:
                segment.close()
                if drained:
                    _remove_segment(segment.path)
            self._segments = []
            if self._held_lock is not None:
                if drained:
                    remove_folder(self.folder, self._held_lock)
                self._held_lock.drop()
                self._held_lock = None

    def after_fork(self) -> None:
        """In a forked child: leave the parent's files alone and begin a journal of one's own."""
        lock, segments = self._held_lock, self._segments
        self._begin()
        if lock is not None:
            lock.drop()
        for segment in segments:
            segment.close()


class NoJournal(Journal):
    """A journal that drops all that is written to it."""

    def _begin(self) -> None:
        super()._begin()
        self.write = _drop


def _remove_segment(path: Path) -> None:
    """Delete a drained segment; if that fails, whoever looks next knows that it is drained."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def remove_folder(folder: Path, lock: liveness.Lock | None) -> None:
    """Remove a drained journal's folder, whose lock is held, and the folder of journals if it is the last."""
    if lock and os.name == "nt":  # where a file that is open stays, and so does another's lock
        lock.drop()
    with suppress(OSError):  # not empty, or another process removes it too, or the disk is in trouble
        for name in (liveness.LOCK, BEAT, DONE):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
        folder.parent.rmdir()


def _drop(_record: bytes) -> None:
    pass


def _refuse(_record: bytes) -> None:
    raise ValueError("no segment is open")
