"""Alerts, what they wait for, and what they told, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.words import count, cut, moment, number, safe

if TYPE_CHECKING:
    from chachaml.alerts import Alert, AlertEvent, Delivery
    from chachaml.core.changes import AlertRule

__all__ = ["alert_text", "condition_text", "event_text"]


def condition_text(rule: AlertRule) -> str:
    """Return what a rule waits for, in words."""
    metric = safe(rule.metric)
    match rule.kind:
        case "threshold":
            which = "" if rule.of == "last" else f"{rule.of} of "
            return f"{which}{metric} {rule.op} {number(rule.threshold)}"
        case "odd":
            return f"NaN or infinity in {metric}"
        case "plateau":
            return f"no better {metric} ({rule.direction}) for {count(rule.steps, 'step')}"
        case "status":
            return f"a run is {' or '.join(rule.statuses)}"
        case "silent":
            return f"a run says nothing for {rule.minutes:g} minutes"
        case _:
            return safe(rule.filter)


def alert_text(alert: Alert) -> str:
    """Return an alert in a line."""
    facts = [alert.condition]
    facts += [f"in {safe(alert.experiment)}"] if alert.experiment else []
    facts += [f"tells {safe(target)}" for target in alert.targets]
    facts += ["off"] if not alert.active else []
    facts += [f"muted until {moment(alert.muted_until)}"] if alert.muted_until else []
    facts += [f"fired {moment(alert.last_fired)}"] if alert.last_fired else []
    return f"<alert {safe(alert.name)}: {', '.join(facts)}>"


def event_text(event: AlertEvent) -> str:
    """Return what was told in a line."""
    ways = [_way_text(way) for way in event.deliveries]
    what = "resolved" if event.resolved else event.level
    told = f"  [{'; '.join(ways)}]" if ways else ""
    text = f"{safe(event.title)}: {cut(safe(event.text), 120)}".rstrip(": ")
    return f"{moment(event.time)}  {what}: {text} ({event.run[-8:]}){told}"


def _way_text(way: Delivery) -> str:
    outcome = f" ({safe(way.outcome)})" if way.outcome else ""
    return f"{way.status} to {safe(way.target)}{outcome}"
