"""Looking over a whole database for damage: what `chachaml doctor` tells."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from chachaml.core.errors import StoreDamaged
from chachaml.store.chunks import decode
from chachaml.store.engine import Db
from chachaml.store.tails import POINT

__all__ = ["problems"]

_BELONGS = {
    "runs": ("experiment", "experiments"),
    "participants": ("run", "runs"),
    "params": ("run", "runs"),
    "tags": ("run", "runs"),
    "conflicts": ("run", "runs"),
    "series": ("run", "runs"),
    "console": ("run", "runs"),
}
_KEYED = ("params", "tags", "series")


def problems(db: Db) -> list[str]:
    """Return what is wrong with what the tables hold, in words; empty when all is well."""
    return [*_dangling(db), *_miscounted(db), *_unreadable(db)]


def _dangling(db: Db) -> list[str]:
    references = [(table, *where) for table, where in _BELONGS.items()]
    references += [(table, "key", "keys") for table in _KEYED]
    found = []
    for table, column, home in references:
        query = f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT no FROM {home})"
        if home == "keys":
            query += " AND key > 0"  # below are deleted metrics, which may be brought back
        if count := db.execute(query).get:
            found.append(f"{count:,} rows of {table} name {home} that do not exist")
    chunks = "SELECT count(*) FROM chunks WHERE (run, key) NOT IN (SELECT run, key FROM series)"
    if count := db.execute(chunks).get:
        found.append(f"{count:,} chunks belong to no series")
    return found


def _miscounted(db: Db) -> list[str]:
    query = f"""SELECT id, name, count, kept FROM (SELECT runs.id, keys.name, series.count,
        length(tail) / {POINT.size} + coalesce((SELECT sum(count) FROM chunks
        WHERE chunks.run = series.run AND chunks.key = series.key), 0) AS kept
        FROM series JOIN runs ON runs.no = run JOIN keys ON keys.no = key) AS counted WHERE count != kept"""
    return [
        f"run {run} has {kept:,} points of {key!r} and should have {count:,}"
        for run, key, count, kept in db.execute(query)
    ]


def _unreadable(db: Db) -> list[str]:
    found = []
    for run, key, no, count, data in db.execute("SELECT run, key, no, count, data FROM chunks"):
        try:
            points = len(decode(data))
        except StoreDamaged:
            points = 0
        if points != count:
            name = db.execute("SELECT id FROM runs WHERE no = ?", (run,)).get
            metric = db.execute("SELECT name FROM keys WHERE no = ?", (key,)).get
            found.append(f"chunk {no} of {metric!r} of run {name} is damaged: {count:,} points are lost")
    return found
