"""Points on their way: read in pieces that fit in memory, and those picked that are new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from chachaml.core.changes import PointsLogged, SeriesCopied
from chachaml.core.model import Summary
from chachaml.store.protocol import Store

__all__ = ["PACKED", "PIECE", "lots", "missing", "packed", "pieces"]

PIECE = 400_000
"""Points that are carried at once."""

PACKED = 4_000_000
"""Points that are carried at once when they are packed: some 30 MB."""

_Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def pieces(store: Store, series: Iterable[tuple[str, str, Summary]]) -> Iterator[list[PointsLogged]]:
    """Yield the points of some series, given by run, key and summary, about as many as `PIECE` at once."""
    for some in lots(series, PIECE):
        if some[0][2].count > PIECE:
            yield from ([part] for part in _parts(store, *some[0]))
        else:
            yield store.read_points([(run, key) for run, key, _ in some])


def packed(
    store: Store, series: Iterable[tuple[str, str, Summary]]
) -> Iterator[Sequence[PointsLogged | SeriesCopied]]:
    """Yield some series as they are packed, several at once; one of very many points comes in parts."""
    for some in lots(series, PACKED):
        if some[0][2].count > PACKED:
            yield from ([part] for part in _parts(store, *some[0]))
        else:
            yield store.read_packed([(run, key) for run, key, _ in some])


def lots(series: Iterable[tuple[str, str, Summary]], most: int) -> Iterator[list[tuple[str, str, Summary]]]:
    """Yield series in lots of at most so many points; one that has more is a lot of its own."""
    lot: list[tuple[str, str, Summary]] = []
    points = 0
    for one in series:
        if lot and points + one[2].count > most:
            yield lot
            lot, points = [], 0
        lot.append(one)
        points += one[2].count
    if lot:
        yield lot


def _parts(store: Store, run: str, key: str, summary: Summary) -> Iterator[PointsLogged]:
    """Yield a long series by stretches of its steps."""
    first, last = summary.first_step, summary.last_step
    width = max((last - first + 1) * PIECE // summary.count, 1)
    for start in range(first, last + 1, width):
        found = store.read_series(run, key, window=(start, min(start + width - 1, last)))
        if len(found.values):
            columns = (found.steps.tobytes(), found.times.tobytes(), found.values.tobytes())
            yield PointsLogged(run, key, *columns)


def missing(there: PointsLogged, here: PointsLogged, *, timed: bool = True) -> PointsLogged | None:
    """Return those points of `there` that are not in `here`, in their order; None if all are.

    A point that is there twice and here once is missing once.

    Args:
        there: Points.
        here: Points.
        timed: Whether points of different times are different.
    """
    new, old = _columns(there), _columns(here)
    both = [np.concatenate(pair) for pair in zip(old, new, strict=True)]
    both[1] *= timed
    order = np.lexsort(both[::-1])
    step, time, value = (column[order] for column in both)
    starts = np.ones(len(order), bool)
    starts[1:] = (step[1:] != step[:-1]) | (time[1:] != time[:-1]) | (value[1:] != value[:-1])
    group = np.cumsum(starts) - 1
    is_new = order >= len(old[0])
    # The sort is stable: among equals the old ones come first. So many new ones are known.
    known = np.bincount(group[~is_new], minlength=group[-1] + 1)[group]
    place = np.arange(len(order)) - np.flatnonzero(starts)[group]
    wanted = np.sort(order[is_new & (place >= 2 * known)] - len(old[0]))
    if not len(wanted):
        return None
    steps, times, values = (column[wanted].tobytes() for column in new)
    return PointsLogged(there.run, there.key, steps, times, values)


def _columns(points: PointsLogged) -> _Columns:
    steps, times = np.frombuffer(points.steps, "<i8"), np.frombuffer(points.times, "<i8")
    return steps, times, np.frombuffer(points.values, "<i8")
