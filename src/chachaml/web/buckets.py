"""Points as a drawing has them: over one grid for all runs, in buckets of a pixel where there are many.

A bucket says the mean, the lowest, the highest and the last of its points, so that no spike is hidden.
Where there are very many points, they are those that stand for stretches (`Store.read_outlines`): their
extremes count as such, and the mean leaves them out, which would be drawn to them otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "HAS_MINUS_INF",
    "HAS_NAN",
    "HAS_PLUS_INF",
    "HAS_POINTS",
    "Drawn",
    "Line",
    "line",
    "over_one_grid",
    "typical",
]

HAS_POINTS, HAS_NAN, HAS_PLUS_INF, HAS_MINUS_INF = 1, 2, 4, 8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
T = TypeVar("T", bound=np.generic)
Bools = npt.NDArray[np.bool_]


class Line(NamedTuple):
    """Points of one run: where each is on the x axis, its value, and whether it says how the others go.

    ``typical`` is None if all do; those that only stand for the extremes of their stretch do not.
    """

    x: Floats
    values: Floats
    typical: Bools | None


class Drawn(NamedTuple):
    """A line over a grid: columns for the places of the grid from ``first`` on.

    ``mean``, ``low`` and ``high`` are of the finite values, NaN where there are none; ``last`` is any value.
    They are one and the same column where no place has more than one point. ``flags`` says what there is.
    """

    first: int
    mean: Floats
    low: Floats
    high: Floats
    last: Floats
    flags: npt.NDArray[np.uint8]


def typical(values: Floats) -> Bools:
    """Tell which of the points that stand for stretches are not just extremes.

    Of each stretch there are the first, the lowest, the highest and the last. The lowest and the highest are
    beyond all that are two places away or nearer; the first and the last are not, for they lie in between.
    """
    padded = np.pad(values, 2, mode="edge")
    around = np.stack([padded[:-4], padded[1:-3], padded[3:-1], padded[4:]])
    with np.errstate(invalid="ignore"):
        beyond = (values > around.max(axis=0)) | (values < around.min(axis=0))
    beyond[:1] = beyond[-1:] = False
    return np.asarray(~beyond)


def line(x: Floats, values: Floats, *, sampled: bool, window: tuple[float, float] | None) -> Line:
    """Return a line of points in the order of their steps.

    Args:
        x: Where they are; those that are nowhere are left out.
        values: What they are.
        sampled: They stand for stretches.
        window: Only those within.
    """
    likely = typical(values) if sampled else None
    low, high = window or (-np.inf, np.inf)
    inside = (x >= low) & (x <= high) & np.isfinite(x)
    if not inside.all():
        x, values, likely = x[inside], values[inside], None if likely is None else likely[inside]
    if (x[1:] < x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, values, likely = x[order], values[order], None if likely is None else likely[order]
    return Line(x, values, likely)


def over_one_grid(
    lines: Mapping[str, Line], buckets: int, *, log_x: bool = False
) -> tuple[Floats, bool, dict[str, Drawn]]:
    """Return one grid for some lines, whether it is their very own places, and the lines over it.

    Args:
        lines: By run.
        buckets: Places of the grid, at most.
        log_x: Let each place be as wide as the next on a logarithmic axis; what is not above 0 is left out.
    """
    if log_x:
        lines = {run: _above_zero(one) for run, one in lines.items()}
    lines = {run: one for run, one in lines.items() if len(one.x)}
    if not lines:
        return np.empty(0), True, {}
    own = _places([one.x for one in lines.values()], buckets)
    if own is not None:
        return own, True, {run: _drawn(one, np.searchsorted(own, one.x)) for run, one in lines.items()}
    scale = np.log if log_x else np.asarray
    ends = [scale(one.x[[0, -1]]) for one in lines.values()]
    low, high = min(start for start, _ in ends), max(end for _, end in ends)
    width = (high - low) / buckets
    middles = low + (np.arange(buckets) + 0.5) * width
    drawn = {}
    for run, one in lines.items():
        places = ((scale(one.x) - low) * (1 / width)).astype(np.int64)
        drawn[run] = _drawn(one, np.minimum(places, buckets - 1))
    return (np.exp(middles) if log_x else middles), False, drawn


def _above_zero(one: Line) -> Line:
    start = int(np.searchsorted(one.x, 0, side="right"))
    return Line(one.x[start:], one.values[start:], None if one.typical is None else one.typical[start:])


def _places(columns: Sequence[Floats], most: int) -> Floats | None:
    """Return all places, each once and in order, None if there are more than `most`."""
    found = np.empty(0)
    for column in columns:
        new = column[np.concatenate([[True], column[1:] != column[:-1]])]
        if len(new) > most or len(found := np.union1d(found, new)) > most:
            return None
    return found


def _drawn(one: Line, places: Ints) -> Drawn:
    """Return a line over the places that its points have, which ascend."""
    starts = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    held = places[starts]
    first, count = int(held[0]), int(held[-1] - held[0]) + 1
    at = held - first
    ends = np.append(starts[1:], len(places)) - 1
    last = _spread(one.values[ends], at, count, np.nan)
    finite = np.isfinite(one.values)
    flags = np.full(len(starts), HAS_POINTS, np.uint8)
    if not finite.all():
        flags |= _odd_ones(one.values, starts)
    shown = _spread(flags, at, count, 0)
    if len(starts) == len(places):
        single = last if finite.all() else np.where(np.isfinite(last), last, np.nan)
        return Drawn(first, single, single, single, last, shown)
    with np.errstate(all="ignore"):
        low = np.minimum.reduceat(np.where(finite, one.values, np.inf), starts)
        high = np.maximum.reduceat(np.where(finite, one.values, -np.inf), starts)
        # A sum may be rounded, or be too large for a float; a mean is not.
        mean = np.clip(_means(one, finite, starts), low, high)
    none = low > high
    low[none] = high[none] = mean[none] = np.nan
    mean, low, high = (_spread(column, at, count, np.nan) for column in (mean, low, high))
    return Drawn(first, mean, low, high, last, shown)


def _odd_ones(values: Floats, starts: Ints) -> npt.NDArray[np.uint8]:
    odd = np.zeros(len(values), np.uint8)
    odd[np.isnan(values)] = HAS_NAN
    odd[values == np.inf] = HAS_PLUS_INF
    odd[values == -np.inf] = HAS_MINUS_INF
    return np.bitwise_or.reduceat(odd, starts)


def _means(one: Line, finite: Bools, starts: Ints) -> Floats:
    """Return the means of finite values, of the typical ones where there are any."""
    sums, counts = _sums(one.values, finite, starts)
    if one.typical is not None:
        some, of_them = _sums(one.values, finite & one.typical, starts)
        sums, counts = np.where(of_them, some, sums), np.where(of_them, of_them, counts)
    return np.asarray(sums / counts)


def _sums(values: Floats, which: Bools, starts: Ints) -> tuple[Floats, Ints]:
    if which.all():
        return np.add.reduceat(values, starts), np.diff(np.append(starts, len(values)))
    return np.add.reduceat(np.where(which, values, 0.0), starts), np.add.reduceat(which.astype(int), starts)


def _spread(column: npt.NDArray[T], at: Ints, count: int, empty: float) -> npt.NDArray[T]:
    """Return a column with a place for all, also for those without points."""
    if len(column) == count:
        return column
    whole = np.full(count, empty, column.dtype)
    whole[at] = column
    return whole
