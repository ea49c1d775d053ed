"""Metrics of many runs as charts draw them: one question for all charts in view, packed as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta
from starlette.responses import Response

from chachaml.core.errors import BadValue
from chachaml.core.model import RunQuery
from chachaml.core.query import Field, In
from chachaml.store.protocol import Store
from chachaml.surfaces.http.answers import answer, as_json
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.surfaces.http.shapes import RunId, schema_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from chachaml.core.model import Series
    from chachaml.web.buckets import Drawn, Line

    Column = npt.NDArray[np.generic]

__all__ = ["PACKED", "Asked", "routes"]

PACKED = "application/vnd.chachaml.curves"

_MOST_PLACES = 4_000_000
"""Runs times keys times buckets of one answer: an eighth of a gigabyte."""
_MANY = 1000
"""From this many series on an answer takes long enough to keep others waiting."""
_COARSE = 64
"""Stretches that tell roughly at which steps something was."""
_LARGEST = 2**63 - 1


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    """Another metric of the same run, as the x axis: its value at the same step."""

    metric: Annotated[str, Meta(min_length=1, max_length=1000)]


class Runs(msgspec.Struct, forbid_unknown_fields=True):
    """Some runs, by their whole ids."""

    runs: Annotated[list[RunId], Meta(max_length=1000)]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be drawn.

    One chart for each key, over all runs that have it. ``x`` is the step, the seconds since a run began
    (relative), those since 1970 (wall), or another metric. ``window`` is from where to where on it,
    everything by default. ``buckets`` is how many places a chart has side by side: its pixels; with
    ``log_x`` they are as wide as each other on a logarithmic axis.
    """

    runs: Annotated[list[RunId], Meta(max_length=1000)]
    keys: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=200)]
    x: Literal["step", "relative", "wall"] | Metric = "step"
    window: tuple[float, float] | None = None
    buckets: Annotated[int, Meta(ge=2, le=2000)] = 500
    log_x: bool = False


class _Chart(NamedTuple):
    key: str
    exact: bool
    grid: npt.NDArray[np.float64]
    lines: dict[str, Drawn]
    series: dict[str, Series]


def routes() -> list[Route]:
    """Return the routes of charts."""
    return [
        Route("POST", "/api/curves", "read", curves, _description()),
        Route("POST", "/api/curves/keys", "read", keys, _description_of_keys()),
    ]


async def curves(request: Request) -> Response:
    """Answer with what is to be drawn: packed, or as JSON for who asks for it."""
    request.expect("application/json")
    asked = request.decode(Asked)
    asked.runs, asked.keys = [*dict.fromkeys(asked.runs)], [*dict.fromkeys(asked.keys)]
    _check(asked)
    slow = len(asked.runs) * len(asked.keys) >= _MANY
    if "application/json" in request.headers.get("accept", ""):
        return answer(await request.work(lambda: _plain(_charts(request.store, asked)), slow=slow))
    packed = await request.work(lambda: _packed(_charts(request.store, asked)), slow=slow)
    return Response(packed, 200, None, PACKED)


async def keys(request: Request) -> Response:
    """Answer with the metrics that some runs have."""
    runs = tuple(dict.fromkeys(request.decode(Runs).runs))
    query = RunQuery(filter=In(Field("attribute", "id"), runs), archived=None)
    found = (await request.work(lambda: request.store.columns(query))).metrics if runs else {}
    return answer({"keys": {key: sum(last is not None for last in column) for key, column in found.items()}})


def _check(asked: Asked) -> None:
    if asked.window is not None:
        low, high = asked.window
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise BadValue("window must be from where to where, such as [0, 100]")
    if len(asked.runs) * len(asked.keys) * asked.buckets > _MOST_PLACES:
        raise BadValue("this is too much for one answer", "ask for fewer buckets, or for fewer keys at once")


# reading ------------------------------------------------------------------------------------------


def _charts(store: Store, asked: Asked) -> list[_Chart]:
    from chachaml.web.buckets import over_one_grid

    axis = _Axis(store, asked)
    found = []
    for key in asked.keys:
        series = {one.run: one for one in _read(store, asked, key, axis)}
        lines = {run: line for run, one in series.items() if (line := axis.line(one)) is not None}
        grid, exact, drawn = over_one_grid(lines, asked.buckets, log_x=asked.log_x)
        sampled = any(one.sampled for one in series.values())
        found.append(_Chart(key, exact and not sampled, grid, drawn, series))
    return found


def _read(store: Store, asked: Asked, key: str, axis: _Axis) -> list[Series]:
    """Return the points of a metric that are to be drawn, and maybe some around them."""
    wanted = [(run, key) for run in asked.runs]
    if asked.window is None:
        return store.read_outlines(wanted, None, 2 * asked.buckets)
    if asked.x == "step":
        return store.read_outlines(wanted, _steps(*asked.window), 2 * asked.buckets)
    found = []
    for one in store.read_outlines(wanted, None, _COARSE):
        if not one.sampled:
            found.append(one)
        elif (steps := axis.covering(one, asked.window)) is not None:
            found += store.read_outlines([(one.run, key)], steps, 2 * asked.buckets)
    return found


def _steps(low: float, high: float) -> tuple[int, int]:
    """Return the steps within a window."""
    first, last = math.ceil(low), math.floor(high)
    return max(-_LARGEST - 1, min(first, _LARGEST)), max(-_LARGEST - 1, min(last, _LARGEST))


class _Axis:
    """Where points are on the x axis.

    Args:
        store: The store.
        asked: What is to be drawn.
    """

    def __init__(self, store: Store, asked: Asked) -> None:
        self._x, self._window = asked.x, asked.window
        self._began: dict[str, int] = {}
        self._others: dict[str, Series] = {}
        if asked.x == "relative":
            self._began = {run: row.started for run, row in store.bare_runs(asked.runs).items()}
        elif isinstance(asked.x, Metric):
            wanted = [(run, asked.x.metric) for run in asked.runs]
            self._others = {one.run: one for one in store.read_outlines(wanted, None, 4 * asked.buckets)}

    def line(self, series: Series) -> Line | None:
        """Return the points within the window as a line, None for a run that has no such axis."""
        from chachaml.web.buckets import line

        where = self._where(series)
        if where is None:
            return None
        return line(where, series.values, sampled=series.sampled, window=self._window)

    def covering(self, series: Series, window: tuple[float, float]) -> tuple[int, int] | None:
        """Return from which step to which the points of a window are; None if there are none.

        Args:
            series: Some of the points. Between two that follow each other, x may have been anything between.
            window: From where to where on the axis.
        """
        import numpy as np

        where = self._where(series)
        if where is None or not len(where):
            return None
        low, high = np.fmin(where[:-1], where[1:]), np.fmax(where[:-1], where[1:])
        (within,) = np.nonzero((low <= window[1]) & (high >= window[0]))
        if not len(within):
            return None
        # One more on both sides: times of a run that was taken up again overlap.
        first, last = max(0, int(within[0]) - 1), min(len(where) - 1, int(within[-1]) + 2)
        return int(series.steps[first]), int(series.steps[last])

    def _where(self, series: Series) -> npt.NDArray[np.float64] | None:
        import numpy as np

        if self._x == "step":
            return series.steps.astype(np.float64)
        if self._x == "wall":
            return series.times / 1e6
        if self._x == "relative":
            began = self._began.get(series.run)
            return None if began is None else (series.times - began) / 1e6
        other = self._others.get(series.run)
        return None if other is None or not len(other.steps) else _at_steps(other, series.steps)


def _at_steps(other: Series, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the last value of a metric at each of some steps, NaN where it has none.

    Of a metric with so many points that only some were read, the last one before will do.
    """
    import numpy as np

    at = np.searchsorted(other.steps, steps, side="right") - 1
    known = at >= 0 if other.sampled else (at >= 0) & (other.steps[at] == steps)
    return np.where(known, other.values[at], np.nan)


# answering ----------------------------------------------------------------------------------------


def _shape(chart: _Chart, put: Any) -> dict[str, Any]:
    """Return what is told of a chart; `put` says what stands for a column."""
    return {
        "key": chart.key,
        "exact": chart.exact,
        "x": put(chart.grid),
        "runs": [
            {
                "run": run,
                "points": chart.series[run].total,
                "sampled": chart.series[run].sampled,
                "first": drawn.first,
                **{
                    name: put(column)
                    for name, column in zip(_COLUMNS, drawn[1:], strict=True)
                },
            }
            for run, drawn in chart.lines.items()
        ],
    }  # fmt: skip


_COLUMNS = ("mean", "min", "max", "last", "flags")


def _plain(charts: Sequence[_Chart]) -> dict[str, Any]:
    return {"charts": [_shape(chart, lambda column: column.tolist()) for chart in charts]}


def _packed(charts: Sequence[_Chart]) -> bytes:
    """Return charts as bytes: the length of a head in 4 bytes, the head in JSON, and columns behind it.

    In the head, ``[offset, length]`` stands for a column; offsets count from the head's end, which is at a
    multiple of 8 bytes, as are they. Columns that are the same are there once.
    """
    pieces: list[bytes] = []
    known: dict[int, list[int]] = {}
    end = 0

    def put(column: Column) -> list[int]:
        nonlocal end
        place = known.get(id(column))
        if place is None:
            data = column.tobytes()
            data += bytes(-len(data) % 8)
            place = known[id(column)] = [end, len(column)]
            pieces.append(data)
            end += len(data)
        return place

    head = as_json({"charts": [_shape(chart, put) for chart in charts]})
    head += b" " * (-(4 + len(head)) % 8)
    return b"".join([len(head).to_bytes(4, "little"), head, *pieces])


# description --------------------------------------------------------------------------------------


def _description() -> dict[str, Any]:
    number = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    column = {"type": "array", "items": number}
    flags = {"type": "array", "items": {"type": "integer"}, "description": _FLAGS}
    run = {
        "run": {"type": "string"},
        "points": {"type": "integer", "description": "All that there are in the window."},
        "sampled": {"type": "boolean", "description": "Only points that stand for stretches were read."},
        "first": {"type": "integer", "description": "The place in x of the columns' first entries."},
        "mean": column,
        "min": column,
        "max": column,
        "last": {**column, "description": "Of the points in the order of x, whatever its value is."},
        "flags": flags,
    }
    chart = {
        "key": {"type": "string"},
        "exact": {"type": "boolean", "description": "x has every place that any run has points at."},
        "x": {**column, "description": "Where all runs have points: their places, or middles of buckets."},
        "runs": {"type": "array", "items": {"type": "object", "properties": run}},
    }
    whole = {"charts": {"type": "array", "items": {"type": "object", "properties": chart}}}
    return {
        "operationId": "get_curves",
        "summary": "Give metrics of many runs as charts draw them, in buckets that hide no spike.",
        "description": _packed.__doc__,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(Asked)}}},
        "responses": {
            "200": {
                "description": "A chart for each key; runs that lack it are not there.",
                "content": {
                    PACKED: {"schema": {"type": "string", "format": "binary"}},
                    "application/json": {"schema": {"type": "object", "properties": whole}},
                },
            }
        },
    }


def _description_of_keys() -> dict[str, Any]:
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    return {
        "operationId": "get_curve_keys",
        "summary": "List the metrics that some runs have, with how many of them have each.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(Runs)}}},
        "responses": {
            "200": {
                "description": "Metrics by name.",
                "content": {
                    "application/json": {"schema": {"type": "object", "properties": {"keys": counts}}}
                },
            }
        },
    }


_FLAGS = "What a bucket has: 1 points, 2 NaN, 4 infinity, 8 minus infinity, added up; 0 for none."
