"""Larger answers: all runs as a file, and points as Arrow."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from starlette.responses import Response

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.ops import OPERATIONS
from chachaml.surfaces.http.answers import FromFile
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.table import import_arrow

__all__ = ["routes"]

_FILES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_ARROW = "application/vnd.apache.arrow.stream"

_SPOKEN = ("filter", "experiment", "status", "created_by", "order_by", "limit", "format")


def routes() -> list[Route]:
    """Return the routes of larger answers."""
    asked = [
        ("filter", "What runs must meet, in the search language."),
        ("experiment", "Only runs of this experiment."),
        ("status", "Only runs in this status."),
        ("created_by", "Only runs that this user started."),
        ("order_by", "Their order. Default: newest first."),
        ("limit", "At most so many; without one there is no limit."),
        ("format", "csv (the default), jsonl or parquet."),
    ]
    series = [
        ("ids", "The runs, between commas."),
        ("metric", "The metric's key."),
        ("from_step", "Only from this step on."),
        ("to_step", "Only up to this step."),
        ("max_points", "At most so many of each run."),
    ]
    return [
        Route(
            "GET",
            "/api/export",
            "read",
            export,
            _said("export_file", "Give all runs that match as a file.", asked),
        ),
        Route(
            "GET",
            "/api/series.arrow",
            "read",
            arrow_series,
            _said("get_series_arrow", "Give points as a stream of Arrow: run, step, time, value.", series),
        ),
    ]


async def export(request: Request) -> Response:
    """Give all runs that match as a file."""
    given = request.query()
    if unknown := given.keys() - {*_SPOKEN}:
        raise BadValue(f"unknown argument {sorted(unknown)[0]!r}", "it takes: " + ", ".join(_SPOKEN))
    kind = given.pop("format", "csv")
    if kind not in _FILES:
        raise BadValue(f"there is no format {kind[:40]!r}", "one of: " + ", ".join(_FILES))
    limit = given.pop("limit", "")
    if limit and not (limit.isascii() and limit.isdigit() and int(limit[:18]) > 0):
        raise BadValue(f"limit must be a number of 1 or more, not {limit[:40]!r}")
    # An empty field of a form means any.
    wanted = {name: value for name, value in given.items() if value}
    file = await request.work(partial(_written, wanted, kind, int(limit[:18]) if limit else None), slow=True)
    headers = {"Content-Disposition": f'attachment; filename="runs.{kind}"', "Content-Type": _FILES[kind]}
    return FromFile(file, 0, None, 200, headers)


def _written(wanted: dict[str, Any], kind: str, limit: int | None) -> BinaryIO:
    """Return a file of runs, which is gone once it is closed."""
    with tempfile.TemporaryDirectory(prefix="chachaml-") as folder:
        path = Path(folder) / f"runs.{kind}"
        table = ml.export_runs(**wanted, format="table")
        table = table if limit is None else table[:limit]
        getattr(table, f"to_{kind}")(path)
        return path.open("rb")


async def arrow_series(request: Request) -> Response:
    """Give points as a stream of Arrow."""
    given: dict[str, Any] = dict(request.query())
    if "ids" in given:
        given["run_ids"] = [one for one in given.pop("ids").split(",") if one]
    return Response(await request.work(partial(_arrow, given)), 200, None, _ARROW)


def _arrow(given: dict[str, Any]) -> bytes:
    arrow = import_arrow("series.arrow")
    found = OPERATIONS["get_series"].run(given, texts=True)
    columns = {
        "run": [one.run for one in found for _ in one.steps],
        "step": [step for one in found for step in one.steps],
        "time": [time for one in found for time in one.times],
        "value": [value for one in found for value in one.values],
    }
    kinds = {
        "run": arrow.string(),
        "step": arrow.int64(),
        "time": arrow.timestamp("us", "UTC"),
        "value": arrow.float64(),
    }
    table = arrow.table({name: arrow.array(column, kinds[name]) for name, column in columns.items()})
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _said(name: str, summary: str, asked: list[tuple[str, str]]) -> dict[str, Any]:
    needed = ("ids", "metric")
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {
                "name": one,
                "in": "query",
                "required": one in needed,
                "description": about,
                "schema": {"type": "integer" if one in _WHOLE else "string"},
            }
            for one, about in asked
        ],
        "responses": {"200": {"description": "The file."}},
    }


_WHOLE = ("limit", "from_step", "to_step", "max_points")
