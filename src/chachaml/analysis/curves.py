"""How a curve went: its trend, its best point, whether it stalled, diverged or broke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from chachaml.analysis.goals import Direction
from chachaml.core.model import Series, Summary
from chachaml.display.words import count, number, safe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

__all__ = ["Course", "Trend", "course"]

Trend = Literal["falls", "rises", "flat", "none"]

_MONOTONE = 0.3
"""Spearman's correlation with the step from which on a curve is said to rise or fall."""

_SETTLED = 0.01
"""Share of all that was gained: what is still gained after a plateau began is less."""

_STALLED = 0.2
"""Share of the points that lie on a plateau, at least."""

_LOST = 0.5
"""Share of what was gained that is lost again where a curve is said to diverge."""


class Course(msgspec.Struct, frozen=True):
    """How a metric of a run went.

    ``trend`` is that of all points, and none where there are fewer than three. From ``plateau_step`` on
    next to nothing is gained; from ``diverged_step`` on the values get much worse than the best and stay so.
    ``nan_step`` is the first step with NaN or an infinity among the points that were looked at. ``text``
    says it in words.
    """

    points: int
    first: float
    last: float
    best: float | None
    best_step: int | None
    direction: Direction
    trend: Trend
    plateau_step: int | None
    diverged_step: int | None
    nan_step: int | None
    nans: int
    infs: int
    text: str


def course(series: Series, summary: Summary, direction: Direction) -> Course:
    """Return how a curve went.

    Args:
        series: Its points, or as many of them as will do, extremes among them.
        summary: What is known of all of them.
        direction: Which value is the best.
    """
    import numpy as np

    values, steps = np.asarray(series.values, np.float64), np.asarray(series.steps)
    odd = ~np.isfinite(values)
    good, at = values[~odd], steps[~odd]
    lowest = (summary.min, summary.min_step)
    best, best_step = lowest if direction == "min" else (summary.max, summary.max_step)
    worse = good if direction == "min" else -good
    found = Course(
        points=summary.count,
        first=summary.first,
        last=summary.last,
        best=best,
        best_step=best_step,
        direction=direction,
        trend=_trend(good),
        plateau_step=_step(at, _plateau(worse)),
        diverged_step=_step(at, _divergence(worse)),
        nan_step=int(steps[np.argmax(odd)]) if odd.any() else None,
        nans=summary.nans,
        infs=summary.infs,
        text="",
    )
    return msgspec.structs.replace(found, text=_text(found, series, summary))


def _step(steps: npt.NDArray[np.int64], index: int | None) -> int | None:
    return None if index is None else int(steps[index])


def _trend(values: Numbers) -> Trend:
    import numpy as np

    from chachaml.analysis.ranks import correlation

    if len(values) < 3:
        return "none"
    monotone = correlation(np.arange(len(values), dtype=np.float64), values)
    if abs(monotone) < _MONOTONE:
        return "flat"
    return "rises" if monotone > 0 else "falls"


def _plateau(values: Numbers) -> int | None:
    """Return where next to nothing is gained any more: least is best."""
    import numpy as np

    if len(values) < 10:
        return None
    so_far = np.minimum.accumulate(values)
    gained = so_far[0] - so_far[-1]
    settled = int(np.argmax(so_far - so_far[-1] <= _SETTLED * gained))
    return settled if len(values) - settled >= _STALLED * len(values) else None


def _divergence(values: Numbers) -> int | None:
    """Return where a curve left its best for good, and lost much of what it had gained: least is best."""
    import numpy as np

    if len(values) < 6:
        return None
    best = int(np.argmin(values))
    end = np.median(values[-max(1, len(values) // 10) :])
    # A start that is no worse than the best leaves nothing to lose; the spread until then stands in for it.
    gained = max(values[: best + 1].max() - values[best], np.quantile(values[: best + 1], 0.9) - values[best])
    lost = end - values[best]
    spread = float(np.abs(np.diff(values[: best + 1])).mean()) if best else 0.0
    if lost <= max(_LOST * gained, 3 * spread, 1e-12 * max(1.0, abs(values[best]))):
        return None
    beyond = values[best:] > values[best] + lost / 2
    return best + len(beyond) - int(np.argmin(beyond[::-1]))


def _text(found: Course, series: Series, summary: Summary) -> str:
    words = {"falls": "falls", "rises": "rises", "flat": "shows no trend", "none": "goes"}[found.trend]
    steps = f"steps {summary.first_step:,} to {summary.last_step:,}"
    head = f"{safe(series.key)} of run {series.run[-8:]}: {count(found.points, 'point')}, {steps}"
    parts = [f"{head}; {words} from {number(found.first)} to {number(found.last)}"]
    if found.best is not None:
        parts.append(f"best ({found.direction}) {number(found.best)} at step {found.best_step:,}")
    if found.diverged_step is not None:
        parts.append(f"much worse than its best from step {found.diverged_step:,} on")
    elif found.plateau_step is not None:
        parts.append(f"next to no gain after step {found.plateau_step:,}")
    if found.nans or found.infs:
        where = "" if found.nan_step is None else f", from step {found.nan_step:,} on"
        parts.append(f"{found.nans:,} NaN and {found.infs:,} infinite{where}")
    return "; ".join(parts)
