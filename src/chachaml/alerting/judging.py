"""Whether what an alert waits for is so in a run, and which runs are looked at."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from chachaml.core.changes import AlertRule
from chachaml.core.model import AlertRow, RunQuery, RunRow, Summary
from chachaml.core.query import And, Compare, Expression, Field, In, IsNull, Not, Or, matches, parse
from chachaml.display import duration, number
from chachaml.store.protocol import Store

__all__ = ["Verdict", "candidates", "concerns", "judge", "rehearse"]

_OPS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}

_MOST = 50
"""Runs looked at for one alert at once."""


class Verdict(NamedTuple):
    """Whether it is so, the value that says it, and both in words."""

    holds: bool
    value: float | None = None
    text: str = ""


def judge(rule: AlertRule, run: RunRow, now: int) -> Verdict:
    """Return whether what a rule waits for is so in a run, with its metrics filled.

    Args:
        rule: The rule.
        run: The run.
        now: The time, in microseconds.
    """
    if rule.kind in ("threshold", "odd", "plateau"):
        summary = run.metrics.get(rule.metric)
        return Verdict(False) if summary is None else _judge_metric(rule, summary)
    if rule.kind == "status":
        text = f"{run.status}: {run.error.type}: {run.error.message}" if run.error else run.status
        return Verdict(run.status in rule.statuses, None, text)
    if rule.kind == "silent":
        quiet = (now - _last_heard(run)) / 1e6
        silent = run.status == "running" and quiet >= rule.minutes * 60
        return Verdict(silent, quiet / 60, f"nothing heard for {duration(quiet)}")
    return Verdict(matches(parse(rule.filter), run), None, rule.filter)


def _judge_metric(rule: AlertRule, summary: Summary) -> Verdict:
    if rule.kind == "odd":
        odd = summary.nans + summary.infs
        which = summary.last if not math.isfinite(summary.last) else math.nan
        return Verdict(
            odd > 0, which, f"{rule.metric} has {summary.nans:,} NaN and {summary.infs:,} infinite"
        )
    if rule.kind == "plateau":
        return _judge_plateau(rule, summary)
    value = {"last": summary.last, "min": summary.min, "max": summary.max}[rule.of]
    if value is None:
        return Verdict(False)
    prefix = "" if rule.of == "last" else f"{rule.of} of "
    words = f"{prefix}{rule.metric} = {number(value)} {rule.op} {number(rule.threshold)}"
    return Verdict(_OPS[rule.op](value, rule.threshold), value, words)


def _judge_plateau(rule: AlertRule, summary: Summary) -> Verdict:
    low = rule.direction == "min"
    best, step = (summary.min, summary.min_step) if low else (summary.max, summary.max_step)
    if best is None or step is None:
        return Verdict(False)
    since = summary.last_step - step
    text = f"{rule.metric} is at best {number(best)} for {since:,} steps"
    return Verdict(since >= rule.steps, best, text)


def _last_heard(run: RunRow) -> int:
    return max([run.started, *(summary.last_time for summary in run.metrics.values())])


def concerns(alert: AlertRow, run: RunRow) -> bool:
    """Tell whether an alert is about a run at all."""
    rule = alert.rule
    fits = rule.experiment in (None, run.experiment) and run.archived is None
    return fits and (not rule.metric or rule.metric in run.metrics)


def candidates(store: Store, alert: AlertRow) -> list[RunRow]:
    """Return the runs that an alert is to be judged by now, the newest last.

    Of a metric the newest run that has it; else the newest run, and those that began or ended since
    the alert was set.
    """
    rule = alert.rule
    conditions: list[Expression] = []
    if rule.metric:
        conditions.append(Not(IsNull(Field("metric", rule.metric))))
    query = _query(rule.experiment, conditions, 1)
    found = {row.id: row for row in store.find_runs(query).runs}
    if not rule.metric:
        since = Or(tuple(Compare(Field("attribute", name), ">=", alert.set) for name in ("started", "ended")))
        conditions.append(since)
        if rule.kind == "status":
            conditions.append(In(Field("attribute", "status"), rule.statuses))
        found |= {row.id: row for row in store.find_runs(_query(rule.experiment, conditions, _MOST)).runs}
    return sorted(found.values(), key=lambda row: (row.started, row.id))


def rehearse(
    store: Store, rule: AlertRule, most: int, now: int
) -> tuple[int, list[tuple[RunRow, Verdict, bool]]]:
    """Return how many runs were looked at, and those in which it is or was so, the newest first.

    What a rule says of the last value of a metric is judged while a run logs, so it may have been so for
    a while; the flag tells whether it is so at the end.
    """
    conditions = [Not(IsNull(Field("metric", rule.metric)))] if rule.metric else []
    rows = store.find_runs(_query(rule.experiment, conditions, most)).runs
    found = []
    for row in rows:
        verdict = judge(rule, row, now)
        if verdict.holds:
            found.append((row, verdict, True))
        elif (passing := judge(_at_any_time(rule), row, now)).holds:
            found.append((row, passing, False))
    return len(rows), found


def _at_any_time(rule: AlertRule) -> AlertRule:
    if rule.kind != "threshold" or rule.of != "last" or rule.op == "=":
        return rule
    return replace(rule, of="max" if rule.op.startswith(">") else "min")


def _query(experiment: str | None, conditions: Iterable[Expression], limit: int) -> RunQuery:
    parts = tuple(conditions)
    wanted = And(parts) if len(parts) > 1 else (parts[0] if parts else None)
    return RunQuery(experiment=experiment, filter=wanted, limit=limit, with_values=True)
