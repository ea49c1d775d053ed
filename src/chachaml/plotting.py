"""Curves of metrics: in the terminal, in notebooks, as SVG files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chachaml.connection import connection
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import RunQuery, Series
from chachaml.core.query import Field, IsNull, Not
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import Run
from chachaml.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from chachaml.display import Curve, Paint

__all__ = ["Plot", "plot"]

_POINTS = 1000
"""Points of each curve; an extreme is never hidden by taking fewer."""

_NEWEST = 10
"""Runs that are drawn when none are named."""

X = Literal["step", "relative", "time"]
_X_LABELS = {"step": "step", "relative": "seconds since the run's start", "time": "seconds, by the clock"}


class Plot(Shown):
    """Curves of one metric; shows itself at the prompt and in notebooks.

    Attributes:
        key: The metric.
        runs: The runs whose curves these are, in the order of the legend.
    """

    def __init__(
        self, key: str, runs: Sequence[Run], series: Sequence[Series], *, x: X, smooth: float, log: bool
    ) -> None:
        self.key, self.runs = key, tuple(runs)
        self._series, self._x, self._log = series, x, log
        self._smooth = smooth

    def curves(self) -> list[Curve]:
        """Return the lines as they are drawn, each with the name that the legend gives it."""
        from chachaml.display import Curve

        curves = []
        for run, series in zip(self.runs, self._series, strict=True):
            values = _smoothed(series.values, self._smooth)
            curves.append(Curve(f"{run.name} {run.short_id}", self._xs(run, series), values.tolist()))
        return curves

    def _xs(self, run: Run, series: Series) -> list[float]:
        if self._x == "step":
            return [float(step) for step in series.steps.tolist()]
        begin = run.started if self._x == "relative" else min(run.started for run in self.runs)
        return [time / 1e6 - begin.timestamp() for time in series.times.tolist()]

    def _text(self, paint: Paint) -> str:
        return self.to_text(paint=paint)

    def to_text(self, width: int | None = None, height: int = 16, *, paint: Paint | None = None) -> str:
        """Return the chart as text, of so many cells by lines; the terminal's width by default."""
        from chachaml.display import plain, plot_text

        curves = self.curves()
        return plot_text(curves, width, height, key=self.key, log=self._log, paint=paint or plain)

    def to_svg(self, *, width: int = 680, height: int = 320) -> str:
        """Return the chart as SVG, of so many pixels."""
        from chachaml.display import chart_svg

        return chart_svg(
            self.curves(),
            title=self.key,
            x_label=_X_LABELS[self._x],
            width=width,
            height=height,
            log=self._log,
        )

    def save(self, path: str | Path) -> Path:
        """Write the chart to an SVG file; return its path.

        Raises:
            BadValue: The path does not end in .svg.
        """
        where = Path(path)
        if where.suffix.lower() != ".svg":
            raise BadValue(f"a plot is saved as SVG, not as {where.suffix or 'a file without suffix'}")
        # In a file there is no page whose colour could be taken.
        where.write_text(self.to_svg().replace('fill="currentColor" ', 'fill="#333" color="#333" ', 1))
        return where

    def _repr_html_(self) -> str:
        return f'<div class="chachaml">{self.to_svg()}</div>'


def plot(
    key: str,
    runs: AnyRun | Iterable[AnyRun] | None = None,
    *,
    x: X = "step",
    smooth: float = 0.0,
    log: bool = False,
) -> Plot:
    """Return the curves of a metric, to be looked at; extremes are never smoothed out of the data.

    Args:
        key: The metric.
        runs: A run or several. Default: the newest ten that have it.
        x: "step", "relative" (seconds since each run's start) or "time" (since the first start).
        smooth: Weight of the past in an exponential moving average, from 0 (none) to below 1.
        log: A logarithmic y axis.

    Raises:
        NotFound: No such run, or none of them has the metric.
        BadValue: An unknown x, or a weight out of range.
    """
    if x not in _X_LABELS:
        raise BadValue(f"x must be one of {', '.join(_X_LABELS)}, not {x!r}")
    if not 0 <= smooth < 1:
        raise BadValue(f"smooth must be from 0 to below 1, not {smooth!r}")
    store = connection().ready()
    if runs is None:
        having = Not(IsNull(Field("metric", key)))
        query = RunQuery(filter=having, limit=_NEWEST, with_values=True)
        rows = list(store.find_runs(query).runs)
    else:
        named = [runs] if isinstance(runs, str) or not isinstance(runs, Iterable) else list(runs)
        rows = [resolve(store, id_of(run)) for run in named]
    drawn = [row for row in rows if key in row.metrics]
    if not drawn:
        known = sorted({metric for row in rows for metric in row.metrics})
        hint = f"they have: {', '.join(known[:10])}" if known else "chachaml.runs() lists runs"
        raise NotFound(f"none of these runs has a metric {key!r}", hint)
    series = [store.read_series(row.id, key, None, _POINTS) for row in drawn]
    return Plot(key, [Run.from_row(row) for row in drawn], series, x=x, smooth=smooth, log=log)


def _smoothed(values: npt.NDArray[np.float64], weight: float) -> npt.NDArray[np.float64]:
    """Return the moving average, without the bias of its beginning; NaN and infinities stay themselves.

    As TensorBoard does it, after Kingma and Ba, Adam (2015), section 3.
    """
    import numpy as np

    if not weight:
        return values
    smooth, mean, count = np.array(values), 0.0, 0
    for index, value in enumerate(values.tolist()):
        if np.isfinite(value):
            mean, count = mean * weight + (1 - weight) * value, count + 1
            smooth[index] = mean / (1 - weight**count)
    return smooth
