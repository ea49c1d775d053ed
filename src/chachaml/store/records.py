"""What adapters to other tools keep, in SQL."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chachaml.core.changes import RecordKept
from chachaml.core.model import RecordRow
from chachaml.store.engine import Db
from chachaml.store.rows import replacing

__all__ = ["apply", "records"]

_SET = replacing("records", "kind, key, experiment, value, time", "kind, key")


def apply(db: Db, change: RecordKept) -> None:
    """Keep a record in place of the one of its kind and key, or forget it."""
    if change.value is None:
        db.execute("DELETE FROM records WHERE kind = ? AND key = ?", (change.kind, change.key))
    else:
        db.execute(_SET, (change.kind, change.key, change.experiment, change.value, change.time))


def records(db: Db, kind: str, keys: Sequence[str] | None) -> list[RecordRow]:
    """Return all records, or those of a kind, or of some keys, by kind and key."""
    where, values = ["TRUE"], []
    if kind:
        where.append("kind = ?")
        values.append(kind)
    if keys is not None:
        where.append("key IN (SELECT value FROM json_each(?))")
        values.append(msgspec.json.encode(list(keys)).decode())
    query = f"SELECT kind, key, experiment, value, time FROM records WHERE {' AND '.join(where)}"
    return [RecordRow(*row) for row in db.execute(f"{query} ORDER BY kind, key", tuple(values))]
