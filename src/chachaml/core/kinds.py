"""The small words that changes and rows share: statuses, stages, roles, and what an alert waits for."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "REFUSED",
    "AccountKind",
    "AlertKind",
    "AlertLevel",
    "AlertRule",
    "AnyRole",
    "Aspect",
    "Conflicted",
    "EndStatus",
    "Fact",
    "Role",
    "RunError",
    "Stage",
    "StepStatus",
]

Fact = str | int | float | bool | list[str]
EndStatus = Literal["completed", "failed", "interrupted"]
Stage = Literal["none", "staging", "production", "archived"]
AlertKind = Literal["threshold", "odd", "plateau", "status", "silent", "filter"]
Role = Literal["reader", "writer", "admin"]
AnyRole = Literal["", "reader", "writer", "admin"]
AccountKind = Literal["user", "service"]
AlertLevel = Literal["info", "warning", "error"]
StepStatus = Literal["pending", "running", "completed", "cached", "failed", "interrupted", "skipped"]
Aspect = Literal["name", "experiment", "parent", "archived", "param", "metric"]


class RunError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run failed: the exception's class, its message, and the formatted traceback."""

    type: str
    message: str = ""
    traceback: str = ""


class AlertRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an alert waits for. Which fields count depends on ``kind`` (see `chachaml.alerts.set_alert`)."""

    kind: AlertKind
    experiment: str | None = None
    metric: str = ""
    of: Literal["last", "min", "max"] = "last"
    op: Literal[">", ">=", "<", "<=", "="] = ">"
    threshold: float = 0.0
    steps: int = 0
    direction: Literal["min", "max"] = "min"
    statuses: tuple[str, ...] = ()
    minutes: float = 0.0
    filter: str = ""
    level: AlertLevel = "warning"
    cooldown: int = 0
    """Microseconds after it fired in which it does not fire for another run."""
    tell_resolved: bool = False


REFUSED = "not allowed: "
"""How a conflict begins that is none of the data: whoever logged it may not."""


class Conflicted(msgspec.Struct, frozen=True):
    """One change of a batch that contradicted what was recorded first; the first one stays."""

    run: str
    what: str
    """For people: the param's key and both values, or the two owners."""
