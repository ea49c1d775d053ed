"""The few points that live inside a series' own row, and how summaries are added up; no numpy.

A hundred thousand runs of ten final metrics each need nothing else, and neither does a first run.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from chachaml.core.model import Summary

__all__ = ["POINT", "TAIL", "Point", "merge", "pack", "summarise", "unpack"]

TAIL = 16
"""Points that a series keeps in its own row, at most."""

Point = tuple[int, int, float]
"""Step, time, value."""

POINT = struct.Struct("<qqd")


def pack(steps: bytes, times: bytes, values: bytes) -> bytes:
    """Return points given as columns, one after the other."""
    if len(values) == 8:
        return steps + times + values
    return b"".join(
        [steps[at : at + 8] + times[at : at + 8] + values[at : at + 8] for at in range(0, len(values), 8)]
    )


def unpack(tail: bytes) -> list[Point]:
    """Return the points that `pack` packed."""
    return list(POINT.iter_unpack(tail))


def summarise(points: Sequence[Point]) -> Summary:
    """Return the summary of a few points, at least one, in the order of arrival."""
    if len(points) == 1 and math.isfinite(points[0][2]):
        ((step, time, value),) = points  # a final metric: most series are no more than that
        return Summary(1, 1, 0, 0, step, time, value, step, time, value, value, step, value, step, value)
    # The sort is stable: points of one step and time stay in the order of arrival.
    points = sorted(points, key=lambda point: point[:2])
    finite = [point for point in points if math.isfinite(point[2])]
    # min and max return the first of equals.
    low = min(finite, key=lambda point: point[2], default=None)
    high = max(finite, key=lambda point: point[2], default=None)
    infs = sum(math.isinf(point[2]) for point in points)
    first, last = points[0], points[-1]
    return Summary(
        len(points),
        len(finite),
        len(points) - len(finite) - infs,
        infs,
        *first,
        *last,
        low[2] if low else None,
        low[0] if low else None,
        high[2] if high else None,
        high[0] if high else None,
        sum([point[2] for point in finite], 0.0),
    )


def merge(old: Summary, new: Summary) -> Summary:
    """Return the summary of a series that was summed up as `old` once the points of `new` arrived."""
    earlier = (new.first_step, new.first_time) < (old.first_step, old.first_time)
    later = (new.last_step, new.last_time) >= (old.last_step, old.last_time)
    first, last = new if earlier else old, new if later else old
    low = _better(old.min, old.min_step, new.min, new.min_step, 1)
    high = _better(old.max, old.max_step, new.max, new.max_step, -1)
    return Summary(
        old.count + new.count,
        old.finite + new.finite,
        old.nans + new.nans,
        old.infs + new.infs,
        first.first_step,
        first.first_time,
        first.first,
        last.last_step,
        last.last_time,
        last.last,
        *low,
        *high,
        old.sum + new.sum,
    )


def _better(
    old: float | None, old_step: int | None, new: float | None, new_step: int | None, sign: int
) -> tuple[float | None, int | None]:
    """Return the lower value (the higher one if `sign` is -1) and its step; of equals the smaller step."""
    if old is None or old_step is None:
        return new, new_step
    if new is None or new_step is None:
        return old, old_step
    return (new, new_step) if (sign * new, new_step) < (sign * old, old_step) else (old, old_step)
