"""Rules of retention, leases, and how much is kept of whom, in SQL."""

from __future__ import annotations

import msgspec

from chachaml.core.changes import LeaseTaken, RetentionDeleted, RetentionRule, RetentionSet, UpkeepChange
from chachaml.core.model import RetentionRow, UsageRow
from chachaml.core.upkeep import may_lease, told
from chachaml.store.engine import Db

__all__ = ["apply", "retention", "usage"]

_TAKE = """INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"""


def apply(db: Db, change: UpkeepChange) -> str:
    """Make a change; return why not ('' if it was made)."""
    match change:
        case RetentionSet():
            _delete(db, change)
            row = (change.name, msgspec.json.encode(change.rule).decode(), change.by, change.time)
            db.execute("INSERT INTO retention (name, rule, by, set_at) VALUES (?, ?, ?, ?)", row)
        case RetentionDeleted():
            _delete(db, change)
        case LeaseTaken():
            held = db.execute("SELECT holder, until FROM leases WHERE name = ?", (change.name,)).fetchone()
            if why := may_lease(change, *(held or ("", 0))):
                return why
            db.execute("DELETE FROM leases WHERE until <= ?", (change.time,))  # as good as none
            db.execute(_TAKE, (change.name, change.by, change.until))
        case _:
            raise TypeError(f"{type(change).__name__} is no change of upkeep")
    if noted := told(change):
        db.execute("INSERT INTO audit (time, by, action, target, details) VALUES (?, ?, ?, ?, ?)", noted)
    return ""


def _delete(db: Db, change: UpkeepChange) -> None:
    db.execute("DELETE FROM retention WHERE name = ?", (change.name,))


def retention(db: Db) -> list[RetentionRow]:
    """Return all rules, by name."""
    rows = db.execute("SELECT name, rule, by, set_at FROM retention ORDER BY name")
    return [
        RetentionRow(name, msgspec.json.decode(rule, type=RetentionRule), by, at)
        for name, rule, by, at in rows
    ]


# Each table is added up by run before it meets the runs, in the order in which it is kept.
_USAGE = """SELECT experiments.name, created_by, count(*),
        coalesce(sum(points), 0), coalesce(sum(tails), 0) + coalesce(sum(packed), 0),
        coalesce(sum(artifacts), 0), coalesce(sum(sizes), 0), coalesce(sum(printed), 0)
    FROM runs JOIN experiments ON experiments.no = runs.experiment
    LEFT JOIN (SELECT run, sum(CASE WHEN key > 0 THEN count ELSE 0 END) AS points,
               sum(octet_length(tail)) AS tails FROM series GROUP BY run) AS logged ON logged.run = runs.no
    LEFT JOIN (SELECT run, sum(octet_length(data) + coalesce(octet_length(sketch), 0)) AS packed
               FROM chunks GROUP BY run) AS older ON older.run = runs.no
    LEFT JOIN (SELECT run, count(*) AS artifacts, sum(size) AS sizes
               FROM artifacts GROUP BY run) AS files ON files.run = runs.no
    LEFT JOIN (SELECT run, sum(octet_length(text)) AS printed
               FROM console GROUP BY run) AS lines ON lines.run = runs.no
    GROUP BY experiments.name, created_by ORDER BY experiments.name, created_by"""


def usage(db: Db) -> list[UsageRow]:
    """Return how much is kept, by experiment, then by user."""
    return [UsageRow(experiment, by, *map(int, sums)) for experiment, by, *sums in db.execute(_USAGE)]
