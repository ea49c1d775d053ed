"""One run and what belongs to runs, in SQL; every function takes a connection that reads."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import Conflicted
from chachaml.core.errors import NotFound
from chachaml.core.model import RunRow, Summary
from chachaml.core.values import parse
from chachaml.store.artifacts import artifacts_of, datasets_of
from chachaml.store.engine import Db
from chachaml.store.protocol import Feed, FeedRow
from chachaml.store.rows import RUN, SUMMARY, run_of, summary_of

__all__ = ["bare_runs", "changes_since", "filled", "get_run", "keys", "numbers"]

_LAST = "last_step, last_time, last"


def keys(db: Db) -> dict[str, list[str]]:
    """Return the keys that any run has, sorted, by what has them."""
    query = "SELECT name FROM keys WHERE EXISTS (SELECT 1 FROM {} WHERE key = keys.no) ORDER BY name"
    tables = {"metric": "series", "param": "params", "tag": "tags"}
    return {kind: [name for (name,) in db.execute(query.format(table))] for kind, table in tables.items()}


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()


# runs ---------------------------------------------------------------------------------------------


def numbers(db: Db, run: str, key: str) -> tuple[int, int | None]:
    """Return the numbers of a run and of a key, None for one that nothing has.

    Raises:
        NotFound: No such run.
    """
    query = "SELECT no, (SELECT no FROM keys WHERE name = ?) FROM runs WHERE id = ?"
    found: tuple[int, int | None] | None = db.execute(query, (key, run)).fetchone()
    if found is None:
        raise _no_run(run)
    return found


def get_run(db: Db, run: str) -> RunRow:
    """Return a run with everything that belongs to it.

    Raises:
        NotFound: No such run.
    """
    row = db.execute(f"SELECT {RUN} FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise _no_run(run)
    no, bare = run_of(row)
    (whole,) = filled(db, [(no, bare)], with_values=True)
    conflicts = db.execute("SELECT what FROM conflicts WHERE run = ? ORDER BY no", (no,))
    return replace(
        whole,
        conflicts=tuple(Conflicted(run, what) for (what,) in conflicts),
        artifacts=artifacts_of(db, no),
        datasets=datasets_of(db, no),
    )


def bare_runs(db: Db, runs: Sequence[str]) -> dict[str, RunRow]:
    """Return by id those of some runs that there are, without what belongs to them."""
    query = f"SELECT {RUN} FROM runs WHERE id IN (SELECT value FROM json_each(?))"
    wanted = msgspec.json.encode(list(runs)).decode()
    return {row.id: row for _, row in map(run_of, db.execute(query, (wanted,)))}


def _no_run(run: str) -> NotFound:
    return NotFound(f"there is no run {run!r} in this store")


# what belongs to runs -----------------------------------------------------------------------------


def filled(
    db: Db,
    found: Sequence[tuple[int, RunRow]],
    *,
    with_values: bool,
    keys: Sequence[str] | None = None,
    last_only: bool = False,
) -> Iterator[RunRow]:
    """Yield runs, given with their numbers, with their tags, and with params and metrics if asked for.

    Args:
        db: Where they are.
        found: The runs.
        with_values: Whether params and metrics are asked for.
        keys: Only those of these keys.
        last_only: Whether metrics are filled as if their last point were the only one.
    """
    tags: dict[int, dict[str, str]] = {no: {} for no, _ in found}
    wanted = (_json(list(tags)),)
    tagged = _belonging(db, "tags", "value", wanted)
    names = _names(db, tagged)
    for run, key, tag in tagged:
        tags[run][names[key]] = tag
    if not with_values:
        yield from (replace(row, tags=tags[no]) for no, row in found)
        return
    params: dict[int, dict[str, Any]] = {no: {} for no in tags}
    metrics: dict[int, dict[str, Summary]] = {no: {} for no in tags}
    given = _belonging(db, "params", "value", wanted, keys)
    measured = _belonging(db, "series", _LAST if last_only else SUMMARY, wanted, keys)
    names = _names(db, given, measured)
    for run, key, value in given:
        params[run][names[key]] = parse(value)
    if last_only:
        for run, key, step, time, last in measured:
            metrics[run][names[key]] = Summary.of_point(step, time, nan if last is None else last)
    else:
        for row in measured:
            metrics[row[0]][names[row[1]]] = summary_of(row[2:])
    environments = _environments(db, wanted)
    for no, row in found:
        about = environments.get(no, {})
        yield replace(row, tags=tags[no], params=params[no], metrics=metrics[no], environment=about)


def _environments(db: Db, wanted: tuple[str]) -> dict[int, dict[str, Any]]:
    """Return the facts of some runs; those who share an environment share the dict."""
    query = """SELECT no, environment FROM runs
        WHERE environment IS NOT NULL AND no IN (SELECT value FROM json_each(?))"""
    of_runs = dict(db.execute(query, wanted))
    query = "SELECT no, facts FROM environments WHERE no IN (SELECT value FROM json_each(?))"
    which = (_json(list(set(of_runs.values()))),)
    facts = {no: msgspec.json.decode(text) for no, text in db.execute(query, which)}
    return {run: facts[no] for run, no in of_runs.items()}


def _belonging(
    db: Db, table: str, columns: str, runs: tuple[str], keys: Sequence[str] | None = None
) -> list[Any]:
    """Return what runs have of some keys or all: the number of the run and of the key, and some columns.

    Keys below 0 are of metrics that were deleted, and may come back.
    """
    chosen = (
        ""
        if keys is None
        else " AND key IN (SELECT no FROM keys WHERE name IN (SELECT value FROM json_each(?)))"
    )
    bound = runs if keys is None else (*runs, msgspec.json.encode(keys).decode())
    return db.execute(
        f"SELECT run, key, {columns} FROM {table} "
        f"WHERE run IN (SELECT value FROM json_each(?)) AND key > 0{chosen} ORDER BY run, key",
        bound,
    ).fetchall()


def _names(db: Db, *belonging: list[Any]) -> dict[int, str]:
    """Return the names of the keys that there are in what belongs to runs: once, for many have the same."""
    found = {row[1] for rows in belonging for row in rows}
    query = "SELECT no, name FROM keys WHERE no IN (SELECT value FROM json_each(?))"
    return dict(db.execute(query, (_json(list(found)),)))


def changes_since(db: Db, cursor: int, limit: int) -> Feed:
    """Return the batches applied after `cursor`, oldest first."""
    query = "SELECT cursor, time, runs FROM feed WHERE cursor > ? ORDER BY cursor LIMIT ?"
    batches = [
        (at, time, msgspec.json.decode(runs, type=list[int]))
        for at, time, runs in db.execute(query, (cursor, limit))
    ]
    touched = _json(list({no for _, _, numbers in batches for no in numbers}))
    ids: dict[int, str] = {}
    for table in ("runs", "tombstones") if batches else ():
        ids.update(
            db.execute(f"SELECT no, id FROM {table} WHERE no IN (SELECT value FROM json_each(?))", (touched,))
        )
    rows = tuple(
        FeedRow(at, time, tuple(ids[no] for no in numbers if no in ids)) for at, time, numbers in batches
    )
    return Feed(rows, rows[-1].cursor if rows else cursor)
