"""Rows of another store in SQL: kept as they were there, unless something else is here in their place."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from chachaml.core.changes import Conflicted, RowsCopied
from chachaml.core.model import (
    AlertRow,
    AuditRow,
    EventRow,
    ExperimentRow,
    HistoryRow,
    ModelRow,
    MoveRow,
    VersionRow,
)
from chachaml.core.values import canonical
from chachaml.store.engine import Db
from chachaml.store.rows import next_run, replacing

__all__ = ["copy"]

_ADD_ACCOUNT = "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_SET_VERSION = replacing(
    "versions",
    "model, version, id, run, artifact, digest, size, content_type, format, signature, stage, description, "
    "tags, about, created, created_by",
    "model, version",
)


def copy(db: Db, change: RowsCopied) -> Iterator[Conflicted]:
    """Keep rows of another store; yield what was in their place."""
    for experiment in change.experiments:
        _experiment(db, experiment)
    for entry in change.history:
        yield from _told(entry.run, _history(db, entry))
    if change.history:
        db.number_on("history")
    for model in change.models:
        _model(db, model)
    # Whatever is in production may have changed: those that left it go first.
    for version in sorted(change.versions, key=lambda one: one.stage == "production"):
        yield from _told(version.run, _version(db, version))
    _add_told(db, "moves", change.moves)
    for alert in change.alerts:
        yield from _told("", _alert(db, alert))
    for event in change.events:
        _event(db, event)
    for account in change.accounts:
        grants = _text(account.grants)
        row = (account.name, account.kind, account.role, grants, account.active, account.created)
        db.execute(_ADD_ACCOUNT, (*row, account.created_by))
    for token in change.tokens:
        db.execute(
            f"INSERT INTO tokens VALUES ({_marks(10)}) ON CONFLICT DO NOTHING", msgspec.structs.astuple(token)
        )
    _add_told(db, "audit", change.audit)


def _told(run: str, why: str) -> Iterator[Conflicted]:
    if why:
        yield Conflicted(run, why)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _add_told(db: Db, table: str, rows: Sequence[MoveRow] | Sequence[AuditRow]) -> None:
    """Add rows to what was told, by the next numbers, but for what was told here before."""
    if not rows:
        return
    names = ", ".join(name for name in rows[0].__struct_fields__ if name != "no")
    times = (min(row.time for row in rows), max(row.time for row in rows))
    here = set(db.execute(f"SELECT {names} FROM {table} WHERE time BETWEEN ? AND ?", times))
    told = [msgspec.structs.astuple(row)[1:] for row in rows]
    new = [one for one in dict.fromkeys(told) if one not in here]
    db.executemany(f"INSERT INTO {table} ({names}) VALUES ({_marks(len(told[0]))})", new)


def _experiment(db: Db, row: ExperimentRow) -> None:
    about = (row.name, row.description, row.owner, row.created)
    insert = "INSERT INTO experiments (name, description, owner, created) VALUES (?, ?, ?, ?)"
    db.execute(f"{insert} ON CONFLICT DO NOTHING", about)
    db.execute(
        """UPDATE experiments SET created = CASE WHEN created > ?4 THEN ?4 ELSE created END,
        description = CASE description WHEN '' THEN ?2 ELSE description END,
        owner = CASE owner WHEN '' THEN ?3 ELSE owner END WHERE name = ?1""",
        about,
    )


def _history(db: Db, row: HistoryRow) -> str:
    insert = f"INSERT INTO history VALUES ({_marks(9)}) ON CONFLICT DO NOTHING"
    *about, undone = msgspec.structs.astuple(row)
    db.execute(insert, (*about, undone))
    update = """UPDATE history SET undone = coalesce(undone, ?) WHERE no = ? AND time = ? AND by = ?
        AND run = ? AND aspect = ? AND key = ? RETURNING no"""
    if db.execute(update, (undone, *about[:6])).fetchone() is None:
        return f"correction {row.no} is another one here"
    if row.aspect == "deleted" and db.execute("SELECT 1 FROM runs WHERE id = ?", (row.run,)).get is None:
        insert = "INSERT INTO tombstones VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(insert, (next_run(db), row.run, row.time))
    return ""


def _model(db: Db, row: ModelRow) -> None:
    about = (row.name, row.description, row.note, _text(row.tags), row.newest, row.created, row.created_by)
    insert = """INSERT INTO models (name, description, note, tags, newest, created, created_by)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
    db.execute(insert, about)
    update = """UPDATE models SET description = ?2, note = ?3, tags = ?4,
        newest = CASE WHEN newest > ?5 THEN newest ELSE ?5 END WHERE name = ?1 RETURNING no"""
    no = db.execute(update, about[:5]).get
    db.execute("DELETE FROM aliases WHERE model = ?", (no,))
    db.executemany("INSERT INTO aliases VALUES (?, ?, ?)", [(no, *alias) for alias in row.aliases.items()])


def _version(db: Db, row: VersionRow) -> str:
    model = db.execute("SELECT no FROM models WHERE name = ?", (row.model,)).get
    if model is None:
        return f"there is no model {row.model!r}"
    here = "SELECT id FROM versions WHERE model = ? AND version = ?"
    there = db.execute(here, (model, row.version)).get
    if there not in (None, row.id):
        return f"version {row.version} of model {row.model!r} is another one here"
    names = "SELECT name FROM versions JOIN models ON models.no = versions.model WHERE versions.id = ?"
    if (name := db.execute(names, (row.id,)).get) not in (None, row.model):
        return f"version {row.version} of model {row.model!r} is one of model {name!r} here"
    live = "SELECT version FROM versions WHERE model = ? AND stage = 'production' AND version != ?"
    if row.stage == "production" and (other := db.execute(live, (model, row.version)).get):
        return f"version {other} of model {row.model!r} is in production here, and not {row.version}"
    kept = (row.digest, row.size, row.content_type, row.format, row.signature, row.stage, row.description)
    about = (_text(row.tags), _text(row.about), row.created, row.created_by)
    values = (model, row.version, row.id, row.run, row.artifact, *kept, *about)
    db.execute(_SET_VERSION, values)
    return ""


def _alert(db: Db, row: AlertRow) -> str:
    about = (row.name, _text(row.rule), _text(row.targets), row.form, row.secret, row.active)
    values = (*about, row.muted_until, row.set, row.set_by, row.fired, row.firing)
    insert = f"""INSERT INTO alerts VALUES ({_marks(11)}) ON CONFLICT (name) DO UPDATE
        SET active = excluded.active, muted_until = excluded.muted_until, fired = excluded.fired,
        firing = excluded.firing WHERE alerts.set_at = excluded.set_at RETURNING name"""
    if db.execute(insert, values).fetchone() is None:
        return f"alert {row.name!r} is another one here"
    return ""


def _event(db: Db, row: EventRow) -> None:
    set_at = db.execute("SELECT set_at FROM alerts WHERE name = ?", (row.alert,)).get or 0
    # What an earlier alert of that name told counts for none: its revision is no time.
    revision = set_at if row.alert and row.time >= set_at else -row.no
    value = None if row.value is None else canonical("value", row.value)
    about = (row.id, row.alert, revision, row.run, row.time, row.title, row.text, row.level, value)
    insert = f"""INSERT INTO events (id, alert, revision, run, time, title, text, level, value,
        resolved, form, secret) VALUES ({_marks(12)})
        ON CONFLICT DO NOTHING RETURNING no"""
    no = db.execute(insert, (*about, row.resolved, row.form, row.secret)).get
    if no is None:
        return
    for way in row.deliveries:
        waits = way.status == "pending"
        status, outcome = ("dropped", "left where it was told") if waits else (way.status, way.outcome)
        sent = (no, way.place, way.target, status, way.attempts, outcome, way.next)
        db.execute(f"INSERT INTO deliveries VALUES ({_marks(7)})", sent)
