"""Statistics of ranks, which outliers and the scale of things leave alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

__all__ = ["correlation", "explained", "ranks"]


def ranks(values: Numbers) -> Numbers:
    """Return the rank of each value, from 1; equal values share the mean of theirs."""
    import numpy as np

    _, place, amount = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(amount)
    shared: Numbers = ((2 * last - amount + 1) / 2)[place]
    return shared


def correlation(one: Numbers, other: Numbers) -> float:
    """Return Spearman's rank correlation (1904), from -1 to 1; 0 where one of them never varies."""
    import numpy as np

    a, b = ranks(one), ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0


def explained(groups: npt.NDArray[np.intp], values: Numbers) -> float:
    """Return what share of the variance of the values' ranks their groups explain, from 0 to 1.

    That is the effect size of the Kruskal-Wallis test (Kruskal and Wallis 1952), less what mere chance
    explains, which is more the more groups there are (epsilon squared; Kelley, An unbiased correlation ratio
    measure, 1935).
    """
    import numpy as np

    ranked = ranks(values)
    amount = np.bincount(groups)
    amount, total = amount[amount > 0], np.bincount(groups, ranked)[amount > 0]
    several, count = len(amount), len(values)
    whole = float(((ranked - ranked.mean()) ** 2).sum())
    if several < 2 or count <= several or not whole:
        return 0.0
    between = float((amount * (total / amount - ranked.mean()) ** 2).sum())
    return max(0.0, 1 - (1 - between / whole) * (count - 1) / (count - several))
