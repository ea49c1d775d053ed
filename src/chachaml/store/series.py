"""Points as columns: packing them into blocks, putting them in order, picking what a chart needs.

A block is one compact byte string, the same in every backend (docs/reference/schema.md): a byte that
says the version, then one zstd frame with a checksum over all that it holds:

    header    widths of the three columns, count; first and least difference of steps and of times
    columns   differences of steps, differences of times, values; each one byte-shuffled

Steps and times are kept as differences from one point to the next, less the least of them, in the
narrowest width that fits: an arithmetic progression needs none at all. Differences wrap around in
64 bits and so does adding them up again. Values are float32 where that loses no bit of any of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chachaml.core.errors import StoreDamaged
from chachaml.core.model import Summary
from chachaml.store.zstd import CompressionParameter, ZstdError, compress, decompress

__all__ = [
    "FULL",
    "KEPT",
    "STRETCH",
    "Points",
    "decode",
    "decode_into",
    "empty",
    "encode",
    "in_order",
    "join",
    "sample",
    "summarise",
]

FULL = 1 << 16
"""Points of a block that is not added to any more."""
STRETCH = 512
"""Points that one stretch of a sketch stands for."""
KEPT = 5
"""Points kept of a stretch, at most: first, lowest, highest, last, first NaN."""

_VERSION = b"\1"
_HEADER = struct.Struct("<BBBIqqqq")
_OPTIONS: dict[int, int] = {
    CompressionParameter.compression_level: 1,  # 3 takes half as long again and gains 0.5%
    CompressionParameter.checksum_flag: 1,
}

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Raw = npt.NDArray[np.uint8]
_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Points:
    """Columns of equal length, one entry a point; times in microseconds."""

    steps: Ints
    times: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, which: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Points:
        return Points(self.steps[which], self.times[which], self.values[which])


def empty(count: int) -> Points:
    """Return room for that many points, not filled."""
    return Points(np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.float64))


def join(pieces: Sequence[Points]) -> Points:
    """Return the points of `pieces`, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    return Points(
        np.concatenate([piece.steps for piece in pieces]),
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.values for piece in pieces]),
    )


# blocks -------------------------------------------------------------------------------------------


def encode(points: Points) -> bytes:
    """Return `points`, at least one, as a block."""
    step, least_step, steps = _deltas(points.steps)
    time, least_time, times = _deltas(points.times)
    columns = (steps, times, _narrowed(points.values))
    widths = [column.itemsize if len(column) else 0 for column in columns]
    raw = np.empty(_HEADER.size + sum(column.nbytes for column in columns), np.uint8)
    _HEADER.pack_into(raw.data, 0, *widths, len(points), step, least_step, time, least_time)
    at = _HEADER.size
    for column in columns:
        _shuffle(column, raw[at : at + column.nbytes])
        at += column.nbytes
    return _VERSION + compress(raw.data, options=_OPTIONS)


def decode(block: bytes) -> Points:
    """Return the points that `encode` packed.

    Raises:
        StoreDamaged: The block is damaged, or of a newer chachaml.
    """
    raw = _opened(block)
    points = empty(_HEADER.unpack_from(raw)[3])
    _unpack(raw, points)
    return points


def decode_into(block: bytes, points: Points) -> None:
    """Unpack a block into `points`, which must have room for exactly its points.

    Raises:
        StoreDamaged: The block is damaged, of a newer chachaml, or holds another number of points.
    """
    raw = _opened(block)
    if _HEADER.unpack_from(raw)[3] != len(points):
        raise StoreDamaged("a block of points is damaged: it holds another number of them than it should")
    _unpack(raw, points)


def _opened(block: bytes) -> bytes:
    if block[:1] != _VERSION:
        raise StoreDamaged(f"a block of points is damaged, or of the unknown version {block[:1].hex()!r}")
    try:
        return decompress(memoryview(block)[1:])
    except ZstdError as error:
        raise StoreDamaged(f"a block of points is damaged: {error}") from None


def _unpack(raw: bytes, points: Points) -> None:
    *widths, count, step, least_step, time, least_time = _HEADER.unpack_from(raw)
    columns = np.frombuffer(raw, np.uint8, offset=_HEADER.size)
    steps, times, values = np.split(columns, np.cumsum([(count - 1) * widths[0], (count - 1) * widths[1]]))
    _add_up(steps, widths[0], step, least_step, points.steps)
    _add_up(times, widths[1], time, least_time, points.times)
    if widths[2] == 8:
        _unshuffle(values, 8, points.values.view(np.uint64))
    else:
        narrow = np.empty(count, np.float32)
        _unshuffle(values, 4, narrow.view(np.uint32))
        with np.errstate(all="ignore"):
            points.values[:] = narrow


def _deltas(column: Ints) -> tuple[int, int, npt.NDArray[np.unsignedinteger]]:
    """Return the first entry, the least difference, and by how much each one is above the least."""
    words = column.view(np.uint64)
    deltas = (words[1:] - words[:-1]).view(np.int64)
    if not len(deltas):
        return int(column[0]), 0, np.empty(0, np.uint8)
    least = int(deltas.min())
    span = int(deltas.max()) - least
    if span == 0:
        return int(column[0]), least, np.empty(0, np.uint8)
    width = next(width for width in (1, 2, 4, 8) if span < 1 << 8 * width)
    above = deltas.view(np.uint64) - np.uint64(least % (1 << 64))
    return int(column[0]), least, above.astype(f"<u{width}")


def _add_up(raw: _Raw, width: int, first: int, least: int, out: Ints) -> None:
    words = out.view(np.uint64)
    words[0] = first % (1 << 64)
    if not width:
        words[1:] = least % (1 << 64)
    else:
        _unshuffle(raw, width, words[1:])
        words[1:] += np.uint64(least % (1 << 64))
    np.add.accumulate(words, out=words)


def _narrowed(values: Floats) -> npt.NDArray[np.floating]:
    """Return `values` as float32 if each of them comes back bit for bit, NaN and -0.0 too."""
    with np.errstate(all="ignore"):
        narrow = values.astype("<f4")
        back = narrow.astype("<f8")
    return narrow if np.array_equal(back.view(np.uint64), values.view(np.uint64)) else values


def _shuffle(column: npt.NDArray[np.generic], out: _Raw) -> None:
    """Write the first bytes of all entries, then the second ones, and so on."""
    planes = out.reshape(column.itemsize, -1)
    rows = np.ascontiguousarray(column).view(np.uint8).reshape(-1, column.itemsize)
    for place, plane in enumerate(planes):
        plane[:] = rows[:, place]


def _unshuffle(raw: _Raw, width: int, out: npt.NDArray[np.unsignedinteger]) -> None:
    planes = raw.reshape(width, len(out))
    if width < out.itemsize:
        out[:] = 0
    rows = out.view(np.uint8).reshape(len(out), out.itemsize)
    for place in range(width):
        rows[:, place] = planes[place]


# order and summary --------------------------------------------------------------------------------


def in_order(points: Points) -> Points:
    """Return `points`, given in the order of arrival, in the order (step, time, arrival)."""
    steps, times = points.steps, points.times
    later = steps[1:] > steps[:-1]
    if later.all() or (later | ((steps[1:] == steps[:-1]) & (times[1:] >= times[:-1]))).all():
        return points
    return points[np.lexsort((times, steps))]


def summarise(points: Points) -> Summary:
    """Return the summary of `points`, at least one, in the order of arrival."""
    points = in_order(points)
    steps, times, values = points.steps, points.times, points.values
    finite = np.isfinite(values)
    nans = 0
    if not finite.all():
        nans = int(np.isnan(values).sum())
        steps_of_finite, values_of_finite = steps[finite], values[finite]
    else:
        steps_of_finite, values_of_finite = steps, values
    count = len(values_of_finite)
    # argmin and argmax return the first of equals.
    low = int(values_of_finite.argmin()) if count else None
    high = int(values_of_finite.argmax()) if count else None
    with np.errstate(all="ignore"):
        total = float(values_of_finite.sum())
    return Summary(
        count=len(points),
        finite=count,
        nans=nans,
        infs=len(points) - count - nans,
        first_step=int(steps[0]),
        first_time=int(times[0]),
        first=float(values[0]),
        last_step=int(steps[-1]),
        last_time=int(times[-1]),
        last=float(values[-1]),
        min=None if low is None else float(values_of_finite[low]),
        min_step=None if low is None else int(steps_of_finite[low]),
        max=None if high is None else float(values_of_finite[high]),
        max_step=None if high is None else int(steps_of_finite[high]),
        sum=total,
    )


# sampling -----------------------------------------------------------------------------------------


def sample(points: Points, most: int) -> Points:
    """Return at most `most` (5 or more) of `points`, order kept, so that no extreme is hidden.

    Each stretch keeps its first, lowest, highest and last point and its first NaN; infinities
    count as extremes. Points that fit are returned as they are.
    """
    if len(points) <= most:
        return points
    width = -(-len(points) // (most // KEPT))
    whole = len(points) // width * width
    picks = [_corners(points.values[:whole].reshape(-1, width), 0)]
    if whole < len(points):
        picks.append(_corners(points.values[whole:].reshape(1, -1), whole))
    return points[np.unique(np.concatenate(picks))]


def _corners(rows: Floats, base: int) -> npt.NDArray[np.intp]:
    """Return where each row has its first, lowest, highest and last value and its first NaN."""
    width = rows.shape[1]
    starts = base + np.arange(len(rows), dtype=np.intp) * width
    lows, highs = rows.argmin(axis=1), rows.argmax(axis=1)
    corners = [starts, starts + width - 1, starts + lows, starts + highs]
    # Where there is a NaN, both found the first one, and the numbers are still to be searched.
    for row in np.flatnonzero(np.isnan(rows[np.arange(len(rows)), lows])):
        numbers = np.flatnonzero(~np.isnan(rows[row]))
        if len(numbers):
            values = rows[row, numbers]
            corners.append(starts[row] + numbers[[values.argmin(), values.argmax()]])
    return np.concatenate(corners)
