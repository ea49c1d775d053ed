"""Artifacts and data sets of runs in SQL: judged and written in one transaction, and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chachaml.core.changes import ArtifactLogged, DatasetLogged
from chachaml.core.model import ArtifactRow, DatasetRow
from chachaml.core.rules import keep_artifact
from chachaml.store.engine import Db
from chachaml.store.rows import replacing

__all__ = ["add_dataset", "artifacts_of", "blobs_of", "datasets_of", "digests_in_use", "set_artifact"]

_json = msgspec.json.Encoder().encode

_SET = replacing("artifacts", "run, name, digest, size, content_type, format, signature, logged", "run, name")


def set_artifact(db: Db, run: int, new: ArtifactLogged) -> str:
    """Keep an artifact if the rules let it; return what it contradicted ('' if nothing)."""
    query = "SELECT digest FROM artifacts WHERE run = ? AND name = ?"
    what = keep_artifact(db.execute(query, (run, new.name)).get, new)
    if not what:
        row = (run, new.name, new.digest, new.size, new.content_type, new.format, new.signature, new.time)
        db.execute(_SET, row)
    return what


def add_dataset(db: Db, run: int, new: DatasetLogged) -> None:
    """Keep what is known of a data set."""
    about = (new.name, new.role, new.rows, new.columns, _json(new.features).decode())
    insert = """INSERT INTO datasets (run, name, role, rows, columns, features, digest, source, logged)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    db.execute(insert, (run, *about, new.digest, new.source, new.time))


def artifacts_of(db: Db, run: int) -> tuple[ArtifactRow, ...]:
    """Return a run's artifacts, by name."""
    query = """SELECT name, digest, size, content_type, format, signature, logged
        FROM artifacts WHERE run = ? ORDER BY name"""
    return tuple(ArtifactRow(*row) for row in db.execute(query, (run,)))


def datasets_of(db: Db, run: int) -> tuple[DatasetRow, ...]:
    """Return a run's data sets, as logged."""
    query = """SELECT name, role, rows, columns, features, digest, source, logged
        FROM datasets WHERE run = ? ORDER BY no"""
    found = []
    for name, role, rows, columns, features, *rest in db.execute(query, (run,)):
        found.append(DatasetRow(name, role, rows, columns, _names(features), *rest))
    return tuple(found)


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def digests_in_use(db: Db, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:
    """Return those of `digests` that any version or artifact has, but for those of some runs."""
    query = """SELECT digest FROM versions WHERE digest IN (SELECT value FROM json_each(:digests))
        UNION SELECT digest FROM artifacts WHERE digest IN (SELECT value FROM json_each(:digests))
        AND run NOT IN (SELECT no FROM runs WHERE id IN (SELECT value FROM json_each(:besides)))"""
    values = {"digests": _array(digests), "besides": _array(besides)}
    return {digest for (digest,) in db.execute(query, values)}


def blobs_of(db: Db, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return by digest how large the artifacts of some runs are, and when each was logged last."""
    query = """SELECT digest, max(size), max(logged) FROM artifacts WHERE run IN
        (SELECT no FROM runs WHERE id IN (SELECT value FROM json_each(?))) GROUP BY digest"""
    return {digest: (size, logged) for digest, size, logged in db.execute(query, (_array(runs),))}


def _array(texts: Iterable[str]) -> str:
    return _json(list(texts)).decode()
