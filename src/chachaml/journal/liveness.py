"""Telling whether a journal's owner still lives.

The owner holds an OS lock on the file ``lock`` in its journal's folder for as long as it lives; the
system drops it however the process ends. Where a file system has no locks, its pid, the
process's start time and the machine's boot id decide instead.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache
from pathlib import Path

from chachaml.core.changes import JournalInfo

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCK", "Lock", "hold", "identity", "lives", "whoami"]

LOCK = "lock"
"""Name of the lock file."""

_SYNCHRONIZE, _STILL_RUNS, _ACCESS_DENIED = 0x100000, 0x102, 5
"""From Windows' headers: a right to a process, WAIT_TIMEOUT and an error."""


class Lock:
    """A lock taken; ``real`` is False where the file system has no locks: ask `lives` then."""

    def __init__(self, fd: int, *, real: bool) -> None:
        self._fd, self.real = fd, real

    def drop(self) -> None:
        """Let go of the lock, or of a forked process's copy of it, if that was not done yet."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def hold(folder: Path, *, wait: bool = False) -> Lock | None:
    """Take the lock of a journal's folder; return None if another process has it."""
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(fd, wait)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        return Lock(fd, real=False)
    return Lock(fd, real=True)


def _lock(fd: int, wait: bool) -> None:
    if fcntl:
        # flock, not lockf: a forked child that closes its copy of the file must not drop the lock.
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt

    while True:
        try:
            # LK_LOCK gives up after ten seconds.
            msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EDEADLK):
                raise
            if not wait:
                raise BlockingIOError(str(error)) from None
        else:
            return


def whoami(journal: str, store: str, time: int) -> JournalInfo:
    """Return what this process writes about itself into its journal's header."""
    return JournalInfo(
        id=journal,
        store=store,
        host=_host(),
        boot=_boot(),
        pid=os.getpid(),
        pid_started=_started(os.getpid()) or 0,
        time=time,
    )


def identity(pid: int) -> str:
    """Return what tells a process of this machine from any other, here and elsewhere, now and later."""
    return f"{_host()} {_boot()} {pid} {_started(pid)}"


def lives(info: JournalInfo) -> bool | None:
    """Tell by its pid whether the process lives; None if it is on another machine."""
    if info.host != _host():
        return None
    if info.boot != _boot():
        return False
    started = _started(info.pid)
    if started is None:
        return False
    return not info.pid_started or not started or started == info.pid_started


@cache
def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Return a process's start in clock ticks since boot; 0 where that is unknown, None if it is gone."""
    try:
        # The name, in parentheses, may hold spaces and parentheses; the fields behind it do not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _exists(pid)
    except (OSError, IndexError, ValueError):
        return 0


def _exists(pid: int) -> int | None:
    if sys.platform == "win32":
        return _exists_in_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return 0


def _exists_in_windows(pid: int) -> int | None:
    # os.kill(pid, 0) would be Ctrl-C there.
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE, False, pid))
    if not handle:
        refused = ctypes.get_last_error() == _ACCESS_DENIED  # type: ignore[attr-defined]
        return 0 if refused else None
    try:
        return 0 if kernel.WaitForSingleObject(handle, 0) == _STILL_RUNS else None
    finally:
        kernel.CloseHandle(handle)
