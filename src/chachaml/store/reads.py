"""Finding runs and what belongs to them, in SQL; every function takes a connection that reads."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import apsw
import msgspec
from msgspec.structs import replace

from chachaml.core.changes import Conflicted
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import MetricOrder, Page, RunQuery, RunRow, Summary
from chachaml.core.values import parse
from chachaml.store.artifacts import artifacts_of, datasets_of
from chachaml.store.protocol import Feed, FeedRow
from chachaml.store.rows import RUN, SUMMARY, run_of, summary_of

__all__ = ["changes_since", "find_runs", "get_run", "numbers"]

_Found = tuple[float, int, RunRow]
"""The metric's value (0 where there is none), the run's number, the run."""

_Position = tuple[float, int, str]
"""Where a page ends: value, start, id."""

_SPARE = 20
"""Runs to look at beyond those asked for, in case that some are equally good."""

_TESTS = {
    "parent": "runs.parent = ?",
    "owner": "runs.owner = (SELECT no FROM journals WHERE id = ?)",
    "name": "runs.name = ?",
    "experiment": "runs.experiment = (SELECT no FROM experiments WHERE name = ?)",
    "created_by": "runs.created_by = ?",
    "status": "runs.status = ?",
}
"""By field of a query, the one that fewest runs meet first."""


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()


# runs ---------------------------------------------------------------------------------------------


def numbers(db: apsw.Connection, run: str, key: str) -> tuple[int, int | None]:
    """Return the numbers of a run and of a key, None for one that nothing has.

    Raises:
        NotFound: No such run.
    """
    query = "SELECT no, (SELECT no FROM keys WHERE name = ?) FROM runs WHERE id = ?"
    found: tuple[int, int | None] | None = db.execute(query, (key, run)).fetchone()
    if found is None:
        raise _no_run(run)
    return found


def get_run(db: apsw.Connection, run: str) -> RunRow:
    """Return a run with everything that belongs to it.

    Raises:
        NotFound: No such run.
    """
    row = db.execute(f"SELECT {RUN} FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise _no_run(run)
    no, bare = run_of(row)
    (filled,) = _filled(db, [(0.0, no, bare)], with_values=True)
    conflicts = db.execute("SELECT what FROM conflicts WHERE run = ? ORDER BY no", (no,))
    return replace(
        filled,
        conflicts=tuple(Conflicted(run, what) for (what,) in conflicts),
        artifacts=artifacts_of(db, no),
        datasets=datasets_of(db, no),
    )


def find_runs(db: apsw.Connection, query: RunQuery) -> Page:
    """Return one page of the runs that match.

    Raises:
        BadValue: A limit below 1, or a cursor that is not one.
    """
    if query.limit < 1:
        raise BadValue(f"limit must be 1 or more, not {query.limit}")
    behind = _parse_cursor(query.cursor) if query.cursor else None
    if query.order is None:
        found = list(_by_time(db, query, behind))
    else:
        found = _by_metric(db, query, query.order, behind)
    page = found[: query.limit]
    rows = tuple(_filled(db, page, with_values=query.with_values))
    return Page(rows, _cursor(page[-1]) if len(found) > len(page) else "")


def _no_run(run: str) -> NotFound:
    return NotFound(f"there is no run {run!r} in this store")


def _cursor(last: _Found) -> str:
    rank, _, run = last
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((rank, run.started, run.id))).decode()


def _parse_cursor(cursor: str) -> _Position:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode())
        position: _Position = msgspec.msgpack.decode(raw, type=_Position)
        return position
    except ValueError:  # of the base64, of an odd character, or msgspec's own
        raise BadValue(f"{cursor[:40]!r} is not a page's cursor", "take it from the page before") from None


def _conditions(query: RunQuery) -> tuple[str, list[Any]]:
    """Return what runs must meet as SQL, '' if nothing, and its values.

    Only the first test may use an index: without statistics SQLite would choose among several by
    chance, and a unary plus keeps it from that.
    """
    tests, values = [], []
    if query.text_id:
        tests.append(
            "runs.no IN (SELECT no FROM runs WHERE id >= ? AND id < ? "
            "UNION ALL SELECT no FROM runs WHERE short >= ? AND short < ?)"
        )
        values += [query.text_id, query.text_id + "\U0010ffff"] * 2
    for name, test in _TESTS.items():
        if (value := getattr(query, name)) is not None:
            tests.append("+" + test if tests else test)
            values.append(value)
    if query.archived is not None:
        tests.append(f"runs.archived IS {'NOT ' if query.archived else ''}NULL")
    return " AND ".join(tests), values


def _by_time(db: apsw.Connection, query: RunQuery, behind: _Position | None) -> Iterator[_Found]:
    """Yield one run more than asked for, newest first."""
    where, values = _conditions(query)
    if behind:
        where += (" AND " if where else "") + "(runs.started, runs.id) < (?, ?)"
        values += behind[1:]
    select = f"SELECT {RUN} FROM runs {'WHERE ' + where if where else ''}"
    order = "ORDER BY runs.started DESC, runs.id DESC LIMIT ?"
    for row in db.execute(f"{select} {order}", [*values, query.limit + 1]):
        yield 0.0, *run_of(row)


# runs by metric -----------------------------------------------------------------------------------


def _by_metric(
    db: apsw.Connection, query: RunQuery, order: MetricOrder, behind: _Position | None
) -> list[_Found]:
    """Return one run more than asked for, best first, by (value, start, id).

    An index holds the extremes of a metric in all runs, but not their ids: of several runs with one
    value and start, those at the cut may not be the right ones, and are left for a larger cut.
    """
    wanted = query.limit + 1
    cut = wanted + _SPARE
    while True:
        rows = _extremes(db, query, order, behind, cut)
        whole = len(rows) < cut
        if not whole:
            rows = [row for row in rows if row[:2] != rows[-1][:2]]
        found = _sorted(db, rows, order)
        if behind:
            found = [one for one in found if one[2].id < behind[2] or _place(one) != behind[:2]]
        if whole or len(found) >= wanted:
            return found[:wanted]
        cut *= 8


def _extremes(
    db: apsw.Connection, query: RunQuery, order: MetricOrder, behind: _Position | None, cut: int
) -> list[tuple[float, int, int]]:
    """Return value, start and number of so many runs, best first, from where the last page ended."""
    column, way = order.by, "DESC" if order.descending else "ASC"
    where = f"key = (SELECT no FROM keys WHERE name = ?) AND {column} IS NOT NULL"
    values: list[Any] = [order.key]
    if query.experiment is not None:
        where += " AND experiment = (SELECT no FROM experiments WHERE name = ?)"
        values.append(query.experiment)
    if query.archived is False:
        where += " AND run NOT IN (SELECT no FROM runs WHERE archived IS NOT NULL)"
        query = replace(query, archived=None)
    tests, more = _conditions(replace(query, experiment=None))
    if tests:
        where += f" AND run IN (SELECT no FROM runs WHERE {tests})"
        values += more
    if behind:
        beyond = "<" if order.descending else ">"
        where += f" AND ({column} {beyond} ? OR ({column} = ? AND started <= ?))"
        values += [behind[0], *behind[:2]]
    select = f"SELECT {column}, started, run FROM series WHERE {where} ORDER BY {column} {way}, started DESC"
    return list(db.execute(select + " LIMIT ?", [*values, cut]))


def _sorted(db: apsw.Connection, rows: Sequence[tuple[float, int, int]], order: MetricOrder) -> list[_Found]:
    ranks = {no: rank for rank, _, no in rows}
    query = f"SELECT {RUN} FROM runs WHERE no IN (SELECT value FROM json_each(?))"
    runs = [run_of(row) for row in db.execute(query, (_json(list(ranks)),))]
    found = [(ranks[no], no, run) for no, run in runs]
    sign = 1 if order.descending else -1
    return sorted(found, key=lambda one: (sign * one[0], one[2].started, one[2].id), reverse=True)


def _place(found: _Found) -> tuple[float, int]:
    return found[0], found[2].started


# what belongs to runs -----------------------------------------------------------------------------


def _filled(db: apsw.Connection, found: Sequence[_Found], *, with_values: bool) -> Iterator[RunRow]:
    """Yield the runs with their tags, and with params and metrics if asked for."""
    tags: dict[int, dict[str, str]] = {no: {} for _, no, _ in found}
    wanted = (_json(list(tags)),)
    for run, key, tag in db.execute(_belonging("tags", "value"), wanted):
        tags[run][key] = tag
    if not with_values:
        yield from (replace(row, tags=tags[no]) for _, no, row in found)
        return
    params: dict[int, dict[str, Any]] = {no: {} for no in tags}
    metrics: dict[int, dict[str, Summary]] = {no: {} for no in tags}
    for run, key, value in db.execute(_belonging("params", "value"), wanted):
        params[run][key] = parse(value)
    for run, key, *summary in db.execute(_belonging("series", SUMMARY), wanted):
        metrics[run][key] = summary_of(summary)
    for _, no, row in found:
        yield replace(row, tags=tags[no], params=params[no], metrics=metrics[no])


def _belonging(table: str, columns: str) -> str:
    # CROSS JOIN fixes the order of the tables: keys are looked up for what the runs have.
    return (
        f"SELECT run, keys.name, {columns} FROM {table} CROSS JOIN keys ON keys.no = {table}.key "
        "WHERE run IN (SELECT value FROM json_each(?)) ORDER BY run, key"
    )


def changes_since(db: apsw.Connection, cursor: int, limit: int) -> Feed:
    """Return the batches applied after `cursor`, oldest first."""
    query = """SELECT cursor, time, runs.id FROM
        (SELECT * FROM feed WHERE cursor > ? ORDER BY cursor LIMIT ?) AS batches
        LEFT JOIN json_each(batches.runs) AS touched LEFT JOIN runs ON runs.no = touched.value
        ORDER BY cursor, touched.key"""
    batches: dict[int, tuple[int, list[str]]] = {}
    for at, time, run in db.execute(query, (cursor, limit)):
        batches.setdefault(at, (time, []))[1].extend([run] if run is not None else [])
    rows = tuple(FeedRow(at, time, tuple(runs)) for at, (time, runs) in batches.items())
    return Feed(rows, rows[-1].cursor if rows else cursor)
