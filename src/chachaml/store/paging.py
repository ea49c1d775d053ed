"""Finding runs by condition and in order, page by page, in SQL."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from chachaml.core.errors import BadValue
from chachaml.core.model import Page, RunQuery, RunRow
from chachaml.core.query import And, Expression, Field, IsNull, Not, Order, Ranks
from chachaml.store import filters
from chachaml.store.cursors import Position, page_end, parse_page_end
from chachaml.store.engine import Db, Rows, Sql
from chachaml.store.filters import condition, fast_condition, joined, ranked_columns, rare_condition
from chachaml.store.reads import filled
from chachaml.store.rows import RUN, run_of

__all__ = ["Found", "count_runs", "find_runs", "found_runs", "numbers_of"]


class Found(NamedTuple):
    """A run that was found, its number, and where it stands in the orders asked for."""

    ranks: Ranks
    no: int
    run: RunRow

    @property
    def position(self) -> Position:
        """Where a page that ends with it ends."""
        return self.ranks, self.run.started, self.run.id


_NEAR = 2000
"""Runs to look at one by one before a search of all: a filter that many runs meet is answered there."""

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


def find_runs(db: Db, query: RunQuery) -> Page:
    """Return one page of the runs that match.

    Raises:
        BadValue: A limit below 1, a cursor that is not one, or a search that takes too long.
    """
    if query.offset:
        numbers = numbers_of(db, query)
        runs = _runs(db, numbers)
        bare, end = [(no, runs[no]) for no in numbers], ""
    else:
        found = found_runs(db, query)
        page = found[: query.limit]
        bare = [(one.no, one.run) for one in page]
        end = page_end(page[-1].position) if len(found) > len(page) else ""
    how = {"with_values": query.with_values, "last_only": query.last_only}
    return Page(tuple(filled(db, bare, keys=query.keys, **how)), end)


def numbers_of(db: Db, query: RunQuery) -> list[int]:
    """Return the numbers of the runs that match, in their order: at most ``limit``, from ``offset`` on.

    Raises:
        BadValue: A limit below 1, a negative offset, or a search that takes too long.
    """
    if query.limit < 1 or query.offset < 0:
        raise BadValue(f"limit must be 1 or more, not {query.limit}; offset 0 or more, not {query.offset}")
    if query.filter or query.order:
        db.teach(filters.PATIENCE)
    if query.order:
        return [row[0] for row in _ranked(db, query, None, query.limit, offset=query.offset)]
    tests = _all_conditions(db, query)
    text = f"SELECT no FROM runs {_where(tests)} {_NEWEST_FIRST} LIMIT ? OFFSET ?"
    return [no for (no,) in db.execute(text, [*tests[1], query.limit, query.offset])]


def found_runs(db: Db, query: RunQuery) -> list[Found]:
    """Return one run more than asked for, with their numbers and ranks, in order.

    Raises:
        BadValue: As for `find_runs`.
    """
    if query.limit < 1:
        raise BadValue(f"limit must be 1 or more, not {query.limit}")
    behind = parse_page_end(query.cursor, len(query.order)) if query.cursor else None
    if query.filter or query.order:
        db.teach(filters.PATIENCE)
    if not query.order:
        return _by_time(db, query, behind)
    if _is_indexed(query.order):
        return _by_metric(db, query, behind)
    return _by_ranks(db, query, behind, query.limit + 1)


def count_runs(db: Db, query: RunQuery) -> int:
    """Return how many runs match."""
    db.teach(filters.PATIENCE)
    wanted = _all_conditions(db, query)
    count: int = db.execute(f"SELECT count(*) FROM runs {_where(wanted)}", wanted[1]).get
    return count


def _conditions(query: RunQuery) -> tuple[str, list[Any]]:
    """Return what runs must meet but for the filter as SQL, '' if nothing, and its values.

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
    return " AND ".join(tests), values


def _all_conditions(db: Db, query: RunQuery) -> Sql:
    """Return what runs must meet, filter and all."""
    filtered = [] if query.filter is None else [fast_condition(db, query.filter)]
    return _every(_conditions(query), *filtered)


def _every(*conditions: Sql) -> Sql:
    texts = [f"({text})" for text, _ in conditions if text]
    return " AND ".join(texts), [value for _, values in conditions for value in values]


def _where(condition: Sql) -> str:
    return f"WHERE {condition[0]}" if condition[0] else ""


# by time --------------------------------------------------------------------------------------------


def _by_time(db: Db, query: RunQuery, behind: Position | None) -> list[Found]:
    """Return one run more than asked for, newest first."""
    after = ("(runs.started, runs.id) < (?, ?)", [*behind[1:]]) if behind else ("", list[Any]())
    if query.filter is None:
        return _newest(db, _every(_conditions(query), after), query.limit + 1)
    within = _every(_conditions(query), after)
    if rare := rare_condition(db, query.filter):
        return _newest(db, _every(within, rare), query.limit + 1)
    near = f"(SELECT * FROM runs {_where(within)} {_NEWEST_FIRST} LIMIT {_NEAR}) AS runs"
    met, values = condition(db, query.filter, each=True)
    found = _newest(db, (met, [*within[1], *values]), query.limit + 1, near)
    if len(found) > query.limit:
        return found
    return _newest(db, _every(within, condition(db, query.filter)), query.limit + 1)


_NEWEST_FIRST = "ORDER BY runs.started DESC, runs.id DESC"


def _newest(db: Db, condition: Sql, wanted: int, among: str = "runs") -> list[Found]:
    """Return the newest runs; their wide rows are read once it is known which they are."""
    which = f"SELECT no FROM {among} {_where(condition)} {_NEWEST_FIRST} LIMIT ?"
    rows = db.execute(
        f"SELECT {RUN} FROM runs WHERE no IN ({which}) {_NEWEST_FIRST}", [*condition[1], wanted]
    )
    return [Found((), *run_of(row)) for row in rows]


# by any order ---------------------------------------------------------------------------------------


def _by_ranks(
    db: Db, query: RunQuery, behind: Position | None, wanted: int, also: Sql = ("", [])
) -> list[Found]:
    """Return so many runs in order, looking at all that match."""
    rows = _ranked(db, query, behind, wanted, also)
    runs = _runs(db, [row[0] for row in rows])
    return [Found(_ranks(row[1:]), row[0], runs[row[0]]) for row in rows]


def _ranked(
    db: Db,
    query: RunQuery,
    behind: Position | None,
    wanted: int,
    also: Sql = ("", []),
    *,
    offset: int = 0,
) -> list[tuple[Any, ...]]:
    """Return the numbers of so many runs in order, each with its ranks."""
    joins, values = joined(query.order)
    tests = _every(_all_conditions(db, query), also)
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
    beyond, last = _beyond(keys, behind) if behind else ("TRUE", [])
    ranks = ", ".join(f"r{place}" for place in range(len(columns)))
    text = f"SELECT no, {ranks} FROM ({inner} {_where(tests)}) AS ranked WHERE {beyond}"
    bound = [*values, *tests[1], *last, wanted, offset]
    return list(db.execute(f"{text} ORDER BY {order} LIMIT ? OFFSET ?", bound))


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


def _runs(db: Db, numbers: Sequence[int]) -> dict[int, RunRow]:
    query = f"SELECT {RUN} FROM runs WHERE no IN (SELECT value FROM json_each(?))"
    return dict(run_of(row) for row in db.execute(query, (_json(numbers),)))


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()


# by one metric --------------------------------------------------------------------------------------


def _is_indexed(order: tuple[Order, ...]) -> bool:
    """Tell whether the order is of one metric that the index on series holds."""
    return (
        len(order) == 1 and order[0].field.kind == "metric" and order[0].field.part in ("last", "min", "max")
    )


def _by_metric(db: Db, query: RunQuery, behind: Position | None) -> list[Found]:
    """Return one run more than asked for: first those with a number, from the index, then the others."""
    (order,), wanted = query.order, query.limit + 1
    needed, rest = _without_presence(query.filter, order.field)
    numbered = replace(query, filter=rest)
    past_numbers = behind is not None and behind[0][0][0] > 0
    if rest is not None:
        found = [] if past_numbers else _best_near(db, numbered, order, behind, wanted)
        return found if len(found) == wanted else _by_ranks(db, query, behind, wanted)
    found = [] if past_numbers else _best(db, numbered, order, behind, wanted)
    if len(found) == wanted or needed:
        return found
    with_number = "SELECT run FROM series WHERE key = (SELECT no FROM keys WHERE name = ?)"
    others = f"runs.no NOT IN ({with_number} AND {order.field.part} IS NOT NULL)", [order.field.key]
    return found + _by_ranks(db, numbered, None if found else behind, wanted - len(found), others)


def _without_presence(filter: Expression | None, field: Field) -> tuple[bool, Expression | None]:
    """Return whether runs must have a number there, and what else they must meet."""
    if field.part == "last":  # which may be NaN
        return False, filter
    parts = filter.parts if isinstance(filter, And) else () if filter is None else (filter,)
    rest = tuple(part for part in parts if part != Not(IsNull(field)))
    needed = len(rest) < len(parts)
    return needed, None if not rest else rest[0] if len(rest) == 1 else And(rest)


def _best(db: Db, query: RunQuery, order: Order, behind: Position | None, wanted: int) -> list[Found]:
    """Return so many runs by (value, start, id), or all."""
    cut = wanted + _SPARE
    while True:
        rows = list(_extremes(db, query, order, behind, cut))
        found = _sorted(db, rows, order, behind, whole=len(rows) < cut)
        if len(rows) < cut or len(found) >= wanted:
            return found[:wanted]
        cut *= 8


def _best_near(db: Db, query: RunQuery, order: Order, behind: Position | None, wanted: int) -> list[Found]:
    """Return so many runs by (value, start, id), or the fewer that meet the filter among the first."""
    assert query.filter is not None  # noqa: S101 - for the type checker
    met, values = condition(db, query.filter, each=True)
    rows = list(_extremes(db, replace(query, filter=None), order, behind, _NEAR))
    near = f"SELECT no FROM runs WHERE no IN (SELECT value FROM json_each(?)) AND ({met})"
    kept = {no for (no,) in db.execute(near, [_json([no for _, _, no in rows]), *values])}
    good, cut = [row for row in rows if row[2] in kept], wanted + _SPARE
    whole = len(rows) < _NEAR and len(good) <= cut
    return _sorted(db, good[:cut], order, behind, whole=whole)[:wanted]


def _extremes(db: Db, query: RunQuery, order: Order, behind: Position | None, cut: int) -> Rows:
    """Return value, start and number of so many runs, best first, from where the last page ended."""
    column, way = order.field.part, "DESC" if order.descending else "ASC"
    tests: list[Sql] = [
        (f"key = (SELECT no FROM keys WHERE name = ?) AND {column} IS NOT NULL", [order.field.key])
    ]
    if query.experiment is not None:
        tests.append(("experiment = (SELECT no FROM experiments WHERE name = ?)", [query.experiment]))
    if query.archived is False:
        tests.append(("run NOT IN (SELECT no FROM runs WHERE archived IS NOT NULL)", []))
    if behind:
        value, beyond = behind[0][0][1], "<" if order.descending else ">"
        later = f"({column} {beyond} ? OR ({column} = ? AND started <= ?))"
        tests.append((later, [value, value, behind[1]]))
    rest, values = _conditions(replace(query, experiment=None, archived=query.archived or None))
    if rest:
        tests.append((f"run IN (SELECT no FROM runs WHERE {rest})", values))
    text, given = _every(*tests)
    select = f"SELECT {column}, started, run FROM series WHERE {text}"
    return db.execute(f"{select} ORDER BY {column} {way}, started DESC LIMIT ?", [*given, cut])


def _sorted(
    db: Db,
    rows: list[tuple[float, int, int]],
    order: Order,
    behind: Position | None,
    *,
    whole: bool,
) -> list[Found]:
    """Return runs in their order, as far as it is known.

    An index holds the values of a metric in all runs, but not their ids: of several runs with one
    value and start, those at a cut may not be the right ones, and are left out.
    """
    if not whole:
        rows = [row for row in rows if row[:2] != rows[-1][:2]]
    runs = _runs(db, [no for _, _, no in rows])
    found = [Found(((0, value, ""),), no, runs[no]) for value, _, no in rows if no in runs]
    sign = 1 if order.descending else -1
    found.sort(key=lambda one: (sign * one.ranks[0][1], one.run.started, one.run.id), reverse=True)
    return [one for one in found if behind is None or _is_after(one, behind)]


def _is_after(found: Found, behind: Position) -> bool:
    """Tell whether one that is not before a position by value and start is not it, nor before by its id."""
    ranks, started, run = found.position
    return (ranks, started) != behind[:2] or run < behind[2]
