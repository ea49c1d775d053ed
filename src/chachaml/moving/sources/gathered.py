"""Points that come one by one, gathered as columns: 24 bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from chachaml.core.changes import PointsLogged
from chachaml.moving.imported import key_of

__all__ = ["Gathered"]


_MOST = 2**63


class Gathered:
    """The points of a run, by metric."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[array[int], array[int], array[float]]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._columns

    def count(self, key: str) -> int:
        """Return how many points a metric has."""
        return len(self._columns[key][0]) if key in self._columns else 0

    def add(self, key: str, step: int, time: int, value: float) -> None:
        """Add a point; its time is in microseconds.

        Raises:
            ValueError: A step or time beyond 64 bits.
        """
        if not (-_MOST <= step < _MOST and -_MOST <= time < _MOST):
            raise ValueError(f"a step or time of {key[:100]} has more than 64 bits")
        if key not in self._columns:
            self._columns[key] = (array("q"), array("q"), array("d"))
        steps, times, values = self._columns[key]
        steps.append(step)
        times.append(time)
        values.append(value)

    def points(self, run: str) -> Iterator[PointsLogged]:
        """Yield all points, a change for each metric."""
        for key, columns in self._columns.items():
            yield PointsLogged(run, key_of(key), *(column.tobytes() for column in columns))

    def clear(self) -> None:
        """Let go of all points."""
        self._columns.clear()
