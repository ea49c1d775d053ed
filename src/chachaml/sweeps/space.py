"""The space that a sweep searches: what each param may be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from chachaml.core.errors import BadValue
from chachaml.core.values import canonical, check_key

__all__ = ["Choice", "Dimension", "Range", "grid", "space_of"]


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """One of some plain values."""

    values: tuple[Any, ...]

    def pick(self, random: Random) -> Any:
        """Return one of them."""
        return random.choice(self.values)

    def points(self) -> tuple[Any, ...]:
        """Return all of them."""
        return self.values


class Range(msgspec.Struct, frozen=True, tag="range"):
    """A number from ``low`` to ``high``, both included; whole if both are, even in size if ``log``."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def pick(self, random: Random) -> Any:
        """Return a number between them."""
        if self.log:
            value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
            return min(max(round(value), int(self.low)), int(self.high)) if self.whole else value
        return (
            random.randint(int(self.low), int(self.high))
            if self.whole
            else random.uniform(self.low, self.high)
        )

    def points(self) -> tuple[Any, ...]:
        """Return all numbers of the range, if they can be counted.

        Raises:
            BadValue: They cannot.
        """
        if not self.whole or self.high - self.low > 10_000:
            raise BadValue(
                f"a grid needs values that can be counted, not all from {self.low:g} to {self.high:g}",
                "name them in a list: [0.1, 0.01, 0.001]",
            )
        return tuple(range(int(self.low), int(self.high) + 1))


Dimension = Choice | Range


def space_of(space: Mapping[str, Any]) -> dict[str, Dimension]:
    """Return the space that a person wrote.

    Args:
        space: By param: a list of values; ``(low, high)`` or ``(low, high, "log")``, whole numbers if
            both are; or a `range`.

    Raises:
        BadValue: None of these, or no values at all.
    """
    if not isinstance(space, Mapping) or not space:
        raise BadValue("a sweep needs params to vary", "{'lr': (1e-4, 1e-1, 'log'), 'depth': [2, 4, 8]}")
    return {check_key("param", key): _dimension(key, value) for key, value in space.items()}


def _dimension(key: str, value: Any) -> Dimension:
    if isinstance(value, tuple) and len(value) in (2, 3) and all(_is_number(one) for one in value[:2]):
        return _range(key, value)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        value = [value]
    if not len(value):
        raise BadValue(f"param {key!r} has no values to try")
    for one in value:
        canonical(key, one)
    return Choice(tuple(value))


def _range(key: str, value: tuple[Any, ...]) -> Range:
    low, high, *how = value
    if how not in ([], ["log"]) or not low <= high or not all(map(math.isfinite, (low, high))):
        raise BadValue(f"param {key!r}: {value!r} is no range", "(low, high) or (low, high, 'log')")
    if how and low <= 0:
        raise BadValue(f"param {key!r}: a logarithmic range begins above 0, not at {low!r}")
    return Range(low, high, bool(how), isinstance(low, int) and isinstance(high, int))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def grid(space: Mapping[str, Dimension]) -> Iterator[dict[str, Any]]:
    """Yield all combinations of a space, the last param varying fastest.

    Raises:
        BadValue: A param's values cannot be counted.
    """
    points = [dimension.points() for dimension in space.values()]
    for values in itertools.product(*points):
        yield dict(zip(space, values, strict=True))
