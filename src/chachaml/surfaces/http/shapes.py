"""The bodies that logging takes, in JSON and msgpack, and what they mean."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chachaml.core.changes import PointsLogged, RunError
from chachaml.core.errors import BadValue
from chachaml.core.values import as_step

__all__ = [
    "MSGPACK",
    "NDJSON",
    "Columns",
    "End",
    "Row",
    "Series",
    "Start",
    "descriptions",
    "number_of",
    "points_of",
    "row_of",
    "row_points",
]

NDJSON, MSGPACK = "application/x-ndjson", "application/msgpack"

_SPELLED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
Spelled = Literal["NaN", "Infinity", "-Infinity"]
Number = float | Spelled
"""A number; JSON has no NaN and no infinities, which are written as these texts."""

RunId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[int, Meta(ge=-(2**62), le=2**62)]


class Start(msgspec.Struct, forbid_unknown_fields=True):
    """A run to be started: what is left out is found by the server."""

    experiment: str | None = None
    name: str | None = None
    tags: dict[str, str] = {}
    params: dict[str, Any] = {}
    created_by: str | None = None
    parent_run_id: RunId | None = None


class End(msgspec.Struct, forbid_unknown_fields=True):
    """How a run ended. Default: failed with an error, else completed."""

    status: Literal["completed", "failed", "interrupted"] | None = None
    error: str | RunError | None = None


class Columns(msgspec.Struct, forbid_unknown_fields=True):
    """Points of one metric as columns of one length.

    Steps that are left out follow the highest one so far; times, in microseconds since 1970, are now. In
    msgpack, columns may be bytes: 8 an entry, little-endian int64 and float64.
    """

    run: RunId
    key: Annotated[str, Meta(min_length=1, max_length=1000)]
    values: list[Number] | bytes
    steps: list[Int64] | bytes | None = None
    times: list[Time] | bytes | None = None


class Series(msgspec.Struct, forbid_unknown_fields=True):
    """Points of many metrics, of one run or many."""

    series: list[Columns]


class Row(msgspec.Struct):
    """Values of some metrics at one step."""

    metrics: Mapping[str, float]
    step: int | None = None
    time: int | None = None


def row_of(given: Any) -> Row:
    """Return what ``{"loss": 0.3, "step": 7}`` means, or ``{"metrics": {"loss": 0.3}, "step": 7}``.

    Raises:
        BadValue: It is neither.
    """
    if not isinstance(given, dict):
        raise BadValue('metrics must be an object, such as {"loss": 0.3, "step": 7}')
    rest = dict(given)
    step, time = rest.pop("step", None), rest.pop("time", None)
    if isinstance(rest.get("metrics"), dict):
        metrics = rest.pop("metrics")
        if rest:
            raise BadValue(f"unknown field {sorted(map(str, rest))[0]!r}", "it takes: metrics, step, time")
    else:
        metrics = rest
    values = {key: number_of(key, value) for key, value in metrics.items() if _is_key(key)}
    return Row(values, None if step is None else as_step("step", step), _time_of(time))


def _is_key(key: object) -> bool:
    if not isinstance(key, str):
        raise BadValue(f"a metric's key must be a string, not {key!r}")
    return True


def number_of(key: str, value: Any) -> float:
    """Return a metric's value: a number, or the text of NaN or an infinity.

    Raises:
        BadValue: It is neither.
    """
    if isinstance(value, str) and value in _SPELLED:
        return _SPELLED[value]
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise BadValue(f"metric {key[:80]!r} is too large for a 64-bit float") from None
    shown = repr(value)[:60]
    raise BadValue(
        f"metric {key[:80]!r} must be a number, not {shown}", 'or "NaN", "Infinity", "-Infinity" as text'
    )


def _time_of(time: Any) -> int | None:
    """Return a time in microseconds: given as RFC 3339, or in seconds since 1970."""
    if time is None:
        return None
    try:
        if isinstance(time, str):
            when = datetime.fromisoformat(time)
            if when.tzinfo is None:
                raise ValueError("it has no zone")
            return int(when.timestamp() * 1e6)
        if isinstance(time, (int, float)) and not isinstance(time, bool) and abs(time) < 1e12:
            return int(time * 1e6)
    except (ValueError, OverflowError):
        pass
    raise BadValue(f"{str(time)[:60]!r} is no time", "RFC 3339 with a zone, or seconds since 1970")


def row_points(run: str, row: Row, now: int) -> Iterator[PointsLogged]:
    """Yield the points of a row."""
    time = struct.pack("<q", now if row.time is None else row.time)
    step = b"" if row.step is None else struct.pack("<q", row.step)
    for key, value in row.metrics.items():
        yield PointsLogged(run, key, step, time, struct.pack("<d", value))


def points_of(columns: Columns, now: int) -> PointsLogged:
    """Return the points that columns stand for.

    Raises:
        BadValue: They are not of one length.
    """
    values = columns.values if isinstance(columns.values, bytes) else _floats(columns.values)
    count = len(values) // 8
    steps = b"" if columns.steps is None else _integers(columns.steps)
    times = struct.pack("<q", now) * count if columns.times is None else _integers(columns.times)
    if (
        len(values) % 8
        or len(times) != len(values)
        or (columns.steps is not None and len(steps) != len(values))
    ):
        raise BadValue(f"metric {columns.key[:80]!r}: steps, times and values are not of one length")
    return PointsLogged(columns.run, columns.key, steps, times, values)


def _floats(values: list[float | Spelled]) -> bytes:
    try:
        return struct.pack(f"<{len(values)}d", *values)
    except struct.error:
        plain = [_SPELLED[value] if isinstance(value, str) else value for value in values]
        return struct.pack(f"<{len(values)}d", *plain)


def _integers(column: list[int] | bytes) -> bytes:
    return column if isinstance(column, bytes) else struct.pack(f"<{len(column)}q", *column)


# description --------------------------------------------------------------------------------------

_ID = {
    "name": "run_id",
    "in": "path",
    "required": True,
    "description": "The run's whole id.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
_METRICS = {
    "type": "object",
    "description": 'Values by metric, beside "step" and "time"; or all of them as "metrics".',
    "properties": {
        "metrics": {"type": "object", "additionalProperties": _NUMBER},
        "step": {"type": "integer"},
        "time": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]},
    },
    "additionalProperties": _NUMBER,
}
_OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


def descriptions() -> dict[str, dict[str, Any]]:
    """Return what OpenAPI says of logging."""
    series = schema_of(Series)
    return {
        "start_run": _said("start_run", "Start a run; answer with it.", schema_of(Start), {}, needed=False),
        "end_run": _said("end_run", "End a run; answer with it.", schema_of(End), {}, _ID, needed=False),
        "log_params": _said("log_params", "Log params, all or none.", {"type": "object"}, _OK, _ID),
        "log_metrics": _said(
            "log_metrics", "Log metrics of a run at one step; in lines, at several.", _METRICS, _OK, _ID
        ),
        "log_series": _said("log_series", "Log many points of many metrics, as columns.", series, _OK),
    }


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a body, as JSON has it."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {**parts.pop(top["$ref"].rpartition("/")[2]), **({"$defs": parts} if parts else {})}


def _said(name: str, summary: str, body: Any, result: Any, *path: Any, needed: bool = True) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(path),
        "requestBody": {"required": needed, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": result}}}},
    }
