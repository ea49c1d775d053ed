"""SQL by hand over a store that is not in SQLite: what the views need is copied into memory first."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from chachaml.store import sql
from chachaml.store.database import Connection
from chachaml.store.engine import Db
from chachaml.store.rows import SUMMARY
from chachaml.store.schema import MIGRATIONS, create

__all__ = ["copied", "select"]

_COLUMNS = {
    "runs": "no, id, experiment, name, status, started, ended, duration, created_by, parent, error_message, "
    "archived",
    "experiments": "no, name, description, owner, created",
    "keys": "no, name",
    "params": "run, key, value, number",
    "series": f"run, key, experiment, started, {SUMMARY}, tail",
    "tags": "run, key, value",
    "artifacts": "run, name, digest, size, content_type, format, signature, logged",
    "datasets": "no, run, name, role, rows, columns, features, digest, source, logged",
}

_NEEDED = {
    "runs": ("runs", "experiments"),
    "params": ("params", "runs", "keys"),
    "metrics": ("series", "runs", "keys"),
    "tags": ("tags", "runs", "keys"),
    "artifacts": ("artifacts", "runs"),
    "datasets": ("datasets", "runs"),
    "experiments": ("experiments",),
}
"""The tables that each view is made of."""


def copied(db: Db, query: str) -> Connection:
    """Return a database in memory with what a query may ask about."""
    words = set(re.findall(r"\w+", query.lower()))
    tables = dict.fromkeys(table for view in _NEEDED if view in words for table in _NEEDED[view])
    copy = Connection(":memory:")
    create(copy, MIGRATIONS)
    copy.execute("DELETE FROM experiments")
    for table in tables:
        columns = ", ".join(_COLUMNS[table].replace(",", " ").split())
        # Points are nobody's business here.
        rows = db.execute(f"SELECT {columns} FROM {table}".replace(", tail", ", '' AS tail"))
        marks = ", ".join("CAST(? AS BLOB)" if name == "tail" else "?" for name in columns.split(", "))
        copy.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
    return copy


def select(
    copy: Connection, query: str, values: Sequence[Any] | Mapping[str, Any], most: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and up to `most` rows of a query, and close the copy."""
    with closing(copy):
        sql.prepare(copy)
        return sql.select(copy, query, values, most)
