"""Whether two stores hold the same: counted, and read again to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import msgpack
from msgspec.structs import replace

from chachaml.artifacts.blobs import BlobStore
from chachaml.connected import Connection
from chachaml.core.changes import SeriesCopied
from chachaml.core.errors import ChachamlError, StoreDamaged
from chachaml.core.model import Summary
from chachaml.moving.account import Tally
from chachaml.moving.difference import likeness
from chachaml.moving.mirror import pages_of
from chachaml.moving.places import is_sound
from chachaml.moving.points import PACKED, lots, pieces
from chachaml.store.chunks import decode
from chachaml.store.protocol import Store

__all__ = ["verify"]

_ALL = 2**31 - 1


def verify(source: Connection, target: Connection, tally: Tally) -> bool:
    """Read both stores; tell whether the target holds all that the source does, and name what differs."""
    before = len(tally.left())
    there, here = source.store(), target.store()
    for ids in pages_of(there):
        _compare_runs(there, here, ids, tally)
    for what, read in _RESTS:
        if missing := _strangers(read(there), read(here)):
            tally.leave(what, f"{len(missing):,} rows", "they are not the same at the target")
    blobs = target.blobs()
    for digest in sorted(there.digests()):
        if not blobs.put_at(digest):
            tally.leave("bytes", digest[:12], "they are not at the target")
        elif not _are_read(blobs, digest):
            tally.leave("bytes", digest[:12], "they are damaged at the target")
    return len(tally.left()) == before


def _are_read(blobs: BlobStore, digest: str) -> bool:
    try:
        return is_sound(blobs, digest)
    except ChachamlError:
        return False


def _compare_runs(there: Store, here: Store, ids: Sequence[str], tally: Tally) -> None:
    theirs, ours = there.whole_runs(ids), {one.row.id: one for one in here.whole_runs(ids)}
    same = []
    for one in theirs:
        if one.row.id not in ours:
            tally.leave("run", one.row.id, "it is not at the target")
        elif likeness(one) != likeness(ours[one.row.id]):
            tally.leave("run", one.row.id, "it is not the same at the target")
        else:
            same.append(one)
    series = [(one.row.id, key, summary) for one in same for key, summary in one.row.metrics.items()]
    for run, key in _different(there, here, series):
        tally.leave("points", f"{key} of {run}", "they are not the same at the target")


def _different(
    there: Store, here: Store, series: Sequence[tuple[str, str, Summary]]
) -> Iterator[tuple[str, str]]:
    """Yield the runs and keys of those series that differ, packed alike or not."""
    for lot in lots(series, PACKED):
        names = [(run, key) for run, key, _ in lot]
        ours = {(one.run, one.key): one for one in here.read_packed(names)}
        for one in there.read_packed(names):
            name = (one.run, one.key)
            try:
                if _alike(one, ours.get(name)):
                    continue
                same = name in ours and _hash(there, *name, one.summary) == _hash(here, *name, one.summary)
            except StoreDamaged:  # points that cannot be read are other points
                same = False
            if not same:
                yield name


def _alike(there: SeriesCopied, here: SeriesCopied | None) -> bool:
    """Tell whether two series are packed into the same bytes, and these can be read."""
    if here is None or (there.tail, there.chunks) != (here.tail, here.chunks):
        return False
    return sum(len(decode(chunk.data)) for chunk in here.chunks) == sum(one.count for one in here.chunks)


def _hash(store: Store, run: str, key: str, summary: Summary) -> list[bytes]:
    """Return a hash of the points of a series, in their order."""
    columns = [sha256(), sha256(), sha256()]
    for points in pieces(store, [(run, key, summary)]):
        for one in points:
            for hasher, column in zip(columns, (one.steps, one.times, one.values), strict=True):
                hasher.update(column)
    return [column.digest() for column in columns]


def _strangers(there: Iterator[Any], here: Iterator[Any]) -> set[bytes]:
    """Return what is there and not here."""
    return set(map(msgpack.encode, there)) - set(map(msgpack.encode, here))


def _models(store: Store) -> Iterator[Any]:
    return iter(store.models())


def _versions(store: Store) -> Iterator[Any]:
    return iter(store.versions())


def _moves(store: Store) -> Iterator[Any]:
    return (replace(row, no=0) for model in store.models() for row in store.moves(model.name, limit=_ALL))


def _history(store: Store) -> Iterator[Any]:
    undone = {True: 1, False: None}
    for row in store.history(limit=_ALL):
        yield replace(row, no=0, undone=undone[row.undone is not None])


_RESTS: tuple[tuple[str, Callable[[Store], Iterator[Any]]], ...] = (
    ("models", _models),
    ("versions", _versions),
    ("history of models", _moves),
    ("corrections", _history),
)
