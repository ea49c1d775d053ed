"""Runs in groups: how many there are of each kind, and how their numbers are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from chachaml.core.values import canonical

__all__ = ["Group", "Spread", "grouped"]


class Spread(msgspec.Struct, frozen=True):
    """How the finite numbers of a field are spread: their count, mean, standard deviation and range."""

    count: int
    mean: float
    sd: float
    min: float
    max: float


class Group(msgspec.Struct, frozen=True):
    """Runs that have the same values: those values, how many they are, and the spread of each field.

    A field of which no run of the group has a finite number has no spread: None.
    """

    values: tuple[Any, ...]
    count: int
    spreads: tuple[Spread | None, ...]


def grouped(by: Sequence[Sequence[Any]], fields: Sequence[Sequence[Any]]) -> list[Group]:
    """Return the groups of runs, the largest first.

    Args:
        by: A column for each field that must be the same within a group.
        fields: A column for each field whose numbers are summed up.
    """
    rows: dict[tuple[str, ...], list[int]] = {}
    for place, values in enumerate(zip(*by, strict=True)):
        rows.setdefault(tuple(canonical("value", _plain(value)) for value in values), []).append(place)
    found = [
        Group(
            tuple(column[places[0]] for column in by),
            len(places),
            tuple(_spread([column[place] for place in places]) for column in fields),
        )
        for places in rows.values()
    ]
    return sorted(found, key=lambda group: -group.count)


def _plain(value: Any) -> Any:
    """Return a value such that what people take for the same is the same: 1 and 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _spread(values: Sequence[Any]) -> Spread | None:
    numbers = [
        float(value)
        for value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    ]
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))
    return Spread(len(numbers), mean, sd, min(numbers), max(numbers))
