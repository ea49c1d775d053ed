"""Points as plain lists, ordered, summed up and sampled by the book: what other stores must agree with."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from chachaml.core.changes import PointsLogged
from chachaml.core.model import Series, Summary

__all__ = ["Point", "as_series", "in_order", "logged", "points_of", "sample", "summary"]

Point = tuple[int, int, float]
"""Step, time, value."""


def points_of(change: PointsLogged) -> list[Point]:
    """Return the points of a change."""
    count = len(change)
    steps = struct.unpack(f"<{count}q", change.steps)
    times = struct.unpack(f"<{count}q", change.times)
    values = struct.unpack(f"<{count}d", change.values)
    return list(zip(steps, times, values, strict=True))


def logged(run: str, key: str, points: Sequence[Point]) -> PointsLogged:
    """Return points as a change."""
    steps, times, values = zip(*points, strict=True)
    count = len(points)
    columns = (
        struct.pack(f"<{count}{kind}", *column)
        for kind, column in zip("qqd", (steps, times, values), strict=True)
    )
    return PointsLogged(run, key, *columns)


def as_series(run: str, key: str, points: Sequence[Point], total: int) -> Series:
    """Return points, in order, as columns; `total` is how many there were to choose from."""
    import numpy as np

    return Series(
        run=run,
        key=key,
        steps=np.array([step for step, _, _ in points], np.int64),
        times=np.array([when for _, when, _ in points], np.int64),
        values=np.array([value for _, _, value in points], np.float64),
        total=total,
        sampled=len(points) < total,
    )


def in_order(arrived: Sequence[Point]) -> list[Point]:
    """Return points by step and time."""
    # The sort is stable: points of one step and time stay in the order of arrival.
    return sorted(arrived, key=lambda point: point[:2])


def summary(arrived: Sequence[Point]) -> Summary:
    """Return what is known of points, at least one, without them."""
    points = in_order(arrived)
    finite = [point for point in points if math.isfinite(point[2])]
    # min and max return the first of equals.
    low = min(finite, key=lambda point: point[2], default=None)
    high = max(finite, key=lambda point: point[2], default=None)
    nans = sum(math.isnan(value) for _, _, value in points)
    first, last = points[0], points[-1]
    return Summary(
        count=len(points),
        finite=len(finite),
        nans=nans,
        infs=len(points) - len(finite) - nans,
        first_step=first[0],
        first_time=first[1],
        first=first[2],
        last_step=last[0],
        last_time=last[1],
        last=last[2],
        min=low and low[2],
        min_step=low and low[0],
        max=high and high[2],
        max_step=high and high[0],
        sum=sum(value for _, _, value in finite),
    )


def sample(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most `most` points: of each of ``most // 5`` stretches the five that matter."""
    stretches = most // 5
    kept: list[Point] = []
    for number in range(stretches):
        stretch = points[len(points) * number // stretches : len(points) * (number + 1) // stretches]
        nans = [i for i, point in enumerate(stretch) if math.isnan(point[2])]
        numbers = sorted((point[2], i) for i, point in enumerate(stretch) if not math.isnan(point[2]))
        ends = {0, len(stretch) - 1} | {i for _, i in (*numbers[:1], *numbers[-1:])}
        kept += [stretch[i] for i in sorted(ends | set(nans[:1]))]
    return kept
