"""Many runs as columns: what exports and tables of all runs are made of, without a struct for each cell."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from chachaml.core.model import Columns, RunQuery
from chachaml.core.values import parse
from chachaml.store.engine import Db
from chachaml.store.paging import found_runs

__all__ = ["columns"]

_EVERY = 1 << 62
"""A limit that no store reaches."""

_MOST_OF_ALL = 4
"""From one in so many of all runs on, reading everything is quicker than looking each run up."""


def columns(db: Db, query: RunQuery) -> Columns:
    """Return all runs that match, in their order, whatever the query's limit."""
    found = found_runs(db, replace(query, limit=_EVERY, cursor=""))
    place = {one.no: index for index, one in enumerate(found)}
    every = db.execute("SELECT count(*) FROM runs").get
    some = list(place) if len(place) * _MOST_OF_ALL < every else None
    names = dict(db.execute("SELECT no, name FROM keys"))

    def cells(table: str, value: str) -> Iterator[tuple[str, list[int], list[Any]]]:
        """Yield each key with the places of the runs that have it, and their values."""
        where = "" if some is None else "WHERE run IN (SELECT value FROM json_each(?))"
        bound = () if some is None else (msgspec.json.encode(some).decode(),)
        by_key: dict[int, tuple[list[int], list[Any]]] = {}
        for run, key, cell in db.execute(f"SELECT run, key, {value} FROM {table} {where}", bound):
            if (index := place.get(run)) is not None:
                places, values = by_key.setdefault(key, ([], []))
                places.append(index)
                values.append(cell)
        for key in sorted(by_key.keys() & names.keys(), key=lambda key: names[key]):
            yield names[key], *by_key[key]

    count = len(found)
    return Columns(
        runs=tuple(one.run for one in found),
        params={key: _spread(count, at, _parsed(texts)) for key, at, texts in cells("params", "value")},
        metrics={
            key: _spread(count, at, [math.nan if last is None else last for last in lasts])
            for key, at, lasts in cells("series", "last")
        },
        tags={key: _spread(count, at, texts) for key, at, texts in cells("tags", "value")},
    )


def _spread(count: int, places: list[int], values: list[Any]) -> list[Any]:
    """Return a column with the values in their places and None elsewhere."""
    if places == list(range(count)):
        return values
    column: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        column[place] = value
    return column


def _parsed(texts: list[str]) -> list[Any]:
    """Return the values of canonical JSON: all at once, unless one needs a closer look."""
    together = ",".join(texts)
    if "$" in together or any(len(text) > 15 and text.lstrip("-").isdigit() for text in texts):
        return [parse(text) for text in texts]
    values: list[Any] = msgspec.json.decode(f"[{together}]")
    return values
