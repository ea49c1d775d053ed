"""Pages as somebody saved them, in SQL."""

from __future__ import annotations

from chachaml.core.changes import ViewChange, ViewSaved
from chachaml.core.model import ViewRow
from chachaml.store.engine import Db

__all__ = ["apply", "views"]


def apply(db: Db, change: ViewChange) -> None:
    """Save a view in place of one of the same name, or delete it."""
    db.execute("DELETE FROM views WHERE name = ? AND experiment = ?", (change.name, change.experiment))
    if isinstance(change, ViewSaved):
        row = (change.name, change.experiment, change.state, change.by, change.time)
        db.execute("INSERT INTO views (name, experiment, state, by, saved) VALUES (?, ?, ?, ?, ?)", row)


def views(db: Db) -> list[ViewRow]:
    """Return all views, by experiment, then by name."""
    rows = db.execute("SELECT name, experiment, state, by, saved FROM views")
    return sorted((ViewRow(*row) for row in rows), key=lambda row: (row.experiment, row.name))
