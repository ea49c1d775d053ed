"""Corrections by people in SQL: judged and written in one transaction, with what was there before."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from chachaml.core.changes import ExperimentDescribed, RunDeleted, RunEdited
from chachaml.core.model import Contents, ExperimentRow, HistoryRow, RunRow
from chachaml.core.rules import may_undo, there
from chachaml.store.engine import Db
from chachaml.store.rows import number_of, replacing

__all__ = [
    "add_history",
    "contents",
    "delete_run",
    "deleted",
    "describe",
    "edit",
    "entry",
    "experiments",
    "history",
]

_SET_PARAM = replacing("params", "run, key, value, number", "run, key")

_HISTORY = "no, time, by, run, aspect, key, before, after, undone"

_OF_RUN = (
    "params",
    "tags",
    "series",
    "chunks",
    "conflicts",
    "participants",
    "artifacts",
    "datasets",
    "steps",
    "console",
)
"""The tables whose column ``run`` names a run by its number."""


def edit(db: Db, run: int, row: RunRow, key: int, change: RunEdited) -> str:
    """Make a correction, but for what the run's own row holds; return why not ('' if it was made).

    What changes nothing is made, and not told in the history.

    Args:
        db: A connection that writes.
        run: Number of the run.
        row: The run as it was before.
        key: Number of the param's or metric's key.
        change: The correction.
    """
    now = _now(db, run, key, row, change)
    if change.undoes:
        if why := may_undo(entry(db, change.undoes), change, now):
            return why
    elif now == change.value:
        return ""
    if change.aspect == "metric":
        return _edit_metric(db, run, key, now, change)
    if change.aspect == "param":
        _edit_param(db, run, key, change.value)
    add_history(db, change, now, change.value)
    return ""


def _now(db: Db, run: int, key: int, row: RunRow, change: RunEdited) -> str | None:
    if change.aspect == "param":
        value: str | None = db.execute("SELECT value FROM params WHERE run = ? AND key = ?", (run, key)).get
        return value
    if change.aspect == "metric":
        count = db.execute("SELECT count FROM series WHERE run = ? AND key = ?", (run, key)).get
        return None if count is None else str(count)
    return there(row, change.aspect)


def _edit_param(db: Db, run: int, key: int, value: str | None) -> None:
    if value is None:
        db.execute("DELETE FROM params WHERE run = ? AND key = ?", (run, key))
    else:
        db.execute(_SET_PARAM, (run, key, value, number_of(value)))


def _edit_metric(db: Db, run: int, key: int, now: str | None, change: RunEdited) -> str:
    """Put a metric's points aside under a number that is no key's, or bring them back from there."""
    if change.value is None:
        aside = -add_history(db, change, now, None)
        _rekey(db, run, key, aside)
        db.execute("UPDATE store SET points = points - ?", (int(now or 0),))
        return ""
    aside = -int(change.value)
    count = db.execute("SELECT count FROM series WHERE run = ? AND key = ?", (run, aside)).get
    if count is None or now is not None:
        return f"metric {change.key!r} was logged again, or its points are gone"
    _rekey(db, run, aside, key)
    db.execute("UPDATE store SET points = points + ?", (count,))
    add_history(db, change, None, str(count))
    return ""


def _rekey(db: Db, run: int, old: int, new: int) -> None:
    for table in ("series", "chunks"):
        db.execute(f"UPDATE {table} SET key = ? WHERE run = ? AND key = ?", (new, run, old))


def add_history(db: Db, change: RunEdited | RunDeleted, before: str | None, after: str | None) -> int:
    """Keep that a correction was made; return the entry's number."""
    aspect, key = ("deleted", "") if isinstance(change, RunDeleted) else (change.aspect, change.key)
    insert = """INSERT INTO history (time, by, run, aspect, key, before, after)
        VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING no"""
    no: int = db.execute(insert, (change.time, change.by, change.run, aspect, key, before, after)).get
    if isinstance(change, RunEdited) and change.undoes:
        db.execute("UPDATE history SET undone = ? WHERE no = ?", (no, change.undoes))
    return no


def delete_run(db: Db, run: int, row: RunRow, change: RunDeleted) -> None:
    """Delete a run with all that belongs to it, and remember that it was there."""
    points = db.execute("SELECT coalesce(sum(count), 0) FROM series WHERE run = ? AND key > 0", (run,)).get
    db.execute("UPDATE store SET points = points - ?", (points,))
    for table in _OF_RUN:
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
    db.execute("DELETE FROM runs WHERE no = ?", (run,))
    db.execute("INSERT INTO tombstones VALUES (?, ?, ?)", (run, row.id, change.time))
    add_history(db, change, row.name, None)


def describe(db: Db, experiment: int, change: ExperimentDescribed) -> None:
    """Say what an experiment is about; what is None stays as it is."""
    update = """UPDATE experiments SET description = coalesce(?, description), owner = coalesce(?, owner)
        WHERE no = ?"""
    db.execute(update, (change.description, change.owner, experiment))


# reading ------------------------------------------------------------------------------------------


def entry(db: Db, no: int) -> HistoryRow | None:
    """Return one entry of the history."""
    row = db.execute(f"SELECT {_HISTORY} FROM history WHERE no = ?", (no,)).fetchone()
    return None if row is None else HistoryRow(*row)


def history(db: Db, run: str | None, before: int | None, limit: int) -> list[HistoryRow]:
    """Return corrections, newest first."""
    wanted = {"run = :run": run, "no < :before": before}
    which = " AND ".join(test for test, value in wanted.items() if value is not None) or "TRUE"
    query = f"SELECT {_HISTORY} FROM history WHERE {which} ORDER BY no DESC LIMIT :limit"
    values = {"run": run, "before": before, "limit": limit}
    return [HistoryRow(*row) for row in db.execute(query, values)]


def experiments(db: Db) -> list[ExperimentRow]:
    """Return all experiments that were described or have runs, by name."""
    archived = dict(db.execute("SELECT experiment, count(*) FROM runs WHERE archived IS NOT NULL GROUP BY 1"))
    query = """SELECT no, name, description, owner, created, runs, running, latest FROM experiments
        LEFT JOIN (SELECT experiment, count(*) AS runs, count(*) FILTER (WHERE status = 'running') AS running,
                   max(started) AS latest FROM runs GROUP BY experiment) AS counted ON experiment = no
        WHERE no > 0 ORDER BY name"""
    found = []
    for no, name, description, owner, created, runs, running, latest in db.execute(query):
        gone = archived.get(no, 0)
        about = (name, description, owner, created, (runs or 0) - gone, running or 0, gone, latest)
        found.append(ExperimentRow(*about))
    return found


def contents(db: Db, runs: Sequence[str]) -> Contents:
    """Return how much some runs hold."""
    which = "(SELECT no FROM runs WHERE id IN (SELECT value FROM json_each(?1)))"
    counts = (
        "SELECT count(*) FROM runs WHERE no IN ",
        "SELECT count(*) FROM params WHERE run IN ",
        "SELECT count(*) FROM series WHERE key > 0 AND run IN ",
        "SELECT coalesce(sum(count), 0) FROM series WHERE key > 0 AND run IN ",
        "SELECT count(*) FROM artifacts WHERE run IN ",
    )
    bound = (msgspec.json.encode(list(runs)).decode(),)
    found = [db.execute(count + which, bound).get for count in counts]
    query = f"SELECT DISTINCT digest, size FROM artifacts WHERE run IN {which}"
    runs_, params, metrics, points, artifacts = found
    freed = sum(size for _, size in db.execute(query, bound))
    return Contents(runs_, params, metrics, points, artifacts, freed)


def deleted(db: Db, runs: Sequence[str]) -> Iterator[str]:
    """Yield those of some ids whose runs were deleted."""
    query = "SELECT id FROM tombstones WHERE id IN (SELECT value FROM json_each(?))"
    yield from (run for (run,) in db.execute(query, (msgspec.json.encode(list(runs)).decode(),)))
