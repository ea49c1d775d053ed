"""The changes of a store's upkeep: part of the vocabulary in `chachaml.core.changes`."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "LeaseTaken",
    "RetentionDeleted",
    "RetentionRule",
    "RetentionSet",
    "UpkeepChange",
    "may_lease",
    "told",
]


class RetentionRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of old runs; see `chachaml.retention.set_rule`. Days are None for never."""

    experiment: str = ""
    """'' for all that have no rule of their own."""
    filter: str = ""
    archive_after_days: float | None = None
    delete_after_days: float | None = None
    keep_best: int = 0
    metric: str = ""
    direction: Literal["min", "max"] = "max"


class UpkeepChange(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """A change of how a store is looked after."""

    time: int
    by: str
    name: str


class RetentionSet(UpkeepChange, frozen=True, tag=True):
    """Old runs are kept by a rule from now on; one of that name is replaced."""

    rule: RetentionRule


class RetentionDeleted(UpkeepChange, frozen=True, tag=True):
    """A rule counts no more; deleting one that is not there is nothing."""


class LeaseTaken(UpkeepChange, frozen=True, tag=True):
    """One of several processes does for all what ``name`` says, until a time; the others leave it alone.

    ``by`` is whoever takes it; who holds it may take it for longer, or give it back by a time that is over.
    """

    until: int


def may_lease(change: LeaseTaken, holder: str, until: int) -> str:
    """Return why a lease may not be taken ('' if it may), given who holds it until when."""
    if holder != change.by and until > change.time:
        return f"{change.name} is being seen to already"
    return ""


def told(change: UpkeepChange) -> tuple[int, str, str, str, str] | None:
    """Return what the audit log keeps of a change: time, by, action, target, details; None for nothing."""
    match change:
        case RetentionSet():
            details = msgspec.json.encode(change.rule).decode()
            return change.time, change.by, "retention rule set", change.name, details
        case RetentionDeleted():
            return change.time, change.by, "retention rule deleted", change.name, ""
    return None
