"""The few values of a metric that a tiny chart needs."""

from __future__ import annotations

from collections.abc import Sequence

from chachaml.connection import connection
from chachaml.core.errors import ChachamlError

__all__ = ["small_curves"]

_MOST, _POINTS = 24, 100


def small_curves(run: str, keys: Sequence[str]) -> dict[str, list[float]]:
    """Return values of a run's metrics, of the first few only; {} if the store at hand lacks the run.

    Args:
        run: Whole id.
        keys: The metrics.
    """
    try:
        store = connection().store()
        return {key: store.read_series(run, key, None, _POINTS).values.tolist() for key in keys[:_MOST]}
    except ChachamlError:
        return {}
