"""The numbers that are logged: a noisy falling curve, as training makes them."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator

__all__ = ["blocks", "noisy", "wide_metrics"]


def noisy(count: int, first: int = 0, *, float32: bool = False) -> list[float]:
    """Return `count` values of the curve from step `first` on; random in all 52 bits, or in 23."""
    gauss = random.Random(first).gauss
    values = [2.0 / (1.0 + step * 1e-5) + gauss(0.0, 0.05) for step in range(first, first + count)]
    return array("f", values).tolist() if float32 else values


def blocks(count: int, *, float32: bool = False, size: int = 100_000) -> Iterator[list[float]]:
    """Give `count` values in lists of `size`, so that a long curve needs no memory."""
    for first in range(0, count, size):
        yield noisy(min(size, count - first), first, float32=float32)


def wide_metrics(keys: int) -> dict[str, float]:
    """Return one value for each of `keys` metrics."""
    return {f"layer.{number}/grad_norm": value for number, value in enumerate(noisy(keys))}
