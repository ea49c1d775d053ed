"""Alerts, what they told, and what is on its way, in SQL: judged and written in one transaction, and read."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from typing import Any

import msgspec

from chachaml.core.alarms import HOUR, is_capped, may_claim, may_fire, may_resolve
from chachaml.core.changes import (
    AlertChange,
    AlertDeleted,
    AlertFired,
    AlertRaised,
    AlertRule,
    AlertSet,
    AlertSwitched,
    DeliveryClaimed,
    DeliveryTried,
)
from chachaml.core.model import AlertRow, DeliveryRow, EventRow
from chachaml.core.values import canonical, parse
from chachaml.store.engine import Db
from chachaml.store.rows import replacing

__all__ = ["alerts", "apply", "due_events", "events", "raise_alert"]

_ALERT = "name, rule, targets, form, secret, active, muted_until, set_at, set_by, fired, firing"
_EVENT = "no, id, alert, run, time, title, text, level, value, resolved, form, secret"
_DELIVERY = "place, target, status, attempts, outcome, next"


def apply(db: Db, change: AlertChange) -> str:
    """Make a change to an alert, or to what it tells; return why not ('' if it was made)."""
    match change:
        case AlertSet():
            _set(db, change)
            return ""
        case AlertSwitched() | AlertDeleted():
            return _switch(db, change)
        case AlertFired():
            return _fire(db, change)
        case DeliveryClaimed() | DeliveryTried():
            return _deliver(db, change)
    raise TypeError(f"{type(change).__name__} is no change of alerts")


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


# writing ------------------------------------------------------------------------------------------


def _set(db: Db, change: AlertSet) -> None:
    about = (change.name, _text(change.rule), _text(change.targets), change.form, change.secret)
    row = (*about, True, 0, change.time, change.by, None, "")
    db.execute(replacing("alerts", _ALERT, "name"), row)


def _switch(db: Db, change: AlertSwitched | AlertDeleted) -> str:
    if _alert(db, change.name) is None:
        return f"there is no alert {change.name!r}"
    if isinstance(change, AlertDeleted):
        db.execute("DELETE FROM alerts WHERE name = ?", (change.name,))
        return ""
    update = """UPDATE alerts SET active = coalesce(?, active), muted_until = coalesce(?, muted_until)
        WHERE name = ?"""
    db.execute(update, (change.active, change.muted_until, change.name))
    return ""


def _fire(db: Db, change: AlertFired) -> str:
    alert = _alert(db, change.name)
    if change.resolved:
        why = may_resolve(alert, change)
    else:
        why = may_fire(alert, alert is not None and _fired_for(db, alert, change.run), change)
    if why or alert is None:
        return why
    told = not change.resolved or alert.rule.tell_resolved
    about = (change.id, change.name, alert.set, change.run, change.time, change.name, change.text)
    more = (alert.rule.level, change.value, change.resolved, alert.form, alert.secret)
    no = _add_event(db, *about, *more)
    _send(db, no, change, alert.targets if told else ())
    fired = alert.fired if change.resolved else change.time
    firing = "" if change.resolved else change.run
    db.execute("UPDATE alerts SET fired = ?, firing = ? WHERE name = ?", (fired, firing, change.name))
    return ""


def _fired_for(db: Db, alert: AlertRow, run: str) -> bool:
    query = "SELECT 1 FROM events WHERE alert = ? AND revision = ? AND run = ? AND NOT resolved"
    return db.execute(query, (alert.name, alert.set, run)).get is not None


def _add_event(db: Db, *about: Any) -> int:
    *plain, value, resolved, form, secret = about
    kept = None if value is None else canonical("value", value)
    insert = """INSERT INTO events (id, alert, revision, run, time, title, text, level, value, resolved, form,
        secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING no"""
    no: int = db.execute(insert, (*plain, kept, resolved, form, secret)).get
    return no


def _send(db: Db, event: int, change: AlertFired | AlertRaised, targets: tuple[str, ...]) -> None:
    """Put an event into the outbox, unless there were too many of this alert."""
    name = change.name if isinstance(change, AlertFired) else ""
    query = """SELECT count(*) FROM deliveries JOIN events ON events.no = deliveries.event
        WHERE alert = ? AND time > ? AND status != 'dropped'"""
    recent: int = db.execute(query, (name, change.time - HOUR)).get
    for place, target in enumerate(targets):
        status, outcome = ("dropped", "too many in an hour") if is_capped(recent + place) else ("pending", "")
        insert = "INSERT INTO deliveries VALUES (?, ?, ?, ?, 0, ?, ?)"
        db.execute(insert, (event, place, target, status, outcome, change.time))


def raise_alert(db: Db, change: AlertRaised) -> None:
    """Keep what a script tells itself; told again, it changes nothing."""
    if db.execute("SELECT 1 FROM events WHERE id = ?", (change.id,)).get is None:
        about = (change.id, "", 0, change.run, change.time, change.title, change.text, change.level)
        _send(db, _add_event(db, *about, None, False, "auto", ""), change, change.targets)


def _deliver(db: Db, change: DeliveryClaimed | DeliveryTried) -> str:
    query = f"""SELECT {_DELIVERY} FROM deliveries WHERE place = ?
        AND event = (SELECT no FROM events WHERE id = ?)"""
    row = db.execute(query, (change.place, change.id)).fetchone()
    found = None if row is None else DeliveryRow(*row)
    if isinstance(change, DeliveryClaimed):
        why = may_claim(found, change)
        after: tuple[Any, ...] = ("pending", 0, "", change.until)
    else:
        why = "" if found is not None else "there is no such delivery"
        status = "delivered" if change.ok else ("pending" if change.next else "failed")
        after = (status, 1, change.outcome, change.next)
    if not why:
        update = """UPDATE deliveries SET status = ?, attempts = attempts + ?, outcome = ?, next = ?
            WHERE place = ? AND event = (SELECT no FROM events WHERE id = ?)"""
        db.execute(update, (*after, change.place, change.id))
    return why


# reading ------------------------------------------------------------------------------------------


def _alert(db: Db, name: str) -> AlertRow | None:
    row = db.execute(f"SELECT {_ALERT} FROM alerts WHERE name = ?", (name,)).fetchone()
    return None if row is None else _alert_of(row)


def _alert_of(row: tuple[Any, ...]) -> AlertRow:
    name, rule, targets, form, secret, active, *rest = row
    decode = msgspec.json.decode
    kept = (decode(rule, type=AlertRule), decode(targets, type=tuple[str, ...]), form, secret, bool(active))
    return AlertRow(name, *kept, *rest)


def alerts(db: Db) -> list[AlertRow]:
    """Return all alerts, by name."""
    return [_alert_of(row) for row in db.execute(f"SELECT {_ALERT} FROM alerts ORDER BY name")]


def events(db: Db, alert: str | None, run: str | None, limit: int) -> list[EventRow]:
    """Return what was told, newest first: by an alert, of a run, or all."""
    wanted = {column: value for column, value in (("alert", alert), ("run", run)) if value is not None}
    which = " AND ".join(f"{column} = :{column}" for column in wanted) or "TRUE"
    query = f"SELECT {_EVENT} FROM events WHERE {which} ORDER BY no DESC LIMIT :limit"
    rows = db.execute(query, {**wanted, "limit": limit}).fetchall()
    return [_event(db, row) for row in rows]


def due_events(db: Db, now: int, limit: int) -> list[EventRow]:
    """Return events with a delivery that is to be tried, those that wait longest first."""
    query = f"""SELECT {_EVENT} FROM events WHERE no IN (SELECT event FROM deliveries
        WHERE status = 'pending' AND next <= ? ORDER BY next LIMIT ?) ORDER BY no"""
    return [_event(db, row) for row in db.execute(query, (now, limit)).fetchall()]


def _event(db: Db, row: tuple[Any, ...]) -> EventRow:
    fields = dict(zip(EventRow.__struct_fields__, row, strict=False))
    query = f"SELECT {_DELIVERY} FROM deliveries WHERE event = ? ORDER BY place"
    ways = tuple(DeliveryRow(*one) for one in db.execute(query, (fields["no"],)))
    value = None if fields["value"] is None else parse(fields["value"])
    return EventRow(**{**fields, "value": value, "resolved": bool(fields["resolved"]), "deliveries": ways})
