"""Syncing: what was written survives a power failure once the medium has it, and not only the drive's cache.

On Linux and Windows the system's call asks the drive, too. On macOS ``fsync`` leaves bytes in the drive's
cache, which a power failure empties; there ``F_FULLFSYNC`` asks it, and ``fsync`` is left to file systems
that refuse that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["sync_file", "sync_folder", "sync_paths"]

_MANY = 64
"""From this many files on, syncing all that the system holds back is quicker than each."""

_FAILURES = {errno.EIO, errno.ENOSPC, errno.EDQUOT}
"""What comes back from a drive that was asked and failed; anything else, from a file system that refuses."""


def sync_file(fd: int) -> None:
    """Return once the bytes of an open file survive a power failure; its times may not.

    Raises:
        OSError: The disk failed.
    """
    if not _asked_the_drive(fd):
        (getattr(os, "fdatasync", None) or os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Return once the names of the files in `folder` survive a power failure, where that can be asked."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        if not _asked_the_drive(fd):
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_paths(paths: Sequence[Path]) -> None:
    """Return once files and folders of one drive survive a power failure; what is gone is left out."""
    if len(paths) >= _MANY and sys.platform == "linux":  # elsewhere that call does not wait
        os.sync()
        return
    last = None
    for path in paths:
        with contextlib.suppress(OSError), _opened(path) as fd:
            os.fsync(fd)
            last = path
    if last is not None:  # the drive has them all, and is asked once
        with contextlib.suppress(OSError), _opened(last) as fd:
            _asked_the_drive(fd)


def _asked_the_drive(fd: int) -> bool:
    """Have the drive of an open file write what it holds; return whether there is a way to ask for that."""
    question = getattr(fcntl, "F_FULLFSYNC", None)
    if question is None:
        return False
    try:
        fcntl.fcntl(fd, question)
    except OSError as error:
        if error.errno in _FAILURES:
            raise
        return False
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
