"""Bringing in what other processes left: journals of the dead, and of the living that fell behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from chachaml.core.changes import Batch, JournalInfo, OwnerLost
from chachaml.core.ids import is_shared
from chachaml.core.model import RunQuery
from chachaml.journal import liveness
from chachaml.journal.decoder import first_time
from chachaml.journal.drainer import Drain
from chachaml.journal.format import CELL
from chachaml.journal.journal import remove_folder
from chachaml.journal.reader import FolderSource, segments_of
from chachaml.store.protocol import Beating, Store

__all__ = ["GONE_AFTER", "Recovered", "bury_silent", "journal_folders", "reap", "recover"]

_YOUNG = 60.0
"""A folder without segments may be a journal that is just being opened, for so many seconds."""


GONE_AFTER = 120.0
"""Seconds without a word after which a process that logs from elsewhere is taken for dead."""

_LATE = 500_000_000
"""Nanoseconds that an owner may take to drain its own journal."""
_PEEK = 64 << 10


IsDead = Callable[[Path, JournalInfo], bool]


class Recovered(msgspec.Struct):
    """What `recover` found and did."""

    drained: int = 0
    """Journals of dead processes that were brought in and removed."""
    live: int = 0
    """Journals whose owner lives."""
    set_aside: list[str] = msgspec.field(default_factory=list)
    """Folders of journals that belong to another store; they are left untouched."""
    out_of_reach: list[str] = msgspec.field(default_factory=list)
    """Folders of journals that this user or this disk does not let be brought in, and why."""
    damaged: int = 0
    """Bytes skipped because no checksum held."""


def journal_folders(root: Path) -> list[Path]:
    """Return the folders of all journals below `root`, oldest first."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return []


def recover(
    root: Path,
    store: Store,
    store_id: str,
    report: Recovered,
    *,
    own: str = "",
    at_once: bool = False,
    is_dead: IsDead | None = None,
) -> None:
    """Drain the journals below `root` that are not this process's own, as far as need be.

    A dead owner's journal is brought in whole and removed, and what it still ran has crashed. Of a
    living owner's, only what it has not drained within half a second is applied, unless `at_once`.

    Args:
        root: The folder of all journals of the store.
        store: The store.
        store_id: Its id: journals of another store are set aside, never replayed.
        report: What is found and done is added to it.
        own: Id of this process's journal, which is drained elsewhere.
        at_once: Apply all that living owners have written so far.
        is_dead: Tells whether a journal's owner is gone. Default: by the lock that it holds.

    Raises:
        StoreError: The store did not take it; nothing is lost, call again later.
    """
    late = 0 if at_once else _LATE
    for folder in journal_folders(root):
        if folder.name == own:
            continue
        try:
            _recover_one(folder, store, store_id, report, late, is_dead)
        except FileNotFoundError:  # another process has just brought it in
            continue
        except OSError as error:
            report.out_of_reach.append(f"{folder}: {error.strerror}")


def _recover_one(
    folder: Path, store: Store, store_id: str, report: Recovered, late: int, is_dead: IsDead | None
) -> None:
    info = FolderSource(folder).info
    if info is None and is_dead is None:
        _sweep(folder)
    elif info is None:
        return
    elif info.store not in ("", store_id):
        report.set_aside.append(str(folder))
    else:
        with _if_dead(folder, info) if is_dead is None else nullcontext(is_dead(folder, info)) as dead:
            if dead:
                _bury(folder, info, store, report)
                remove_folder(folder, dead if isinstance(dead, liveness.Lock) else None)
                return
        report.live += 1
        _help(folder, store, late)


@contextmanager
def _if_dead(folder: Path, info: JournalInfo) -> Iterator[liveness.Lock | None]:
    """Hold the journal's lock if its owner is dead, and give it."""
    try:
        lock = liveness.hold(folder)
    except FileNotFoundError:  # another process has just brought it in
        lock = None
    try:
        yield lock if lock and (lock.real or liveness.lives(info) is False) else None
    finally:
        if lock is not None:
            lock.drop()


def _bury(folder: Path, info: JournalInfo, store: Store, report: Recovered) -> None:
    """Bring in all that a dead process's journal holds, let its runs crash, and remove its segments."""
    drain = Drain(FolderSource(folder), store)
    drain.run()
    report.damaged += drain.damaged
    _lose(store, info.id, f"lost:{info.id}:{drain.position}")
    store.sync()
    for segment in segments_of(folder):
        segment.path.unlink(missing_ok=True)
    for path in folder.glob("*.seg"):
        if _is_blank(path):  # its owner died before it wrote the header
            path.unlink(missing_ok=True)
        else:
            report.damaged += path.stat().st_size
    report.drained += 1


def _is_blank(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(file.read(CELL))


def _lose(store: Store, journal: str, command: str) -> None:
    lost = OwnerLost(journal, time.time_ns() // 1000)
    store.apply(Batch((lost,), command=command))


def _help(folder: Path, store: Store, late: int) -> None:
    """Apply what a living owner wrote more than `late` nanoseconds ago and has not drained."""
    source = FolderSource(folder, alive=True)
    if source.info is None:
        return
    waiting = source.stretch(store.applied_to(source.info.id), _PEEK)
    written = waiting and first_time(waiting.data)
    if written and (not late or written < time.time_ns() - late):
        Drain(source, store).run()


def _sweep(folder: Path) -> None:
    """Remove the folder of a process that died before it wrote anything."""
    try:
        if time.time() - folder.stat().st_mtime > _YOUNG and (lock := liveness.hold(folder)):
            if not list(folder.glob("*.seg")):
                remove_folder(folder, lock)
            lock.drop()
    except OSError:
        return


def bury_silent(store: Beating, *, heard_for: float, gone_after: float = GONE_AFTER, own: str = "") -> int:
    """Let runs crash of whose process, on another machine perhaps, nothing was heard for long.

    Args:
        store: The store.
        heard_for: Seconds since when the store could be reached: before, nobody was heard.
        gone_after: Seconds without a word that tell that a process is gone.
        own: Id of this process's journal.

    Returns:
        How many such processes there were.
    """
    if heard_for < gone_after:
        return 0
    silent = store.silent_owners(gone_after)
    silent.pop(own, None)
    for owner, heard in silent.items():
        store.apply(Batch((OwnerLost(owner, heard),), command=f"gone:{owner}:{time.time_ns()}"))
    return len(silent)


def reap(roots: Iterable[Path], store: Store, *, own: str = "") -> int:
    """Let runs crash whose owner's journal is gone: deleted by hand, or left on another machine.

    Returns:
        How many such owners there were.
    """
    query = RunQuery(status="running", archived=None, limit=1000)
    owners = {run.owner for run in store.find_runs(query).runs}
    # Of those who write to a spool, only whoever brings the spool in can tell.
    local = [owner for owner in owners if owner and owner != own and not is_shared(owner)]
    gone = [owner for owner in local if not any(_may_exist(root / owner) for root in roots)]
    for owner in gone:
        _lose(store, owner, f"gone:{owner}:{time.time_ns()}")
    return len(gone)


def _may_exist(folder: Path) -> bool:
    """Tell whether a folder is there, or cannot be asked for just now."""
    try:
        return folder.exists()
    except OSError:
        return True
