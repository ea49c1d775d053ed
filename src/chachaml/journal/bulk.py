"""Decoding many points at once, with numpy; imported only when there are many."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from chachaml.core.changes import PointsLogged
from chachaml.journal.format import CELL, POINT

__all__ = ["Columns", "by_series", "from_bytes", "leading_points"]

_CELL = np.dtype([("head", "<u4"), ("checksum", "<u4"), ("step", "<i8"), ("time", "<i8"), ("value", "<f8")])
_FEWEST = 32
"""Fewer points between two frames are taken one by one sooner."""


class Columns(NamedTuple):
    """Points in the order written: series numbers, steps, nanoseconds, values."""

    numbers: npt.NDArray[np.uint32]
    steps: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def from_bytes(numbers: bytes, steps: bytes, times: bytes, values: bytes) -> Columns:
    """Return columns over raw little-endian bytes."""
    return Columns(
        np.frombuffer(numbers, "<u4"),
        np.frombuffer(steps, "<i8"),
        np.frombuffer(times, "<i8"),
        np.frombuffer(values, "<f8"),
    )


def leading_points(data: bytes, at: int, salt: int | None, known: Container[int]) -> Columns | None:
    """Return the points that follow each other whole from `at` on, or None if they are too few.

    Args:
        data: Whole cells.
        at: Where in `data` the first point starts.
        salt: What their checksums start from; None to trust them.
        known: The numbers of declared series; a point of any other ends the run.
    """
    count = _count_points(data, at)
    if count < _FEWEST:
        return None
    cells = np.frombuffer(data, _CELL, count, at)
    numbers = (cells["head"] >> 8).astype(np.uint32, copy=False)
    whole = np.isin(numbers, [n for n in np.unique(numbers).tolist() if n in known])
    if salt is not None:
        whole &= _checksums(cells, salt) == cells["checksum"]
    if not whole.all():
        count = int(whole.argmin())
    if count < _FEWEST:
        return None
    return Columns(numbers[:count], cells["step"][:count], cells["time"][:count], cells["value"][:count])


def _count_points(data: bytes, at: int) -> int:
    """Count the cells from `at` on that are marked as points, looking at twice as many each time."""
    firsts = np.frombuffer(data, np.uint8)[at::CELL]
    window = _FEWEST
    while True:
        marks = firsts[:window] == POINT
        if not marks.all():
            return int(marks.argmin())
        if window >= len(firsts):
            return len(firsts)
        window *= 8


def by_series(pieces: list[Columns], series: Mapping[int, tuple[str, str]]) -> list[PointsLogged]:
    """Return the points of `pieces`, given in the order written, joined by series."""
    numbers, steps, times, values = (np.concatenate(column) for column in zip(*pieces, strict=True))
    times = times // 1000
    if numbers[0] == numbers[-1] and (numbers == numbers[0]).all():
        cuts, found = [slice(None)], [int(numbers[0])]
    else:
        order = np.argsort(numbers, kind="stable")
        numbers, steps, times, values = (column[order] for column in (numbers, steps, times, values))
        ends = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        cuts = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        found = numbers[[cut.start for cut in cuts]].tolist()
    return [
        PointsLogged(*series[number], steps[cut].tobytes(), times[cut].tobytes(), values[cut].tobytes())
        for number, cut in zip(found, cuts, strict=True)
        if number in series
    ]


def _checksums(cells: npt.NDArray[np.void], salt: int) -> npt.NDArray[np.uint32]:
    """Return the CRC-32 that each point's body should have.

    A CRC is affine over GF(2): that of a message is the XOR of what each of its bytes contributes
    by value and place, and of that of the all-zero message. So 28 look-ups do a whole column.
    """
    rows = cells.view(np.uint8).reshape(len(cells), CELL)
    result = np.full(len(cells), crc32(bytes(CELL - 4), salt), np.uint32)
    for table, place in zip(_tables(), (0, 1, 2, 3, *range(8, CELL)), strict=True):
        column = rows[:, place]
        first = column[0]
        # Most bytes (of the series, of small steps, of the day) are the same in all points.
        result ^= table[first] if (column == first).all() else table[column]
    return result


@cache
def _tables() -> npt.NDArray[np.uint32]:
    """Return, by place in a point's body and byte value, what that byte contributes to the CRC."""
    size = CELL - 4
    zero = crc32(bytes(size))
    tables = np.empty((size, 256), np.uint32)
    for place in range(size):
        for value in range(256):
            body = bytes(place) + bytes([value]) + bytes(size - 1 - place)
            tables[place, value] = crc32(body) ^ zero
    return tables
