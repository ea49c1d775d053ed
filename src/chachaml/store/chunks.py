"""Series that are too long for their row: adding points to their chunks, and reading them."""

# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from chachaml.core.changes import Packed, PointsLogged, SeriesCopied
from chachaml.core.model import Series
from chachaml.store.engine import Db
from chachaml.store.rows import CHUNK, SUMMARY, summary_of
from chachaml.store.series import (
    FULL,
    KEPT,
    STRETCH,
    Points,
    decode,
    decode_into,
    empty,
    encode,
    in_order,
    join,
    sample,
    summarise,
)
from chachaml.store.tails import POINT, TAIL

__all__ = [
    "append",
    "columns",
    "decode",
    "outlines",
    "pack",
    "read",
    "read_all",
    "read_packed",
    "summarise",
    "unpack",
]

_SKETCHED = 8192
"""Points of the smallest chunk that has a sketch; a smaller one is decoded as quickly."""

_SHARED_OUT, _THREADS = 8, 4
"""From this many chunks on threads decode them: unpacking lets go of the interpreter's lock."""

_TAIL = np.dtype([("step", "<i8"), ("time", "<i8"), ("value", "<f8")])
Window = tuple[int, int]

_INSERT = f"INSERT INTO chunks ({CHUNK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def columns(steps: bytes, times: bytes, values: bytes) -> Points:
    """Return points over raw little-endian columns."""
    return Points(np.frombuffer(steps, "<i8"), np.frombuffer(times, "<i8"), np.frombuffer(values, "<f8"))


def _from_tail(tail: bytes) -> Points:
    cells = np.frombuffer(tail, _TAIL)
    return Points(*(np.ascontiguousarray(cells[name]) for name in ("step", "time", "value")))


def _to_tail(points: Points) -> bytes:
    return b"".join(map(POINT.pack, points.steps.tolist(), points.times.tolist(), points.values.tolist()))


# adding -------------------------------------------------------------------------------------------


def append(db: Db, run: int, key: int, tail: bytes, new: Points) -> bytes:
    """Add `new` behind `tail` to the chunks of a series; return what stays as its tail.

    Smaller chunks before are joined with the new one, so that their number grows with the
    logarithm of the points only, and a point is packed again about as seldom.
    """
    pieces = [_from_tail(tail), new]
    count, first = len(tail) // POINT.size + len(new), 0
    query = "SELECT id, no, count FROM chunks WHERE run = ? AND key = ? ORDER BY no DESC"
    for chunk, no, points in db.execute(query, (run, key)):
        if points >= FULL or points > count:
            first = no + 1
            break
        pieces.insert(0, decode(_blob(db, "data", chunk)))
        count, first = count + points, no
    db.execute("DELETE FROM chunks WHERE run = ? AND key = ? AND no >= ?", (run, key, first))
    chunks, tail = pack(join(pieces))
    for no, chunk in enumerate(chunks, first):
        db.execute(_INSERT, (run, key, no, *msgspec.structs.astuple(chunk)))
    return tail


def pack(points: Points) -> tuple[list[Packed], bytes]:
    """Return points, in the order of arrival, as chunks, and those that are too few for one as a tail."""
    chunks: list[Packed] = []
    for start in range(0, len(points), FULL):
        piece = points[start : start + FULL]
        if len(piece) <= TAIL:
            return chunks, _to_tail(piece)
        ends = int(piece.steps.min()), int(piece.steps.max())
        chunks.append(Packed(len(piece), *ends, _sketch(piece), encode(piece)))
    return chunks, b""


def unpack(series: SeriesCopied) -> Points:
    """Return the points of a series, in the order of arrival.

    Raises:
        StoreDamaged: A chunk is damaged.
    """
    return join([*(decode(chunk.data) for chunk in series.chunks), _from_tail(series.tail)])


def _blob(db: Db, column: str, chunk: int) -> bytes:
    blob: bytes = db.execute(f"SELECT {column} FROM chunks WHERE id = ?", (chunk,)).get
    return blob


def _sketch(points: Points) -> bytes | None:
    if len(points) < _SKETCHED:
        return None
    return encode(_thinned(in_order(points), len(points)))


def _thinned(points: Points, count: int) -> Points:
    """Return of `points`, in order, what a sketch of so many keeps."""
    return sample(points, KEPT * -(-count // STRETCH))


# reading ------------------------------------------------------------------------------------------


class _Chunk(NamedTuple):
    id: int
    points: int
    min_step: int
    max_step: int
    sketched: bool

    def inside(self, window: Window | None) -> bool:
        return window is None or (window[0] <= self.min_step and self.max_step <= window[1])


def read(
    db: Db, run: int, key: int, tail: bytes, window: Window | None, most: int | None
) -> tuple[Points, int]:
    """Return the points of a series, in order and at most `most`, and how many there are to choose from.

    Raises:
        StoreDamaged: A chunk is damaged.
    """
    # With twice as many stretches as are left at last, few points stand alone for theirs.
    points, total = outline(db, run, key, tail, window, None if most is None else 2 * (most // KEPT))
    return (points if most is None else sample(points, most)), total


def outline(
    db: Db, run: int, key: int, tail: bytes, window: Window | None, stretches: int | None
) -> tuple[Points, int]:
    """Return points of a series, in order, and how many there are to choose from.

    Args:
        db: The database.
        run: The run's number.
        key: The key's number.
        tail: The series' tail.
        window: Steps from and to; None for all.
        stretches: What sketches keep will do if it is of no fewer stretches than this; None for all points.

    Raises:
        StoreDamaged: A chunk is damaged.
    """
    chunks = _chunks(db, run, key, window)
    if stretches is not None and _stretches(chunks, window) >= stretches:
        pieces, total = _sketched(db, chunks, tail, window)
        return in_order(join(pieces)), total
    points = in_order(_cut(_all(db, chunks, tail), window))
    return points, len(points)


def outlines(
    db: Db, series: Sequence[tuple[str, str]], window: Window | None, stretches: int
) -> Iterator[Series]:
    """Yield what a drawing needs of those of some series that are here, each given by its run and key."""
    for run, key, (run_no, key_no), tail in _tails(db, series):
        points, total = outline(db, run_no, key_no, tail, window, stretches)
        yield Series(run, key, points.steps, points.times, points.values, total, len(points) < total)


def read_all(db: Db, series: Sequence[tuple[str, str]]) -> Iterator[PointsLogged]:
    """Yield all points, in order, of those of some series that are here, each given by its run and key."""
    for run, key, cell, tail in _tails(db, series):
        chunks = db.execute("SELECT data FROM chunks WHERE run = ? AND key = ? ORDER BY no", cell)
        points = in_order(join([*(decode(data) for (data,) in chunks), _from_tail(tail)]))
        yield PointsLogged(run, key, points.steps.tobytes(), points.times.tobytes(), points.values.tobytes())


def read_packed(db: Db, series: Sequence[tuple[str, str]]) -> Iterator[SeriesCopied]:
    """Yield those of some series that are here as they are packed, each given by its run and key."""
    about = f"SELECT {SUMMARY} FROM series WHERE run = ? AND key = ?"
    inside = (
        "SELECT count, min_step, max_step, sketch, data FROM chunks WHERE run = ? AND key = ? ORDER BY no"
    )
    for run, key, cell, tail in _tails(db, series):
        summary = summary_of(db.execute(about, cell).fetchone())
        chunks = tuple(Packed(*row) for row in db.execute(inside, cell))
        yield SeriesCopied(run, summary.first_time, key, summary, tail, chunks)


def _tails(db: Db, series: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, tuple[int, int], bytes]]:
    """Yield the run, the key, their numbers and the tail of those of some series that are here."""
    runs: dict[str, int | None] = {}
    keys: dict[str, int | None] = {}
    for run, key in series:
        if run not in runs:
            runs[run] = db.execute("SELECT no FROM runs WHERE id = ?", (run,)).get
        if key not in keys:
            keys[key] = db.execute("SELECT no FROM keys WHERE name = ?", (key,)).get
        run_no, key_no = runs[run], keys[key]
        if run_no is None or key_no is None:
            continue
        tail = db.execute("SELECT tail FROM series WHERE run = ? AND key = ?", (run_no, key_no)).get
        if tail is not None:
            yield run, key, (run_no, key_no), tail


def _chunks(db: Db, run: int, key: int, window: Window | None) -> list[_Chunk]:
    query = "SELECT id, count, min_step, max_step, sketch IS NOT NULL FROM chunks WHERE run = ? AND key = ?"
    if window is None:
        rows = db.execute(query + " ORDER BY no", (run, key))
    else:
        query += " AND max_step >= ? AND min_step <= ? ORDER BY no"
        rows = db.execute(query, (run, key, *window))
    return [_Chunk(*row) for row in rows]


def _stretches(chunks: list[_Chunk], window: Window | None) -> int:
    """Return of how many stretches there are sketches."""
    return sum(chunk.points for chunk in chunks if chunk.sketched and chunk.inside(window)) // STRETCH


def _sketched(db: Db, chunks: list[_Chunk], tail: bytes, window: Window | None) -> tuple[list[Points], int]:
    """Return what sketches keep of the points in the window, and how many these are."""
    pieces, total = [], 0
    for chunk in chunks:
        if chunk.sketched and chunk.inside(window):
            pieces.append(decode(_blob(db, "sketch", chunk.id)))
            total += chunk.points
        else:
            # As thin as its neighbours, or a chunk at the edge would outweigh them all.
            whole = _cut(decode(_blob(db, "data", chunk.id)), window)
            pieces.append(_thinned(in_order(whole), len(whole)))
            total += len(whole)
    pieces.append(_cut(_from_tail(tail), window))
    return pieces, total + len(pieces[-1])


def _cut(points: Points, window: Window | None) -> Points:
    if window is None:
        return points
    return points[(points.steps >= window[0]) & (points.steps <= window[1])]


def _all(db: Db, chunks: list[_Chunk], tail: bytes) -> Points:
    last = _from_tail(tail)
    points = empty(sum(chunk.points for chunk in chunks) + len(last))
    starts = list(accumulate((chunk.points for chunk in chunks), initial=0))
    blocks = [_blob(db, "data", chunk.id) for chunk in chunks]
    rooms = [points[start:end] for start, end in pairwise(starts)]
    _decode_all(blocks, rooms)
    at = starts[-1]
    points.steps[at:], points.times[at:], points.values[at:] = last.steps, last.times, last.values
    return points


def _decode_all(blocks: list[bytes], rooms: list[Points]) -> None:
    if len(blocks) >= _SHARED_OUT:
        try:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(_THREADS) as pool:
                deque(pool.map(decode_into, blocks, rooms), maxlen=0)
            return
        except RuntimeError:
            pass  # the interpreter is on its way out, and starts no more threads
    for block, room in zip(blocks, rooms, strict=True):
        decode_into(block, room)
