"""The history of metrics: all points by pages, or a picture of many runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chachaml.core.errors import BadValue, NotFound
from chachaml.surfaces.mlflow.asked import Asked
from chachaml.surfaces.mlflow.errors import invalid
from chachaml.surfaces.mlflow.runs import run_named, value_of

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["bulk", "history", "interval"]

_CAP, _MOST_RUNS, _MOST_DRAWN = 25_000, 100, 2500


def _points(asked: Asked, run: str, key: str, **how: Any) -> tuple[npt.NDArray[Any], ...] | None:
    """Return times in milliseconds, steps and values, what was sent twice once; None for nothing."""
    try:
        series = asked.store.read_series(run, key, **how)
    except NotFound:
        asked.store.get_run(run)  # a metric that is not there is no fault; a run is
        return None
    times, bits = series.times // 1000, series.values.view("<i8")
    order = np.lexsort((bits, series.steps, times))
    rows = np.stack([times[order], series.steps[order], bits[order]])
    new = np.ones(rows.shape[1], bool)
    new[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    return rows[0][new], rows[1][new], series.values[order][new]


def _shown(key: str, points: Sequence[Any], run: str = "") -> list[dict[str, Any]]:
    times, steps, values = (column.tolist() for column in points)
    plain = values if np.isfinite(points[2]).all() else [value_of(value) for value in values]
    more = {"run_id": run} if run else {}
    return [
        {"key": key, "value": value, "timestamp": time, "step": step, **more}
        for time, step, value in zip(times, steps, plain, strict=True)
    ]


def history(asked: Asked) -> Any:
    """Answer the points of a metric; with ``max_results`` by pages."""
    run, key = run_named(asked), asked.text("metric_key")
    points = _points(asked, run, key)
    if points is None:
        return {}
    if "max_results" not in asked.values and "page_token" not in asked.values:
        return {"metrics": _shown(key, points)}
    most, token = asked.most(_CAP, 2**31), asked.text("page_token", "")
    if token and not re.fullmatch(r"from-\d{1,12}", token):
        raise BadValue("Invalid page token: it must be one that came with the page before")
    start = int(token.removeprefix("from-")) if token else 0
    end = start + min(most, _CAP)
    found = {"metrics": _shown(key, [column[start:end] for column in points])}
    return found if end >= len(points[0]) else {**found, "next_page_token": f"from-{end}"}


def _runs(asked: Asked) -> list[str]:
    runs = asked.several("run_ids") or asked.several("run_id")
    if not runs:
        raise asked.missing("run_ids")
    if len(runs) > _MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {_MOST_RUNS} run_ids. Got {len(runs)}."
        )
    return runs


def bulk(asked: Asked) -> Any:
    """Answer the points of a metric of several runs."""
    key, most = asked.text("metric_key"), asked.most(_CAP, _CAP)
    found: list[dict[str, Any]] = []
    for run in _runs(asked):
        points = _points(asked, run, key)
        if points is not None and len(found) < most:
            found += _shown(key, [column[: most - len(found)] for column in points], run)
    return {"metrics": found}


def interval(asked: Asked) -> Any:
    """Answer points of a metric of several runs as a chart needs them: extremes stay."""
    key, most = asked.text("metric_key"), asked.most(320, _MOST_DRAWN)
    start, end = asked.whole("start_step", -(2**63)), asked.whole("end_step", 2**63 - 1)
    if start > end:
        raise invalid(
            f"end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        )
    found: list[dict[str, Any]] = []
    for run in _runs(asked):
        points = _points(asked, run, key, window=(start, end), max_points=max(5, most))
        found += [] if points is None else _shown(key, points, run)
    return {"metrics": found}
