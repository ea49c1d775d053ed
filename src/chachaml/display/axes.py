"""Axes of charts, and the round numbers on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Axis", "Curve", "axis_of", "ticks"]


class Curve(NamedTuple):
    """One line: its name, and its points by x."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


class Axis(NamedTuple):
    """A stretch of numbers mapped onto 0..1, straight or by logarithm."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where `value` lies, 0 at the low end and 1 at the high end."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        # Halved, because the distance between the two ends may be more than a float holds.
        span = high / 2 - low / 2
        return ((math.log10(value) if self.log else value) / 2 - low / 2) / span if span else 0.5

    def takes(self, value: float) -> bool:
        """Tell whether `value` can be drawn on this axis."""
        return math.isfinite(value) and (not self.log or value > 0)


def axis_of(values: Iterable[float], log: bool) -> Axis | None:
    """Return the axis that shows all finite values; None if there are none."""
    usable = [v for v in values if math.isfinite(v) and (not log or v > 0)]
    return Axis(min(usable), max(usable), log) if usable else None


def ticks(axis: Axis, about: int) -> list[float]:
    """Return round numbers on `axis`, about that many; its ends when no round ones fit."""
    if axis.log:
        low, high = math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high))
        every = max(1, math.ceil((high - low + 1) / about))
        decades = [10.0**power for power in range(low, high + 1, every)]
        return decades if len(decades) > 1 else [axis.low, axis.high]
    for amount in (about, 2 * about, 4 * about):
        if len(found := _round_numbers(axis, amount)) > 1:
            return found
    return [axis.low, axis.high]


def _round_numbers(axis: Axis, about: int) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten on `axis` that are about so many."""
    rough = (axis.high - axis.low) / about
    if not 1e-300 < rough < 1e300:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    stride = next(m * power for m in (1, 2, 5, 10, 20) if m * power >= rough)
    first, last = math.ceil(axis.low / stride), math.floor(axis.high / stride)
    return [float(f"{i * stride:.12g}") for i in range(first, last + 1)]
