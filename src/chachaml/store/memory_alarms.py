"""Alerts and what they told in plain dicts: the part of the memory store that they are."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from chachaml.core.alarms import HOUR, is_capped, may_claim, may_fire, may_resolve
from chachaml.core.changes import (
    AlertChange,
    AlertDeleted,
    AlertFired,
    AlertRaised,
    AlertSet,
    AlertSwitched,
    DeliveryClaimed,
    DeliveryTried,
    RowsCopied,
)
from chachaml.core.model import AlertRow, DeliveryRow, EventRow

__all__ = ["MemoryAlarms"]


class MemoryAlarms:
    """The alerts of a memory store; see `chachaml.store.protocol`."""

    def __init__(self) -> None:
        self._alerts: dict[str, AlertRow] = {}
        self._events: list[EventRow] = []
        self._fired: set[tuple[str, int, str]] = set()
        """Alert, revision and run of what fired."""

    def apply(self, change: AlertChange) -> str:
        """Make a change to an alert, or to what it tells; return why not ('' if it was made)."""
        if isinstance(change, AlertSet):
            about = (change.rule, change.targets, change.form, change.secret, True, 0, change.time, change.by)
            self._alerts[change.name] = AlertRow(change.name, *about)
            return ""
        if isinstance(change, AlertFired):
            return self._fire(change)
        if isinstance(change, (DeliveryClaimed, DeliveryTried)):
            return self._deliver(change)
        if change.name not in self._alerts:
            return f"there is no alert {change.name!r}"
        if isinstance(change, AlertDeleted):
            del self._alerts[change.name]
        elif isinstance(change, AlertSwitched):
            said = {"active": change.active, "muted_until": change.muted_until}
            said = {name: value for name, value in said.items() if value is not None}
            self._alerts[change.name] = replace(self._alerts[change.name], **said)
        return ""

    def _fire(self, change: AlertFired) -> str:
        alert = self._alerts.get(change.name)
        once = (change.name, alert.set if alert else 0, change.run)
        why = may_resolve(alert, change) if change.resolved else may_fire(alert, once in self._fired, change)
        if why or alert is None:
            return why
        told = not change.resolved or alert.rule.tell_resolved
        about = (change.id, change.name, change.run, change.time, change.name, change.text, alert.rule.level)
        event = EventRow(0, *about, change.value, change.resolved, alert.form, alert.secret)
        self._add(event, alert.targets if told else ())
        if change.resolved:
            self._alerts[change.name] = replace(alert, firing="")
        else:
            self._fired.add(once)
            self._alerts[change.name] = replace(alert, fired=change.time, firing=change.run)
        return ""

    def raise_alert(self, change: AlertRaised) -> None:
        """Keep what a script tells itself; told again, it changes nothing."""
        if any(event.id == change.id for event in self._events):
            return
        about = (change.id, "", change.run, change.time, change.title, change.text, change.level)
        self._add(EventRow(0, *about, None, False, "auto", ""), change.targets)

    def _add(self, event: EventRow, targets: tuple[str, ...]) -> None:
        same = [one for one in self._events if one.alert == event.alert and one.time > event.time - HOUR]
        recent = sum(way.status != "dropped" for one in same for way in one.deliveries)
        ways = [
            DeliveryRow(place, target, "dropped", 0, "too many in an hour", event.time)
            if is_capped(recent + place)
            else DeliveryRow(place, target, "pending", 0, "", event.time)
            for place, target in enumerate(targets)
        ]
        self._events.append(replace(event, no=len(self._events) + 1, deliveries=tuple(ways)))

    def _deliver(self, change: DeliveryClaimed | DeliveryTried) -> str:
        event = next((one for one in self._events if one.id == change.id), None)
        found = next((one for one in event.deliveries if one.place == change.place), None) if event else None
        if event is None or found is None:
            return "there is no such delivery"
        if isinstance(change, DeliveryClaimed):
            if why := may_claim(found, change):
                return why
            now = replace(found, outcome="", next=change.until)
        else:
            status = "delivered" if change.ok else ("pending" if change.next else "failed")
            tries = found.attempts + 1
            now = replace(found, status=status, attempts=tries, outcome=change.outcome, next=change.next)
        ways = tuple(now if one.place == change.place else one for one in event.deliveries)
        self._events[event.no - 1] = replace(event, deliveries=ways)
        return ""

    def copy(self, change: RowsCopied) -> Iterator[tuple[str, str]]:
        """Keep rows of another store; yield why some were not kept ('' for those that were)."""
        for alert in change.alerts:
            here = self._alerts.setdefault(alert.name, alert)
            if here.set == alert.set:
                self._alerts[alert.name] = alert
            yield "", "" if here.set == alert.set else f"alert {alert.name!r} is another one here"
        known = {event.id for event in self._events}
        for event in change.events:
            if event.id not in known:
                ways = tuple(
                    replace(way, status="dropped", outcome="left where it was told")
                    if way.status == "pending"
                    else way
                    for way in event.deliveries
                )
                self._events.append(replace(event, no=len(self._events) + 1, deliveries=ways))
                alert_here = self._alerts.get(event.alert)
                if alert_here and event.time >= alert_here.set and not event.resolved:
                    self._fired.add((event.alert, alert_here.set, event.run))

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, by name."""
        return [self._alerts[name] for name in sorted(self._alerts)]

    def events(self, alert: str | None, run: str | None, limit: int) -> list[EventRow]:
        """Return what was told, newest first: by an alert, of a run, or all."""
        wanted = [one for one in self._events if alert in (None, one.alert) and run in (None, one.run)]
        return wanted[::-1][:limit]

    def due_events(self, now: int, limit: int) -> list[EventRow]:
        """Return events with a delivery that is to be tried, those that wait longest first."""
        due = [
            (way.next, event.no)
            for event in self._events
            for way in event.deliveries
            if way.status == "pending" and way.next <= now
        ]
        wanted = {no for _, no in sorted(due)[:limit]}
        return [event for event in self._events if event.no in wanted]
