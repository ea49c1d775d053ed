"""Chosen fields of many runs as columns, and what some runs have at all: what tables are made of."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from chachaml.core.model import Facet, RunQuery, Values
from chachaml.core.query.expressions import Field, Kind
from chachaml.core.values import parse
from chachaml.store.engine import Db
from chachaml.store.filters import ATTRIBUTES, COLUMNS
from chachaml.store.paging import numbers_of

__all__ = ["facets", "values"]

_MOST_OF_ALL = 4
"""From one in so many of all runs on, reading all that have a key is quicker than looking each run up."""

_AMONG = "IN (SELECT value FROM json_each(?))"

_KEY = "key = (SELECT no FROM keys WHERE name = ?)"

_TABLES: dict[Kind, str] = {"metric": "series", "param": "params", "tag": "tags"}
_FOUND: dict[Kind, str] = {
    "metric": "count(DISTINCT last), min(last), max(last), max(count)",
    "param": "count(DISTINCT value), min(number), max(number), 0",
    "tag": "count(DISTINCT value), NULL, NULL, 0",
}


def values(db: Db, query: RunQuery, fields: Sequence[Field]) -> Values:
    """Return the values of some fields of the runs that match, in their order."""
    numbers = numbers_of(db, query)
    among = _json(numbers)
    every = db.execute("SELECT count(*) FROM runs").get
    some = among if len(numbers) * _MOST_OF_ALL < every else None
    ids = dict(db.execute(f"SELECT no, id FROM runs WHERE no {_AMONG}", (among,)))
    found = [_cells(db, field, some) for field in fields]
    return Values([ids[no] for no in numbers], [[cells.get(no) for no in numbers] for cells in found])


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()


def _cells(db: Db, field: Field, some: str | None) -> dict[int, Any]:
    """Return the values of a field by the number of the run; of some runs, given as JSON, or of all."""
    if field.kind == "attribute":
        return _attributes(db, field, some)
    bound = [] if some is None else [some]
    among = "" if some is None else f" AND run {_AMONG}"
    if field.kind == "dataset":  # of several the first one's
        text = f"SELECT run, {field.key} FROM datasets WHERE TRUE{among} ORDER BY no DESC"
        return dict(db.execute(text, bound))
    table, column = _TABLES[field.kind], COLUMNS[field.part] if field.kind == "metric" else "value"
    rows = dict(db.execute(f"SELECT run, {column} FROM {table} WHERE {_KEY}{among}", [field.key, *bound]))
    if field.kind == "param":
        return {no: parse(text) for no, text in rows.items()}
    if field.kind == "metric":  # its last and first value are never missing: NULL is NaN
        none = math.nan if field.part in ("last", "first") else None
        return {no: none if value is None else float(value) for no, value in rows.items()}
    return rows


def _attributes(db: Db, field: Field, some: str | None) -> dict[int, Any]:
    where, bound = ("", []) if some is None else (f"WHERE no {_AMONG}", [some])
    rows = dict(db.execute(f"SELECT no, {ATTRIBUTES[field.key]} FROM runs {where}", bound))
    if field.type == "flag":
        return {no: None if value is None else bool(value) for no, value in rows.items()}
    return rows


def facets(db: Db, query: RunQuery) -> list[Facet]:
    """Return what the runs that match have, by kind, then by key."""
    among = _json(numbers_of(db, query))
    found = []
    for kind, table in _TABLES.items():
        text = f"""SELECT keys.name, f.* FROM (SELECT key, count(*), {_FOUND[kind]} FROM {table}
            WHERE run {_AMONG} GROUP BY key) AS f JOIN keys ON keys.no = f.key"""
        found += [
            Facet(kind, name, runs, distinct, _finite(low), _finite(high), points)  # type: ignore[arg-type]
            for name, _, runs, distinct, low, high, points in db.execute(text, (among,))
        ]
    return sorted(found, key=lambda facet: (list(_TABLES).index(facet.kind), facet.key))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
