"""SQL by hand: one SELECT over views that read well, on a connection that can do nothing else.

    runs         id, short_id, name, experiment, status, started, ended, duration, created_by, parent, error,
                 archived
    params       run, key, value, number
    metrics      run, key, last, min, max, mean, first, count, nans, last_step, min_step, max_step
    tags         run, key, value
    artifacts    run, name, size, content_type, format, digest, logged
    datasets     run, name, role, rows, columns, features, digest, source
    experiments  name, description, owner, created

Runs are named by their whole ids; times are texts such as 2026-11-01 10:00:00.000 (UTC), durations seconds.
"""

# ruff: noqa: S608 - the views are made of names of our own

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from chachaml.core.errors import BadQuery, BadValue

__all__ = ["prepare", "select"]

PATIENCE = 30.0
"""Seconds that a query may take."""

_ALLOWED = {apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE}
_REFUSED = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_TABLES = {"runs", "params", "series", "tags", "keys", "artifacts", "datasets", "experiments", "metrics"}
_TABLES |= {"json_each", "json_tree"}
"""What may be read. Others hold what is nobody's business, such as where alerts are told."""

_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""


def _when(column: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', {column} / 1e6, 'unixepoch')"


_VIEWS = f"""
CREATE TEMP VIEW runs AS SELECT r.id, r.short AS short_id, r.name, e.name AS experiment, r.status,
    {_when("r.started")} AS started, {_when("r.ended")} AS ended, r.duration / 1e6 AS duration,
    r.created_by, r.parent, r.error_message AS error, {_when("r.archived")} AS archived
    FROM main.runs AS r JOIN main.experiments AS e ON e.no = r.experiment;
CREATE TEMP VIEW params AS SELECT r.id AS run, k.name AS key,
    CASE WHEN json_type(p.value) = 'text' THEN p.value ->> '$' ELSE p.value END AS value, p.number
    FROM main.params AS p JOIN main.runs AS r ON r.no = p.run JOIN main.keys AS k ON k.no = p.key;
CREATE TEMP VIEW metrics AS SELECT r.id AS run, k.name AS key, s.last, s.min, s.max,
    s.sum / s.finite AS mean, s.first, s.count, s.nans, s.last_step, s.min_step, s.max_step
    FROM main.series AS s JOIN main.runs AS r ON r.no = s.run JOIN main.keys AS k ON k.no = s.key;
CREATE TEMP VIEW tags AS SELECT r.id AS run, k.name AS key, t.value
    FROM main.tags AS t JOIN main.runs AS r ON r.no = t.run JOIN main.keys AS k ON k.no = t.key;
CREATE TEMP VIEW artifacts AS SELECT r.id AS run, a.name, a.size, a.content_type, a.format, a.digest,
    {_when("a.logged")} AS logged FROM main.artifacts AS a JOIN main.runs AS r ON r.no = a.run;
CREATE TEMP VIEW datasets AS SELECT r.id AS run, d.name, d.role, d.rows, d.columns, d.features, d.digest,
    d.source FROM main.datasets AS d JOIN main.runs AS r ON r.no = d.run;
CREATE TEMP VIEW experiments AS SELECT name, description, owner, {_when("created")} AS created
    FROM main.experiments WHERE no > 0;
"""


def prepare(db: apsw.Connection) -> None:
    """Make a fresh connection fit for `select`, and for nothing else."""
    db.execute(_VIEWS)
    db.execute("PRAGMA query_only = 1")
    for limit, most in ((apsw.SQLITE_LIMIT_LENGTH, 64 << 20), (apsw.SQLITE_LIMIT_ATTACHED, 0)):
        db.limit(limit, most)
    db.authorizer = _authorize


def _authorize(action: int, *about: str | None) -> int:
    if action == apsw.SQLITE_FUNCTION:
        fine = str(about[1]).lower() not in _REFUSED
    elif action == apsw.SQLITE_READ:
        fine = str(about[0]).lower() in _TABLES
    else:
        fine = action in _ALLOWED
    return apsw.SQLITE_OK if fine else apsw.SQLITE_DENY


def select(
    db: apsw.Connection, query: str, values: Sequence[Any] | Mapping[str, Any], most: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and up to `most` rows.

    Raises:
        BadQuery: Not SQL, or not one statement.
        BadValue: It would change something, or takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    columns: list[str] = []
    statements = 0

    def each(cursor: apsw.Cursor, *_: object) -> bool:
        """Learn the columns before the first row, for there may be none; refuse a second statement."""
        nonlocal statements
        statements += 1
        if statements == 1:
            columns.extend(name for name, *_ in cursor.get_description())
        return statements == 1

    db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    db.exec_trace = each
    try:
        rows = [tuple(row) for row, _ in zip(db.execute(query, values), range(most), strict=False)]
    except apsw.AuthError:
        raise BadValue("only SELECT is possible here, over the documented views", _HINT) from None
    except apsw.ExecTraceAbort:
        raise BadValue("one statement at a time", _HINT) from None
    except apsw.InterruptError:
        raise BadValue(f"the query took longer than {PATIENCE:.0f} seconds", "narrow it") from None
    except (apsw.SQLError, apsw.BindingsError) as error:
        at = getattr(error, "error_offset", -1)
        raise BadQuery(str(error), query, max(at, 0), _HINT) from None
    return columns, rows


_HINT = "the views: runs, params, metrics, tags, artifacts, datasets, experiments"
