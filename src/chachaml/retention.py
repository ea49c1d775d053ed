"""Retention: rules by which old runs are archived, then deleted, by a server or when asked.

    ml.retention.set_rule("old", archive_after_days=90, delete_after_days=30, keep_best=5, metric="accuracy")
    ml.retention.preview()

What is running, what a model comes from, and what has the tag ``pinned`` always stays.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import datetime
from typing import Literal

import msgspec

from chachaml.connection import connection
from chachaml.core.changes import RetentionDeleted, RetentionRule, RetentionSet
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import RetentionRow
from chachaml.core.query import parse
from chachaml.core.settings import current_user
from chachaml.core.values import as_text, check_key
from chachaml.results import Lines, to_datetime
from chachaml.retaining import Decision, Done, let_go

__all__ = ["Decision", "Report", "Rule", "apply", "delete_rule", "preview", "rules", "set_rule"]

_MOST_DAYS = 36_500


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and who set it when. ``experiment`` is None for all that have no rule of their own."""

    name: str
    experiment: str | None
    filter: str | None
    archive_after_days: float | None
    delete_after_days: float | None
    keep_best: int
    metric: str | None
    direction: Literal["min", "max"]
    set: datetime
    set_by: str

    @classmethod
    def from_row(cls, row: RetentionRow) -> Rule:
        """Return what people see of a store's row."""
        rule = row.rule
        return cls(
            name=row.name,
            experiment=rule.experiment or None,
            filter=rule.filter or None,
            archive_after_days=rule.archive_after_days,
            delete_after_days=rule.delete_after_days,
            keep_best=rule.keep_best,
            metric=rule.metric or None,
            direction=rule.direction,
            set=to_datetime(row.set),
            set_by=row.by,
        )

    def __repr__(self) -> str:
        from chachaml.display import rule_text

        return rule_text(self)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules did, or would do in a ``dry_run``: to how many runs, and to each of some.

    ``bytes`` are those of artifacts that came back. ``kept`` counts runs that are old enough and stay.
    ``runs`` are as many as were asked for, those that go first; ``more`` tells whether there are others.
    """

    archived: int
    deleted: int
    kept: int
    bytes: int
    runs: tuple[Decision, ...]
    more: bool
    dry_run: bool

    @classmethod
    def of(cls, done: Done, limit: int, *, dry_run: bool) -> Report:
        """Return the report of what was done, with at most so many runs."""
        counts = Counter(one.action for one in done.decisions)
        order = {"delete": 0, "archive": 1, "keep": 2}
        sorted_ = sorted(done.decisions, key=lambda one: (order[one.action], one.rule, one.experiment))
        return cls(
            archived=counts["archive"],
            deleted=counts["delete"],
            kept=counts["keep"],
            bytes=done.bytes,
            runs=tuple(sorted_[:limit]),
            more=len(sorted_) > limit,
            dry_run=dry_run,
        )

    def __repr__(self) -> str:
        from chachaml.display import retention_text

        return retention_text(self)


def rules() -> Lines[Rule]:
    """Return all rules, by name."""
    return Lines(map(Rule.from_row, connection().ready().retention()))


def set_rule(
    name: str,
    *,
    experiment: str | None = None,
    filter: str | None = None,
    archive_after_days: float | None = None,
    delete_after_days: float | None = None,
    keep_best: int = 0,
    metric: str | None = None,
    direction: Literal["min", "max"] = "max",
) -> Rule:
    """Set a rule, in place of one of the same name. Nothing goes before it is applied.

    Args:
        name: What to call it.
        experiment: Of this experiment. Default: of all that have no rule of their own.
        filter: Only runs that meet this, in the search language.
        archive_after_days: Archive runs that ended so many days ago, or were brought back then.
        delete_after_days: Delete runs for good that were archived so many days ago, by whomever.
        keep_best: So many of the best runs of each experiment stay.
        metric: By which metric they are the best, at any step.
        direction: "max" or "min".

    Raises:
        BadValue: Nothing to do, days that are no number of 0 or more, or a best of no metric.
        BadQuery: The filter makes no sense.
    """
    if archive_after_days is None and delete_after_days is None:
        raise BadValue("this rule would do nothing", "give archive_after_days=, delete_after_days=, or both")
    if bool(keep_best) != (metric is not None):
        raise BadValue("the best runs are those by a metric", "give both keep_best= and metric=")
    if keep_best < 0 or direction not in ("min", "max"):
        raise BadValue("keep_best must be 0 or more, direction 'min' or 'max'")
    if filter:
        parse(filter)
    rule = RetentionRule(
        as_text("experiment", experiment or ""),
        as_text("filter", filter or ""),
        _checked("archive_after_days", archive_after_days),
        _checked("delete_after_days", delete_after_days),
        keep_best,
        check_key("metric", metric) if metric is not None else "",
        direction,
    )
    connection().command(RetentionSet(_now(), current_user(), _named(name), rule))
    return next(one for one in rules() if one.name == _named(name))


def delete_rule(name: str) -> Lines[Rule]:
    """Delete a rule, and return those that are left; what it archived stays archived.

    Raises:
        NotFound: No such rule.
    """
    if all(one.name != name for one in rules()):
        raise NotFound(f"there is no rule {name!r}", "chachaml retention lists them")
    connection().command(RetentionDeleted(_now(), current_user(), name))
    return rules()


def preview(*, limit: int = 1000) -> Report:
    """Say which runs the rules would archive and delete now, which would stay, and why; change nothing.

    Args:
        limit: Name so many runs at most.
    """
    return _applied(limit, dry_run=True)


def apply(*, limit: int = 1000) -> Report:
    """Archive and delete what the rules say, at once; a server does so by itself, once an hour.

    Args:
        limit: Name so many runs at most.
    """
    return _applied(limit, dry_run=False)


def _applied(limit: int, *, dry_run: bool) -> Report:
    if limit < 0:
        raise BadValue(f"limit must be 0 or more, not {limit}")
    where = connection()
    done = let_go(where, where.ready(at_once=True), dry_run=dry_run)
    return Report.of(done, limit, dry_run=dry_run)


def _checked(name: str, days: float | None) -> float | None:
    if days is None:
        return None
    if not (math.isfinite(days) and 0 <= days <= _MOST_DAYS):
        raise BadValue(f"{name} must be from 0 to {_MOST_DAYS:,}, not {days!r}")
    return float(days)


def _named(name: str) -> str:
    if not as_text("name", name).strip():
        raise BadValue("a rule has a name")
    return name.strip()


def _now() -> int:
    return time.time_ns() // 1000
