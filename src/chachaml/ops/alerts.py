"""Operations on alerts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chachaml import alerts
from chachaml.ops.operation import operation

__all__ = [
    "Checked",
    "check_alerts",
    "delete_alert",
    "get_alert_history",
    "list_alerts",
    "mute_alert",
    "preview_alert",
    "set_alert",
    "switch_alert",
    "try_alert",
]

RunStatus = Literal["running", "completed", "failed", "interrupted", "crashed"]


class Checked(msgspec.Struct, frozen=True):
    """How checking went: how many alerts were judged, what fired, and how telling went."""

    checked: int
    fired: tuple[alerts.AlertEvent, ...]
    skipped: int
    delivered: int
    failed: int


@operation("read")
def list_alerts(inactive: bool = False) -> tuple[alerts.Alert, ...]:
    """List the alerts, with what each waits for.

    Args:
        inactive: Those that are switched off too.
    """
    return alerts.alerts(inactive=inactive)


@operation("write")
def set_alert(
    name: str,
    experiment: str | None = None,
    metric: str | None = None,
    op: Literal[">", ">=", "<", "<=", "="] = ">",
    threshold: float | None = None,
    of: Literal["last", "min", "max"] = "last",
    nan: bool = False,
    no_improvement: Annotated[int, Meta(ge=1)] | None = None,
    direction: Literal["min", "max"] = "min",
    status: RunStatus | None = None,
    silent_minutes: float | None = None,
    filter: str | None = None,
    webhook_url: str | None = None,
    secret: str = "",
    cooldown: float = 0.0,
    notify_resolved: bool = False,
    level: Literal["info", "warning", "error"] = "warning",
    keep_targets: bool = False,
) -> alerts.Alert:
    """Set an alert; one of that name is replaced. It waits for one thing, and fires once for a run.

    Args:
        name: The alert's name.
        experiment: Only runs of this experiment.
        metric: The metric to watch.
        op: How its value compares with the threshold.
        threshold: What to compare with.
        of: Which value of the metric.
        nan: Fire when the metric has a NaN or an infinity.
        no_improvement: Fire when the metric's best value is so many steps old.
        direction: Which value is the best, for that.
        status: Fire when a run gets this status.
        silent_minutes: Fire when a running run logs no metric for so long.
        filter: Fire when a run meets this, in the search language.
        webhook_url: Where to post it; a secret, which is never shown again.
        secret: What signs what is posted.
        cooldown: Seconds after it fired in which it does not fire for another run.
        notify_resolved: Tell also when it is no longer so.
        level: How bad it is.
        keep_targets: Go on telling those whom the alert of that name tells now.
    """
    return alerts.set_alert(
        name,
        experiment=experiment,
        metric=metric,
        op=op,
        threshold=threshold,
        of=of,
        nan=nan,
        no_improvement=no_improvement,
        direction=direction,
        status=status,
        silent_minutes=silent_minutes,
        filter=filter,
        webhook_url=webhook_url,
        secret=secret,
        cooldown=cooldown,
        notify_resolved=notify_resolved,
        level=level,
        keep_targets=keep_targets,
    )


@operation("read")
def preview_alert(
    experiment: str | None = None,
    metric: str | None = None,
    op: Literal[">", ">=", "<", "<=", "="] = ">",
    threshold: float | None = None,
    of: Literal["last", "min", "max"] = "last",
    nan: bool = False,
    no_improvement: Annotated[int, Meta(ge=1)] | None = None,
    direction: Literal["min", "max"] = "min",
    status: RunStatus | None = None,
    silent_minutes: float | None = None,
    filter: str | None = None,
    limit: Annotated[int, Meta(ge=1)] = 200,
) -> alerts.Preview:
    """Show for which of the newest runs an alert would have fired; nothing is set, and nobody is told.

    Args:
        experiment: Only runs of this experiment.
        metric: The metric to watch.
        op: How its value compares with the threshold.
        threshold: What to compare with.
        of: Which value of the metric.
        nan: Whether the metric has a NaN or an infinity.
        no_improvement: Whether the metric's best value is so many steps old.
        direction: Which value is the best, for that.
        status: Whether a run has this status.
        silent_minutes: Whether a running run logs no metric for so long.
        filter: Whether a run meets this, in the search language.
        limit: Look at so many runs.
    """
    return alerts.preview_alert(
        experiment=experiment,
        runs=limit,
        metric=metric,
        op=op,
        threshold=threshold,
        of=of,
        nan=nan,
        no_improvement=no_improvement,
        direction=direction,
        status=status,
        silent_minutes=silent_minutes,
        filter=filter,
    )


@operation("write")
def try_alert(name: str) -> tuple[alerts.Delivery, ...]:
    """Tell those whom an alert tells that this is a test, and say how each delivery went.

    Args:
        name: The alert's name.
    """
    return alerts.try_alert(name)


@operation("write")
def check_alerts() -> Checked:
    """Judge all active alerts now, and tell what is due."""
    done = alerts.check_alerts()
    return Checked(done.checked, tuple(done), done.skipped, done.delivered, done.failed)


@operation("read")
def get_alert_history(
    name: str | None = None, run_id: str | None = None, limit: Annotated[int, Meta(ge=1)] = 100
) -> tuple[alerts.AlertEvent, ...]:
    """List what alerts told, newest first, and how it was delivered.

    Args:
        name: By this alert, also a deleted one.
        run_id: Of this run.
        limit: At most so many.
    """
    return alerts.alert_history(name, run=run_id, limit=limit)


@operation("write")
def switch_alert(name: str, state: Literal["on", "off"]) -> alerts.Alert:
    """Switch an alert off or on; what it told stays.

    Args:
        name: The alert's name.
        state: On or off.
    """
    return alerts.reactivate_alert(name) if state == "on" else alerts.deactivate_alert(name)


@operation("write")
def mute_alert(name: str, minutes: Annotated[float, Meta(ge=0)] = 60) -> alerts.Alert:
    """Keep an alert from firing for a while.

    Args:
        name: The alert's name.
        minutes: For so long; 0 ends it.
    """
    return alerts.mute_alert(name, minutes=minutes)


@operation("destructive")
def delete_alert(name: str) -> dict[str, str]:
    """Delete an alert; what it told stays.

    Args:
        name: The alert's name.
    """
    alerts.delete_alert(name)
    return {"deleted": name}
