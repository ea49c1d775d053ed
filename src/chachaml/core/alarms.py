"""The invariants of alerts, as pure functions; every store runs them in its transaction."""

from __future__ import annotations

from chachaml.core.changes import AlertFired, DeliveryClaimed
from chachaml.core.model import AlertRow, DeliveryRow

__all__ = ["HOUR", "MOST_AN_HOUR", "is_capped", "may_claim", "may_fire", "may_resolve"]

HOUR = 3_600_000_000

MOST_AN_HOUR = 60
"""Deliveries an hour that one alert may cause: a storm helps nobody."""


def may_fire(alert: AlertRow | None, fired_for: bool, change: AlertFired) -> str:
    """Return why an alert does not fire for a run ('' if it does).

    Args:
        alert: The alert, None if there is none of that name.
        fired_for: Whether it fired for that run before, since it was set.
        change: What would fire it.
    """
    if alert is None:
        return f"there is no alert {change.name!r}"
    if not alert.active:
        return "it is switched off"
    if change.time < alert.muted_until:
        return "it is muted"
    if fired_for:
        return "it fired for this run before"
    if alert.fired is not None and change.time < alert.fired + alert.rule.cooldown:
        return "it fired a short while ago"
    return ""


def may_resolve(alert: AlertRow | None, change: AlertFired) -> str:
    """Return why an alert is not resolved for a run ('' if it is): only what fires can be."""
    if alert is None:
        return f"there is no alert {change.name!r}"
    return "" if alert.firing == change.run else "it is not firing for this run"


def is_capped(recent: int) -> bool:
    """Tell whether an alert that caused so many deliveries in the last hour causes no more."""
    return recent >= MOST_AN_HOUR


def may_claim(delivery: DeliveryRow | None, change: DeliveryClaimed) -> str:
    """Return why a delivery may not be tried now ('' if it may)."""
    if delivery is None:
        return "there is no such delivery"
    if delivery.status != "pending":
        return f"it is {delivery.status}"
    return "somebody else is at it, or it is to wait" if change.time < delivery.next else ""
