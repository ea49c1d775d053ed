"""Between rows of SQL and structs: the columns, in one order, and what NULL means in them."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import math
from typing import Any

from msgspec.structs import astuple

from chachaml.core.changes import RunError
from chachaml.core.model import RunRow, Summary
from chachaml.store.engine import Db

__all__ = ["CHUNK", "RUN", "SUMMARY", "next_run", "number_of", "replacing", "row_of", "run_of", "summary_of"]

RUN = """runs.no, runs.id, (SELECT name FROM experiments WHERE no = runs.experiment), runs.name, runs.status,
runs.started, runs.created_by, runs.ended, runs.duration, runs.parent, runs.archived,
(SELECT id FROM journals WHERE no = runs.owner), runs.error_type, runs.error_message, runs.error_traceback"""
"""What to select for `run_of`."""

CHUNK = "run, key, no, count, min_step, max_step, sketch, data"
"""The columns of a chunk, but for its own number."""

SUMMARY = """count, finite, nans, infs, first_step, first_time, first, last_step, last_time, last,
min, min_step, max, max_step, sum"""
"""The columns of a summary, in the order of its fields."""

_FIRST, _LAST, _SUM = 6, 9, 14


def run_of(row: Any) -> tuple[int, RunRow]:
    """Return the number and the run, without tags, params and metrics, that a row of `RUN` holds."""
    no, run, experiment, name, status, started, created_by, ended, duration, parent, archived, owner, *why = (
        row
    )
    return no, RunRow(
        id=run,
        experiment=experiment,
        name=name,
        status=status,
        started=started,
        created_by=created_by,
        ended=ended,
        duration=duration,
        parent=parent,
        error=None if why[0] is None else RunError(*why),
        archived=archived,
        owner=owner,
    )


def row_of(run: RunRow, experiment: int, owner: int | None) -> tuple[Any, ...]:
    """Return what the table ``runs`` keeps of a run from ``experiment`` on, in its order."""
    error = run.error
    return (
        experiment,
        run.name,
        run.status,
        run.started,
        run.ended,
        run.duration,
        run.created_by,
        run.parent,
        owner,
        error.type if error else None,
        error.message if error else None,
        error.traceback if error else None,
        run.archived,
    )


def summary_of(row: Any) -> Summary:
    """Return the summary that a row of `SUMMARY` holds."""
    if row[_FIRST] is None or row[_LAST] is None or row[_SUM] is None:
        row = list(row)
        for place in (_FIRST, _LAST, _SUM):
            if row[place] is None:  # SQLite keeps no NaN, and these are never missing
                row[place] = math.nan
    return Summary(*row)


def columns_of(summary: Summary) -> tuple[Any, ...]:
    """Return a summary as the columns of `SUMMARY`; NaN becomes NULL."""
    return astuple(summary)


def replacing(table: str, columns: str, keys: str) -> str:
    """Return the statement that adds a row, or puts it in the place of the one with the same keys."""
    names = [name.strip() for name in columns.split(",")]
    kept = [name.strip() for name in keys.split(",")]
    new = ", ".join(f"{name} = excluded.{name}" for name in names if name not in kept)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE SET {new}"


def next_run(db: Db) -> int:
    """Return a number that no run has, nor had."""
    highest = [db.execute(f"SELECT max(no) FROM {table}").get for table in ("runs", "tombstones")]
    return max(no or 0 for no in highest) + 1


def number_of(value: str) -> float | None:
    """Return the number that a param's canonical JSON is, or None."""
    if value[0] in "-0123456789":
        return float(value)
    return {'{"$float":"Infinity"}': math.inf, '{"$float":"-Infinity"}': -math.inf}.get(value)
