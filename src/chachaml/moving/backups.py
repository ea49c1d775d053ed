"""`backup` and `restore_backup`: a store and its artifacts in a folder, which is a store itself.

<folder>/chachaml.db           the store, as it was at one moment
<folder>/chachaml-artifacts/   the bytes of its artifacts
<folder>/backup.json           what was backed up and when; written last
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from chachaml.artifacts.blobs import LocalBlobs
from chachaml.connected import Connection
from chachaml.core import settings
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.core.model import RunQuery
from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.migrating import mirror_all
from chachaml.moving.mirror import pages_of
from chachaml.moving.places import Place, carry_bytes, is_sound, place, show
from chachaml.store.protocol import Store
from chachaml.store.sqlite import SQLiteStore, open_sqlite

__all__ = ["backup", "restore_backup"]

_STORE, _ARTIFACTS, _NOTE = "chachaml.db", "chachaml-artifacts", "backup.json"


class Note(msgspec.Struct):
    """What a backup is of."""

    source: str
    store: str
    time: int
    runs: int
    points: int


def backup(
    folder: str | os.PathLike[str],
    store: Place | None = None,
    *,
    token: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Copy a store and its artifacts into a folder, while others go on logging.

    The folder is a store itself: ``chachaml --store FOLDER/chachaml.db runs`` looks into it. A folder with an
    earlier backup of the same store is brought up to date, and bytes that it has are not copied again. At the
    end all of it is read again.

    Args:
        folder: Where to; made if need be.
        store: What: a path, or the address of a server. Default: the store in use.
        token: What to show a server. Default: ``CHACHAML_TOKEN``.
        progress: Called with the number of runs done, of all, and of points.

    Returns:
        What was copied; ``verified`` tells whether the copy is whole.

    Raises:
        BadValue: The folder holds the backup of another store, or something else.
        StoreUnavailable: The store cannot be read, or there is no room.
    """
    from_ = place(store, token, there=True)
    into = Path(folder).expanduser().absolute()
    source, tally = from_.ready(at_once=True), Tally()
    _check_folder(into, source)
    (into / _NOTE).unlink(missing_ok=True)  # until it is whole again
    if isinstance(source, SQLiteStore):
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        source.copy_to(into / _STORE)
    else:
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _inside(into) as to:
            mirror_all(from_, to, Tally(), follow=False, progress=progress)
    blobs = LocalBlobs(into / _ARTIFACTS)
    with closing(open_sqlite(into / _STORE, create=False)) as copy:
        _bring_bytes(from_, copy, blobs, tally, progress)
        blobs.sync()
        well = _is_whole(copy, blobs, tally)
        info = copy.info()
        note = Note(from_.place, source.id, time.time_ns() // 1000, info.runs, info.points)
    (into / _NOTE).write_bytes(msgspec.json.format(msgspec.json.encode(note)))
    return tally.result(from_.place, str(into), verified=well)


def _check_folder(into: Path, source: Store) -> None:
    if not (into / _STORE).exists():
        if into.exists() and any(into.iterdir()):
            raise BadValue(f"{into} is not empty, and holds no backup", "name another folder")
        return
    try:
        known = _note(into).store
    except BadValue:  # one that was broken off
        with closing(open_sqlite(into / _STORE, create=False)) as copy:
            known = copy.id
    if known != source.id and isinstance(source, SQLiteStore):
        raise BadValue(f"{into} holds the backup of another store", "name another folder")


def _note(folder: Path) -> Note:
    try:
        return msgspec.json.decode((folder / _NOTE).read_bytes(), type=Note)
    except (OSError, msgspec.MsgspecError):
        raise BadValue(
            f"{folder} is no backup, or one that was broken off: it has no {_NOTE}",
            f"what is there may still be read: chachaml --store {folder / _STORE} runs",
        ) from None


@contextmanager
def _inside(folder: Path) -> Iterator[Connection]:
    """Give the connection to the store in a backup's folder."""
    where = Connection(folder / _STORE)
    where.keep_artifacts(folder / _ARTIFACTS)
    where.store(create=True)
    try:
        yield where
    finally:
        where.close()


def _bring_bytes(
    from_: Connection, copy: Store, blobs: LocalBlobs, tally: Tally, progress: Progress | None
) -> None:
    """Copy all bytes that a copied store names; count what it holds."""
    total = copy.count_runs(RunQuery(archived=None))
    for ids in pages_of(copy):
        rows = [artifact for one in copy.whole_runs(ids) for artifact in one.row.artifacts]
        carry_bytes(from_.blobs(), blobs, rows, tally)
        held = copy.contents(ids)
        tally.runs += held.runs
        tally.params += held.params
        tally.metrics += held.metrics
        tally.points += held.points
        tally.artifacts += held.artifacts
        if progress:
            progress(tally.runs, total, tally.points)
    versions = copy.versions()
    carry_bytes(from_.blobs(), blobs, versions, tally)
    tally.models, tally.versions = len(copy.models()), len(versions)


def _is_whole(copy: SQLiteStore, blobs: LocalBlobs, tally: Tally) -> bool:
    """Read a copy again, all points and all bytes; name what is damaged or missing."""
    for problem in copy.check():
        tally.leave("store", "the copy", problem)
    for digest in sorted(copy.digests()):
        if blobs.put_at(digest) and not is_sound(blobs, digest):
            tally.leave("bytes", digest[:12], "they are damaged in the backup")
    return not tally.left()


def restore_backup(
    folder: str | os.PathLike[str],
    target: Place | None = None,
    *,
    token: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Bring back what `backup` copied.

    Where there is no store it becomes what it was, with the same id. To a server, or into a store that is
    there, all is brought as by `migrate`, and what it holds besides stays.

    Args:
        folder: The backup.
        target: Where to: a path, or the address of a server. Default: the store in use.
        token: What to show a server. Default: ``CHACHAML_TOKEN``.
        progress: Called with the number of runs done, of all, and of points.

    Returns:
        What came back; ``verified`` is False if bytes in the backup are damaged, as ``left`` tells.

    Raises:
        BadValue: No backup, or one that was broken off.
        StoreUnavailable: The target cannot be written.
    """
    source = Path(folder).expanduser().absolute()
    _note(source)
    to, tally = place(target, token), Tally()
    if settings.is_elsewhere(to.path) or to.path.exists():
        to.store(create=True)
        with _inside(source) as from_:
            mirror_all(from_, to, tally, follow=False, progress=progress)
        return _restored(source, to.place, tally)
    with _inside(source) as from_:
        opened = from_.store()
        if not isinstance(opened, SQLiteStore):
            raise StoreUnavailable(f"{source / _STORE} is no store's file")
        opened.copy_to(to.path)
        copy = to.store()
        _bring_bytes(from_, copy, to.blobs(), tally, progress)
        for ids in pages_of(copy):
            for one in copy.whole_runs(ids):
                show(to.blobs(), one.row.id, one.row.artifacts)
    to.blobs().sync()
    return _restored(source, to.place, tally)


def _restored(source: Path, target: str, tally: Tally) -> Moved:
    damaged = any(one.what == "bytes" for one in tally.left())
    return tally.result(str(source), target, verified=False if damaged else None)
