"""Models, their versions and aliases in SQL: judged and written in one transaction, and read."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import (
    AliasMoved,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    RegistryChange,
    Stage,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.model import ModelRow, MoveRow, VersionRow
from chachaml.core.registering import may_alias, may_delete, may_make, may_move, may_rename, moved
from chachaml.store.engine import Db
from chachaml.store.rows import replacing

__all__ = ["apply", "models", "moves", "versions"]

_VERSION = """version, versions.id, run, artifact, digest, size, content_type, format, signature, stage,
versions.description, versions.tags, about, versions.created, versions.created_by"""

_SET_ALIAS = replacing("aliases", "model, alias, version", "model, alias")

_json = msgspec.json.Encoder().encode


def apply(db: Db, change: RegistryChange) -> str:
    """Make a change to the registry; return why not ('' if it was made)."""
    if isinstance(change, VersionRegistered):
        return _register(db, change)
    model = db.execute("SELECT no FROM models WHERE name = ?", (change.model,)).get
    if isinstance(change, ModelDescribed) and change.new:
        if why := may_make(change, there=model is not None):
            return why
        _make(db, change, "")
        model = db.execute("SELECT no FROM models WHERE name = ?", (change.model,)).get
    if model is None:
        return f"there is no model {change.model!r}"
    match change:
        case StageMoved():
            return _move(db, model, change)
        case AliasMoved():
            return _alias(db, model, change)
        case ModelDescribed():
            return _describe(db, model, change)
        case ModelRenamed():
            return _rename(db, model, change)
        case ModelDeleted():
            return _delete(db, model, change)
    raise TypeError(f"{type(change).__name__} is no change of the registry")


def _stages(db: Db, model: int) -> dict[int, Stage]:
    return dict(db.execute("SELECT version, stage FROM versions WHERE model = ?", (model,)))


def _tell(
    db: Db,
    change: RegistryChange,
    version: int | None,
    what: str,
    before: str | None,
    after: str | None,
    key: str = "",
) -> None:
    comment = getattr(change, "comment", "")
    row = (change.time, change.by, change.model, version, what, key, before, after, comment)
    insert = """INSERT INTO moves (time, by, model, version, what, key, before, after, comment)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    db.execute(insert, row)


# writing ------------------------------------------------------------------------------------------


def _make(db: Db, change: RegistryChange, description: str) -> None:
    """Make a model, unless there is one."""
    insert = """INSERT INTO models (name, description, note, tags, created, created_by, newest)
        VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"""
    db.execute(insert, (change.model, description, "", "{}", change.time, change.by))


def _register(db: Db, change: VersionRegistered) -> str:
    query = """SELECT digest, size, content_type, format, signature FROM artifacts
        WHERE name = ? AND run = (SELECT no FROM runs WHERE id = ?)"""
    kept = db.execute(query, (change.artifact, change.run)).fetchone()
    if kept is None:
        return f"the run has no artifact {change.artifact!r}"
    _make(db, change, change.model_description)
    number = "UPDATE models SET newest = newest + 1 WHERE name = ? RETURNING no, newest"
    model, version = next(db.execute(number, (change.model,)))
    about = (change.description, _json(change.tags).decode(), change.about or "{}", change.time, change.by)
    row = (model, version, change.id, change.run, change.artifact, *kept, "none", *about)
    db.execute(f"INSERT INTO versions VALUES ({','.join('?' * len(row))})", row)
    _tell(db, change, version, "registered", None, change.stage)
    _set_stages(db, model, version, change.stage, change)
    return ""


def _move(db: Db, model: int, change: StageMoved) -> str:
    if why := may_move(_stages(db, model), change):
        return why
    _set_stages(db, model, change.version, change.stage, change)
    return ""


def _set_stages(
    db: Db, model: int, version: int, stage: Stage, change: StageMoved | VersionRegistered
) -> None:
    """Move one version, and those that have to make room; which go first."""
    stages = _stages(db, model)
    for no, new in moved(stages, version, stage).items():
        db.execute("UPDATE versions SET stage = ? WHERE model = ? AND version = ?", (new, model, no))
        if no != version or isinstance(change, StageMoved):
            _tell(db, change, no, "stage", stages[no], new)


def _alias(db: Db, model: int, change: AliasMoved) -> str:
    if why := may_alias(_stages(db, model), change):
        return why
    before = db.execute(
        "SELECT version FROM aliases WHERE model = ? AND alias = ?", (model, change.alias)
    ).get
    if before == change.version:
        return ""
    if change.version is None:
        db.execute("DELETE FROM aliases WHERE model = ? AND alias = ?", (model, change.alias))
    else:
        db.execute(_SET_ALIAS, (model, change.alias, change.version))
    about = change.version if change.version is not None else before
    _tell(db, change, about, "alias", _text(before), _text(change.version), change.alias)
    return ""


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _describe(db: Db, model: int, change: ModelDescribed) -> str:
    table, where, values = "models", "no = ?", (model,)
    if change.version is not None:
        if change.version not in _stages(db, model):
            return f"model {change.model!r} has no version {change.version}"
        table, where, values = "versions", "model = ? AND version = ?", (model, change.version)  # type: ignore[assignment]
    said = {"description": change.description, "note": change.note if change.version is None else None}
    for what, text in said.items():
        if text is not None:
            before = db.execute(f"SELECT {what} FROM {table} WHERE {where}", values).get
            if before != text:
                db.execute(f"UPDATE {table} SET {what} = ? WHERE {where}", (text, *values))
                _tell(db, change, change.version, what, before, text)
    tags = msgspec.json.decode(db.execute(f"SELECT tags FROM {table} WHERE {where}", values).get)
    for key, value in change.tags.items():
        if tags.get(key) != value:
            _tell(db, change, change.version, "tag", tags.get(key), value, key)
        tags = {**tags, key: value}
    kept = {key: value for key, value in tags.items() if value is not None}
    db.execute(f"UPDATE {table} SET tags = ? WHERE {where}", (_json(kept).decode(), *values))
    return ""


def _rename(db: Db, model: int, change: ModelRenamed) -> str:
    there = db.execute("SELECT no FROM models WHERE name = ?", (change.to,)).get
    if why := may_rename(change, there=there is not None):
        return why
    db.execute("UPDATE models SET name = ? WHERE no = ?", (change.to, model))
    db.execute("UPDATE moves SET model = ? WHERE model = ?", (change.to, change.model))
    _tell(db, replace(change, model=change.to), None, "renamed", change.model, change.to)
    return ""


def _delete(db: Db, model: int, change: ModelDeleted) -> str:
    if why := may_delete(_stages(db, model), change):
        return why
    only = "" if change.version is None else " AND version = :version"
    values = {"model": model} if change.version is None else {"model": model, "version": change.version}
    for table in ("versions", "aliases"):
        db.execute(f"DELETE FROM {table} WHERE model = :model{only}", values)
    if change.version is None:
        db.execute("DELETE FROM models WHERE no = ?", (model,))
    _tell(db, change, change.version, "deleted", None, None)
    return ""


# reading ------------------------------------------------------------------------------------------


def models(db: Db) -> list[ModelRow]:
    """Return all models, by name."""
    aliases: dict[int, dict[str, int]] = {}
    for model, alias, version in db.execute("SELECT model, alias, version FROM aliases ORDER BY alias"):
        aliases.setdefault(model, {})[alias] = version
    query = """SELECT no, name, description, note, tags, created, created_by, newest,
        (SELECT count(*) FROM versions WHERE model = no),
        (SELECT version FROM versions WHERE model = no AND stage = 'production') FROM models ORDER BY name"""
    found = []
    for no, name, description, note, tags, created, created_by, newest, count, production in db.execute(
        query
    ):
        about = (name, description, note, msgspec.json.decode(tags), created, created_by)
        found.append(ModelRow(*about, newest, count, production, aliases.get(no, {})))
    return found


def versions(db: Db, model: str | None, run: str | None, number: int | None) -> list[VersionRow]:
    """Return versions by model, then ascending: of a model, of what a run logged, of a number, or all."""
    wanted = {"name": model, "run": run, "version": number}
    values = {column: value for column, value in wanted.items() if value is not None}
    which = " AND ".join(f"{column} = :{column}" for column in values) or "TRUE"
    query = f"""SELECT models.no, name, {_VERSION} FROM versions JOIN models ON models.no = versions.model
        WHERE {which} ORDER BY name, version"""
    found = db.execute(query, values).fetchall()
    aliases: dict[tuple[int, int], list[str]] = {}
    if found:
        for no, alias, version in db.execute("SELECT model, alias, version FROM aliases ORDER BY alias"):
            aliases.setdefault((no, version), []).append(alias)
    return [_version(row, aliases.get((no, row[1]), ())) for no, *row in found]


def _version(row: Sequence[Any], aliases: Sequence[str]) -> VersionRow:
    fields = dict(zip(VersionRow.__struct_fields__, (*row, aliases), strict=True))
    decoded = {name: msgspec.json.decode(fields[name]) for name in ("tags", "about")}
    return VersionRow(**{**fields, **decoded, "aliases": tuple(aliases)})


def moves(db: Db, model: str, version: int | None, limit: int) -> list[MoveRow]:
    """Return what was done to a model, or to one version of it, newest first."""
    only = "" if version is None else " AND version = :version"
    query = f"""SELECT no, time, by, model, version, what, key, before, after, comment FROM moves
        WHERE model = :model{only} ORDER BY no DESC LIMIT :limit"""
    values = {"model": model, "version": version, "limit": limit}
    return [MoveRow(*row) for row in db.execute(query, values)]
