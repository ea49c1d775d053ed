"""Finding runs by condition and in order, page by page, in SQL."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw
import msgspec
from msgspec.structs import replace

from chachaml.core.errors import BadValue
from chachaml.core.model import Page, RunQuery, RunRow
from chachaml.core.query import And, Expression, Field, IsNull, Not, Order, Ranks
from chachaml.store.cursors import Position, page_end, parse_page_end
from chachaml.store.filters import Sql, condition, joined, ranked_columns, teach
from chachaml.store.reads import filled
from chachaml.store.rows import RUN, run_of

__all__ = ["count_runs", "find_runs"]


class _Found(NamedTuple):
    ranks: Ranks
    no: int
    run: RunRow

    @property
    def position(self) -> Position:
        return self.ranks, self.run.started, self.run.id


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


def find_runs(db: apsw.Connection, query: RunQuery) -> Page:
    """Return one page of the runs that match.

    Raises:
        BadValue: A limit below 1, a cursor that is not one, or a search that takes too long.
    """
    if query.limit < 1:
        raise BadValue(f"limit must be 1 or more, not {query.limit}")
    behind = parse_page_end(query.cursor, len(query.order)) if query.cursor else None
    if query.filter or query.order:
        teach(db)
    if not query.order:
        found = _by_time(db, query, behind)
    elif _is_indexed(query.order):
        found = _by_metric(db, query, behind)
    else:
        found = _by_ranks(db, query, behind, query.limit + 1)
    page = found[: query.limit]
    rows = filled(db, [(one.no, one.run) for one in page], with_values=query.with_values)
    return Page(tuple(rows), page_end(page[-1].position) if len(found) > len(page) else "")


def count_runs(db: apsw.Connection, query: RunQuery) -> int:
    """Return how many runs match."""
    teach(db)
    where, values = _conditions(query)
    count: int = db.execute(f"SELECT count(*) FROM runs {'WHERE ' + where if where else ''}", values).get
    return count


def _conditions(query: RunQuery) -> tuple[str, list[Any]]:
    """Return what runs must meet as SQL, '' if nothing, and its values.

    Only the first test may use an index: without statistics SQLite would choose among several by
    chance, and a unary plus keeps it from that.
    """
    tests: list[str] = []
    values: list[Any] = []
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
    if query.filter is not None:
        text, more = condition(query.filter)
        tests.append(f"({text})")
        values += more
    return " AND ".join(tests), values


def _by_time(db: apsw.Connection, query: RunQuery, behind: Position | None) -> list[_Found]:
    """Return one run more than asked for, newest first."""
    where, values = _conditions(query)
    if behind:
        where += (" AND " if where else "") + "(runs.started, runs.id) < (?, ?)"
        values += behind[1:]
    select = f"SELECT {RUN} FROM runs {'WHERE ' + where if where else ''}"
    order = "ORDER BY runs.started DESC, runs.id DESC LIMIT ?"
    rows = db.execute(f"{select} {order}", [*values, query.limit + 1])
    return [_Found((), *run_of(row)) for row in rows]


# by any order ---------------------------------------------------------------------------------------


def _by_ranks(
    db: apsw.Connection, query: RunQuery, behind: Position | None, wanted: int, also: Sql = ("", [])
) -> list[_Found]:
    """Return so many runs in order, looking at all that match."""
    joins, values = joined(query.order)
    where, more = _conditions(query)
    tests = " AND ".join(test for test in (where, also[0]) if test)
    columns = [column for place, order in enumerate(query.order) for column in ranked_columns(place, order)]
    named = ", ".join(f"{column} AS r{place}" for place, column in enumerate(columns))
    inner = f"SELECT runs.no AS no, runs.started AS started, runs.id AS id, {named} FROM runs{joins}"
    keys = [
        *(
            (f"r{place}", place % 3 > 0 and query.order[place // 3].descending)
            for place in range(len(columns))
        ),
        ("started", True),
        ("id", True),
    ]
    order = ", ".join(f"{name} {'DESC' if down else 'ASC'}" for name, down in keys)
    beyond, last = _beyond(keys, behind) if behind else ("1", [])
    ranks = ", ".join(f"r{place}" for place in range(len(columns)))
    text = f"SELECT no, {ranks} FROM ({inner} {'WHERE ' + tests if tests else ''}) WHERE {beyond}"
    rows = list(db.execute(f"{text} ORDER BY {order} LIMIT ?", [*values, *more, *also[1], *last, wanted]))
    runs = _runs(db, [row[0] for row in rows])
    return [_Found(_ranks(row[1:]), row[0], runs[row[0]]) for row in rows]


def _beyond(keys: list[tuple[str, bool]], behind: Position) -> tuple[str, list[Any]]:
    """Return that a row comes after a position, by the first key in which they differ."""
    place = [*(part for rank in behind[0] for part in rank), *behind[1:]]
    choices, values = [], list[Any]()
    for number, (name, down) in enumerate(keys):
        same = [f"{earlier} = ?" for earlier, _ in keys[:number]]
        choices.append(" AND ".join([*same, f"{name} {'<' if down else '>'} ?"]))
        values += place[: number + 1]
    return "(" + " OR ".join(f"({choice})" for choice in choices) + ")", values


def _ranks(row: Sequence[Any]) -> Ranks:
    return tuple((row[at], float(row[at + 1]), row[at + 2]) for at in range(0, len(row), 3))


def _runs(db: apsw.Connection, numbers: Sequence[int]) -> dict[int, RunRow]:
    query = f"SELECT {RUN} FROM runs WHERE no IN (SELECT value FROM json_each(?))"
    return dict(run_of(row) for row in db.execute(query, (msgspec.json.encode(numbers).decode(),)))


# by one metric --------------------------------------------------------------------------------------


def _is_indexed(order: tuple[Order, ...]) -> bool:
    """Tell whether the order is of one metric that the index on series holds."""
    return (
        len(order) == 1 and order[0].field.kind == "metric" and order[0].field.part in ("last", "min", "max")
    )


def _by_metric(db: apsw.Connection, query: RunQuery, behind: Position | None) -> list[_Found]:
    """Return one run more than asked for: first those with a number, from the index, then the others."""
    (order,), wanted = query.order, query.limit + 1
    needed, rest = _without_presence(query.filter, order.field)
    query = replace(query, filter=rest)
    found = [] if behind and behind[0][0][0] else _by_index(db, query, order, behind, wanted)
    if len(found) >= wanted or needed:
        return found[:wanted]
    numbered = "SELECT run FROM series WHERE key = (SELECT no FROM keys WHERE name = ?)"
    others = f"runs.no NOT IN ({numbered} AND {order.field.part} IS NOT NULL)", [order.field.key]
    return found + _by_ranks(db, query, None if found else behind, wanted - len(found), others)


def _without_presence(filter: Expression | None, field: Field) -> tuple[bool, Expression | None]:
    """Return whether runs must have a number there, and what else they must meet."""
    if field.part == "last":  # which may be NaN
        return False, filter
    parts = filter.parts if isinstance(filter, And) else () if filter is None else (filter,)
    rest = tuple(part for part in parts if part != Not(IsNull(field)))
    needed = len(rest) < len(parts)
    return needed, None if not rest else rest[0] if len(rest) == 1 else And(rest)


def _by_index(
    db: apsw.Connection, query: RunQuery, order: Order, behind: Position | None, wanted: int
) -> list[_Found]:
    """Return runs by (value, start, id).

    An index holds the values of a metric in all runs, but not their ids: of several runs with one
    value and start, those at the cut may not be the right ones, and are left for a larger cut.
    """
    cut = wanted + _SPARE
    while True:
        rows = _extremes(db, query, order, behind, cut)
        whole = len(rows) < cut
        if not whole:
            rows = [row for row in rows if row[:2] != rows[-1][:2]]
        found = _sorted(db, rows, order)
        if behind:
            found = [one for one in found if _is_after(one, behind)]
        if whole or len(found) >= wanted:
            return found[:wanted]
        cut *= 8


def _is_after(found: _Found, behind: Position) -> bool:
    """Tell whether one that is not before a position by value and start is not it, nor before by its id."""
    ranks, started, run = found.position
    return (ranks, started) != behind[:2] or run < behind[2]


def _extremes(
    db: apsw.Connection, query: RunQuery, order: Order, behind: Position | None, cut: int
) -> list[tuple[float, int, int]]:
    """Return value, start and number of so many runs, best first, from where the last page ended."""
    column, way = order.field.part, "DESC" if order.descending else "ASC"
    where = f"key = (SELECT no FROM keys WHERE name = ?) AND {column} IS NOT NULL"
    values: list[Any] = [order.field.key]
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
        value, beyond = behind[0][0][1], "<" if order.descending else ">"
        where += f" AND ({column} {beyond} ? OR ({column} = ? AND started <= ?))"
        values += [value, value, behind[1]]
    select = f"SELECT {column}, started, run FROM series WHERE {where} ORDER BY {column} {way}, started DESC"
    return list(db.execute(select + " LIMIT ?", [*values, cut]))


def _sorted(db: apsw.Connection, rows: Sequence[tuple[float, int, int]], order: Order) -> list[_Found]:
    runs = _runs(db, [no for _, _, no in rows])
    found = [_Found(((0, value, ""),), no, runs[no]) for value, _, no in rows if no in runs]
    sign = 1 if order.descending else -1
    return sorted(found, key=lambda one: (sign * one.ranks[0][1], one.run.started, one.run.id), reverse=True)
