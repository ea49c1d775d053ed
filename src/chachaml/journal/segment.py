"""The files of a journal: appended to by one process, readable by any."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from chachaml.core.syncing import sync_file
from chachaml.journal.format import CELL, padded

__all__ = ["Segment", "create_segment", "segment_name", "segment_number"]

SMALLEST, LARGEST = 256 << 10, 64 << 20
"""A journal's first segment is small, each next four times larger: a short script reserves little."""

_AHEAD, _TOUCH = 8 << 20, 256 << 10
"""How many bytes are made ready beyond the last record, and how many at once: some 50 microseconds."""
_MADV_POPULATE_WRITE = 23
"""From Linux's <asm-generic/mman-common.h>, 5.14; Python has no name for it."""

_MAPPABLE = {"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs", "ramfs"}
"""File systems on which space once reserved stays reserved, so that storing to a map cannot fail."""


class Segment(Protocol):
    """One file, ``size`` bytes long at most, whose first byte has the logical offset ``base``."""

    number: int
    base: int
    size: int
    path: Path

    @property
    def write(self) -> Callable[[bytes], object]:
        """Append one record whole, or raise ValueError if it does not fit, OSError if the disk refuses."""
        ...

    def end(self) -> int:
        """Return the logical offset behind the last record."""
        ...

    def touch(self) -> None:
        """Make ready what the next records will be written to, and let go of what was written long ago."""
        ...

    def seal(self) -> None:
        """Make every further `write` raise ValueError."""
        ...

    def sync(self) -> None:
        """Return once what was written survives a power failure."""
        ...

    def close(self) -> None:
        """Release the file, which stays."""
        ...


def segment_name(number: int) -> str:
    """Return the name of a segment's file."""
    return f"{number:06}.seg"


def segment_number(name: str) -> int | None:
    """Return the number of the segment that a file's name says, None for any other file."""
    stem, dot, ending = name.partition(".")
    return int(stem) if dot and ending == "seg" and stem.isdecimal() else None


def create_segment(folder: Path, number: int, base: int, need: int, mode: str = "auto") -> Segment:
    """Create the segment `number` with room for at least `need` bytes.

    Args:
        folder: The journal's folder.
        number: From 1.
        base: Logical offset of its first byte.
        need: The smallest size that will do.
        mode: "mmap", "write", or "auto" to map where a full disk cannot hurt a map.

    Raises:
        OSError: The file cannot be created, or there is no space for it.
    """
    mapped = mode == "mmap" or (mode == "auto" and _mappable(str(folder)))
    kind = MappedSegment if mapped else AppendedSegment
    size = max(min(LARGEST, SMALLEST << 2 * (number - 1)), _pages(need))
    try:
        return kind(folder, number, base, size)
    except OSError:
        smaller = max(SMALLEST, _pages(need))
        if smaller >= size:
            raise
        return kind(folder, number, base, smaller)


def _pages(need: int) -> int:
    return (need + mmap.ALLOCATIONGRANULARITY - 1) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY


class MappedSegment:
    """A segment whose space is reserved on disk and mapped.

    ``mmap.write`` copies a record and moves the position in one call into C, which other threads,
    signal handlers and KeyboardInterrupt cannot split: there are no holes and no lock is needed.
    """

    def __init__(self, folder: Path, number: int, base: int, size: int) -> None:
        self.number, self.base, self.size = number, base, size
        self.path = folder / segment_name(number)
        self._fd = _create(self.path)
        try:
            os.posix_fallocate(self._fd, 0, size)
            self._map = mmap.mmap(self._fd, size)
        except OSError:
            _discard(self._fd, self.path)
            raise
        self._lock = threading.Lock()
        self._touched = self._gone = 0
        self.touch()

    @property
    def write(self) -> Callable[[bytes], object]:
        """Append one record whole, or raise ValueError when it does not fit."""
        return self._map.write if _has_gil() else self._locked_write

    def _locked_write(self, record: bytes) -> int:
        with self._lock:
            return self._map.write(record)

    def end(self) -> int:
        """Return the logical offset behind the last record."""
        try:
            return self.base + self._map.tell()
        except ValueError:  # sealed, perhaps just now by another thread
            return self.base + self.size

    def touch(self) -> None:
        """Have the kernel map the pages that come next, so that a log call does not wait for it.

        Those far behind are let go, so that a process does not grow with its segments; the file keeps them.
        """
        self._let_go(self.end() - self.base - _TOUCH)
        while self._touched < min(self.end() - self.base + _AHEAD, self.size):
            step = min(_TOUCH, self.size - self._touched)
            try:
                self._map.madvise(_MADV_POPULATE_WRITE, self._touched, step)
            except (OSError, ValueError):
                step = self.size  # an older kernel: pages come one by one, when they are written to
            self._touched += step
            time.sleep(0)

    def _let_go(self, behind: int) -> None:
        if behind - self._gone < _TOUCH:
            return
        try:
            self._map.madvise(mmap.MADV_DONTNEED, self._gone, behind // _TOUCH * _TOUCH - self._gone)
        except (OSError, ValueError):
            return  # sealed just now
        self._gone = behind // _TOUCH * _TOUCH

    def seal(self) -> None:
        """Make every further `write` raise ValueError."""
        with self._lock:
            self._map.close()

    def sync(self) -> None:
        """Return once what was written survives a power failure."""
        sync_file(self._fd)

    def close(self) -> None:
        """Release the file, which stays."""
        self._map.close()
        os.close(self._fd)


class AppendedSegment:
    """A segment that grows by ``os.write``: for file systems where a map could meet a full disk."""

    def __init__(self, folder: Path, number: int, base: int, size: int) -> None:
        self.number, self.base, self.size = number, base, size
        self.path = folder / segment_name(number)
        self._fd = _create(self.path)
        self._length = 0
        self._lock = threading.RLock()

    def write(self, record: bytes) -> None:
        """Append one record whole, or raise."""
        with self._lock:
            if self._length + len(record) > self.size:
                raise ValueError("segment is full")
            start = self._length
            try:
                while self._length < start + len(record):
                    self._length += os.write(self._fd, record[self._length - start :])
            except OSError:
                self._take_back(start)
                raise

    def _take_back(self, start: int) -> None:
        """Undo a record cut short; if even that fails, write no more behind it."""
        try:
            os.ftruncate(self._fd, start)
            self._length = start
        except OSError:
            self.size = self._length = padded(os.fstat(self._fd).st_size)

    def end(self) -> int:
        """Return the logical offset behind the last record."""
        return self.base + self._length

    def touch(self) -> None:
        """Do nothing: writing asks for no pages."""

    def seal(self) -> None:
        """Make every further `write` raise ValueError."""
        with self._lock:
            self.size = self._length = self._length // CELL * CELL

    def sync(self) -> None:
        """Return once what was written survives a power failure."""
        sync_file(self._fd)

    def close(self) -> None:
        """Release the file, which stays."""
        os.close(self._fd)


def _create(path: Path) -> int:
    binary = getattr(os, "O_BINARY", 0)
    path.unlink(missing_ok=True)  # left when an earlier attempt was interrupted
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | binary, 0o600)


def _discard(fd: int, path: Path) -> None:
    os.close(fd)
    path.unlink(missing_ok=True)


def _has_gil() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


@cache
def _mappable(folder: str) -> bool:
    """Tell whether `folder` is on a Linux file system known to keep reserved space."""
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    where, kind = "", ""
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(where):
            where, kind = point, after.split()[0]
    return kind in _MAPPABLE
