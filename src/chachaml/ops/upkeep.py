"""Operations of a store's upkeep: rules of retention, and who uses how much."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from chachaml import accounting, retention
from chachaml.ops.operation import operation

__all__ = [
    "apply_retention",
    "delete_retention_rule",
    "get_usage",
    "list_retention_rules",
    "preview_retention",
    "set_retention_rule",
]

Days = Annotated[float, Meta(ge=0)] | None
Limit = Annotated[int, Meta(ge=0)]


@operation("read")
def get_usage() -> accounting.Usage:
    """Say who uses how much of the store: by user and by experiment, points, artifacts, what was printed."""
    return accounting.usage()


@operation("read")
def list_retention_rules() -> tuple[retention.Rule, ...]:
    """List the rules by which old runs are archived and deleted."""
    return retention.rules()


@operation("destructive")
def set_retention_rule(
    name: str,
    experiment: str | None = None,
    filter: str | None = None,
    archive_after_days: Days = None,
    delete_after_days: Days = None,
    keep_best: Annotated[int, Meta(ge=0)] = 0,
    metric: str | None = None,
    direction: Literal["min", "max"] = "max",
) -> retention.Rule:
    """Set a rule by which old runs are archived and deleted, in place of one of the same name.

    What is running, what a model comes from, and what has the tag pinned always stays.

    Args:
        name: What to call it.
        experiment: Of this experiment; else of all that have no rule of their own.
        filter: Only runs that meet this, in the search language.
        archive_after_days: Archive runs that ended so many days ago, or were brought back then.
        delete_after_days: Delete runs for good that were archived so many days ago, by whomever.
        keep_best: So many of the best runs of each experiment stay.
        metric: By which metric they are the best, at any step.
        direction: Whether the highest or the lowest are the best.
    """
    return retention.set_rule(
        name,
        experiment=experiment,
        filter=filter,
        archive_after_days=archive_after_days,
        delete_after_days=delete_after_days,
        keep_best=keep_best,
        metric=metric,
        direction=direction,
    )


@operation("destructive")
def delete_retention_rule(name: str) -> tuple[retention.Rule, ...]:
    """Delete a rule of retention; what it archived stays archived. Says which rules are left.

    Args:
        name: The rule.
    """
    return retention.delete_rule(name)


@operation("read")
def preview_retention(limit: Limit = 1000) -> retention.Report:
    """Say which runs the rules would archive or delete now, which would stay, and why; change nothing.

    Args:
        limit: Name so many runs at most.
    """
    return retention.preview(limit=limit)


@operation("destructive")
def apply_retention(limit: Limit = 1000) -> retention.Report:
    """Archive and delete what the rules of retention say, at once; a server does so once an hour.

    Args:
        limit: Name so many runs at most.
    """
    return retention.apply(limit=limit)
