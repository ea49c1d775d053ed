"""Which params a metric depends on, as far as the runs that there are tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chachaml.analysis.goals import Direction
from chachaml.analysis.ranks import correlation, explained

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Groups = npt.NDArray[np.intp]

__all__ = ["FEWEST", "ParamImportance", "importance"]

FEWEST = 5
"""Runs with a param and the metric, for anything to be said of it."""

_BINS = 6


class ParamImportance(msgspec.Struct, frozen=True):
    """How much a metric depends on a param, by itself.

    ``importance`` is the share of the variance of the metric's ranks that the param explains, from 0 to 1.
    ``correlation`` is Spearman's, so positive where the metric rises with the param; None for params that are
    no numbers. ``best`` is the value, or the middle of the values, with which the metric was best.
    """

    param: str
    importance: float
    correlation: float | None
    kind: Literal["number", "category"]
    best: Any
    values: int
    runs: int


def importance(
    params: Sequence[Mapping[str, Any]], values: Sequence[float], direction: Direction
) -> list[ParamImportance]:
    """Return how much a metric depends on each param, most first; params that never vary are left out.

    Each param is looked at alone: numbers in up to six groups of equal size, anything else by its value.
    What only several params do together does not show, and params that were always changed together share
    the blame.

    Args:
        params: Those of each run.
        values: The metric of each run, finite.
        direction: Which value is the best.
    """
    import numpy as np

    metric = np.asarray(values, np.float64)
    found = []
    for key in sorted({key for one in params for key in one}):
        has = [n for n, one in enumerate(params) if key in one]
        one = _of_one(key, [params[n][key] for n in has], metric[has], direction)
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda one: -one.importance)


def _of_one(key: str, given: list[Any], metric: Numbers, direction: Direction) -> ParamImportance | None:
    numbers = _numbers(given)
    groups, distinct = _categories(given) if numbers is None else _bins(numbers)
    if len(given) < FEWEST or distinct < 2:
        return None
    return ParamImportance(
        param=key,
        importance=round(explained(groups, metric), 4),
        correlation=None if numbers is None else round(correlation(numbers, metric), 4),
        kind="category" if numbers is None else "number",
        best=_best(given, numbers, groups, metric, direction),
        values=distinct,
        runs=len(given),
    )


def _numbers(given: list[Any]) -> Numbers | None:
    """Return values as numbers, None if one of them is none."""
    import numpy as np

    if not all(type(one) in (int, float) for one in given):
        return None
    numbers = np.array(given, np.float64)
    return numbers if np.isfinite(numbers).all() else None


def _categories(given: list[Any]) -> tuple[Groups, int]:
    """Return to which group each value belongs, and how many there are."""
    import numpy as np

    texts = [json.dumps(value, sort_keys=True) for value in given]
    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return np.array([place[text] for text in texts], np.intp), len(place)


def _bins(numbers: Numbers) -> tuple[Groups, int]:
    """Return numbers in groups, by value if these are few, else by rank; and how many values there are."""
    import numpy as np

    distinct, groups = np.unique(numbers, return_inverse=True)
    if len(distinct) <= _BINS:
        return groups.astype(np.intp), len(distinct)
    bins = max(2, min(_BINS, len(numbers) // FEWEST))
    edges = np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, numbers, side="right").astype(np.intp), len(distinct)


def _best(
    given: list[Any], numbers: Numbers | None, groups: Groups, metric: Numbers, direction: Direction
) -> Any:
    import numpy as np

    middles = {int(group): float(np.median(metric[groups == group])) for group in np.unique(groups)}
    pick = min if direction == "min" else max
    best = pick(middles, key=lambda group: middles[group])
    if numbers is None:
        return given[int(np.argmax(groups == best))]
    inside = np.sort(numbers[groups == best])
    return inside[len(inside) // 2].item()
