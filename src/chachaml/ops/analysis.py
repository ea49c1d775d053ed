"""Operations that judge: how curves went, who leads, what mattered, why runs differ, what a file holds."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chachaml.analysis.contents import Content, content_of
from chachaml.analysis.curves import Course, course
from chachaml.analysis.differences import Cause, Outcome, causes, code_diff, outcomes
from chachaml.analysis.goals import Direction, direction_of
from chachaml.analysis.importance import FEWEST, ParamImportance, importance
from chachaml.artifact_calls import find_artifact
from chachaml.comparison import packages_of
from chachaml.connection import connection
from chachaml.core.errors import ChachamlError, NotFound
from chachaml.core.model import RunQuery, RunRow, Summary
from chachaml.core.query import Field, IsNull, Not, Order
from chachaml.display.png import chart_png
from chachaml.display.text import shared_metrics
from chachaml.display.words import count, number, safe
from chachaml.lookup import resolve
from chachaml.ops.operation import operation
from chachaml.plotting import plot
from chachaml.results import Run
from chachaml.searching import narrowed, query
from chachaml.store.protocol import Store

__all__ = [
    "Drawing",
    "Explanation",
    "Importance",
    "Leader",
    "Leaderboard",
    "MetricCourse",
    "describe_series",
    "draw_series",
    "explain_difference",
    "get_importance",
    "get_leaderboard",
    "read_artifact",
]

Of = Literal["best", "last"]

_WHOLE = 20_000
"""Points of a series that are looked at one by one; of a longer one, these are a sample with its extremes."""

_LOOKED_AT = 500
"""Runs from which an explanation learns how much the metric depends on params."""


class MetricCourse(msgspec.Struct, frozen=True):
    """How a metric of a run went, with a few of its points."""

    run: str
    key: str
    course: Course
    steps: list[int]
    values: list[float]


class Leader(msgspec.Struct, frozen=True):
    """A run in its place: its value, the step at which it has it, and those of its params that vary."""

    place: int
    run: str
    name: str
    experiment: str
    status: str
    value: float
    step: int
    params: dict[str, Any]


class Leaderboard(msgspec.Struct, frozen=True):
    """Runs by a metric, the best first. ``same`` are the params that all of them share."""

    metric: str
    direction: Direction
    leaders: tuple[Leader, ...]
    same: dict[str, Any]


class Importance(msgspec.Struct, frozen=True):
    """How much a metric depends on params, over so many runs. ``about`` says how far that may be trusted."""

    metric: str
    direction: Direction
    runs: int
    params: tuple[ParamImportance, ...]
    about: str


class Explanation(msgspec.Struct, frozen=True):
    """Why two runs came out differently: a guess from all that differs.

    ``metric`` is the one that was to be explained, and ``runs`` from how many runs it was learned on what it
    depends. ``code_diff`` shows how that differs which they had not committed. ``summary`` says it in a
    sentence.
    """

    one: str
    other: str
    metric: str
    runs: int
    summary: str
    outcomes: tuple[Outcome, ...]
    causes: tuple[Cause, ...]
    code_diff: str


class Drawing(msgspec.Struct, frozen=True):
    """A picture in Base64, and in words what it shows."""

    content_type: str
    width: int
    height: int
    image: str
    about: list[str]


@operation("read")
def describe_series(
    run_ids: list[str],
    metric: str,
    direction: Direction | None = None,
    max_points: Annotated[int, Meta(ge=5)] = 20,
) -> list[MetricCourse]:
    """Say how a metric of one or several runs went: trend, best, plateau, divergence, NaN.

    Args:
        run_ids: The runs.
        metric: The metric's key.
        direction: Which value is the best. Default: as the key tells.
        max_points: So many points to go with it, picked so that extremes stay.
    """
    store = connection().ready(at_once=True)
    return [
        _course(store, resolve(store, run), metric, direction or direction_of(metric), max_points)
        for run in run_ids
    ]


def _course(store: Store, row: RunRow, key: str, direction: Direction, most: int) -> MetricCourse:
    few = store.read_series(row.id, key, None, most)
    found = course(store.read_series(row.id, key, None, _WHOLE), row.metrics[key], direction)
    return MetricCourse(row.id, key, found, few.steps.tolist(), few.values.tolist())


@operation("read")
def get_leaderboard(
    metric: str,
    direction: Direction | None = None,
    of: Of = "best",
    filter: str = "",
    experiment: str | None = None,
    limit: Annotated[int, Meta(ge=1)] = 10,
) -> Leaderboard:
    """Rank runs by a metric, with the params in which they differ.

    Args:
        metric: The metric's key.
        direction: Which value is the best. Default: as the key tells.
        of: Rank by the best value that a run reached, or by its last one.
        filter: Only runs that meet this, in the search language.
        experiment: Only runs of this experiment.
        limit: At most so many.
    """
    store, wanted = connection().ready(), direction or direction_of(metric)
    rows = _with_metric(store, metric, wanted, of, filter, experiment, limit)
    params = [row.params for row in rows]
    same = {
        key: value
        for key, value in (params[0] if len(rows) > 1 else {}).items()
        if all(key in one and one[key] == value for one in params)
    }
    leaders = []
    for place, row in enumerate(rows, 1):
        value, step = _value(row.metrics[metric], wanted, of)
        own = {key: given for key, given in row.params.items() if key not in same}
        leaders.append(Leader(place, row.id, row.name, row.experiment, row.status, value, step, own))
    return Leaderboard(metric, wanted, tuple(leaders), same)


def _with_metric(
    store: Store, metric: str, direction: Direction, of: Of, filter: str, experiment: str | None, limit: int
) -> tuple[RunRow, ...]:
    """Return the runs with a finite value of a metric, the best first.

    Raises:
        NotFound: There is none.
    """
    field = Field("metric", metric, direction if of == "best" else "last")
    asked = query(store, filter, None, experiment=experiment)
    asked = narrowed(asked, Not(IsNull(Field("metric", metric, direction))))
    order = (Order(field, descending=direction == "max"),)
    found = store.find_runs(msgspec.structs.replace(asked, order=order, limit=limit, with_values=True)).runs
    rows = tuple(row for row in found if math.isfinite(_value(row.metrics[metric], direction, of)[0]))
    if not rows:
        keys = ", ".join(store.keys()["metric"][:20])
        raise NotFound(f"no run that matches has a finite value of metric {metric!r}", f"there are: {keys}")
    return rows


def _value(found: Summary, direction: Direction, of: Of) -> tuple[float, int]:
    if of == "last":
        return found.last, found.last_step
    value, step = (found.min, found.min_step) if direction == "min" else (found.max, found.max_step)
    return (math.nan, 0) if value is None or step is None else (value, step)


@operation("read")
def get_importance(
    metric: str,
    direction: Direction | None = None,
    of: Of = "best",
    filter: str = "",
    experiment: str | None = None,
    limit: Annotated[int, Meta(ge=5)] = 1000,
) -> Importance:
    """Say how much a metric depends on each param, and which values of it were best.

    Params are looked at one by one, by ranks (Kruskal and Wallis's analysis of variance, Spearman's
    correlation): a share of 0.6 means that 60 % of how runs rank by the metric goes with this param.

    Args:
        metric: The metric's key.
        direction: Which value is the best. Default: as the key tells.
        of: Judge by the best value that a run reached, or by its last one.
        filter: Only runs that meet this, in the search language.
        experiment: Only runs of this experiment.
        limit: Look at so many runs at most, the newest ones.
    """
    store, wanted = connection().ready(), direction or direction_of(metric)
    asked = query(store, filter, None, experiment=experiment)
    found = _importance(store, asked, metric, wanted, of, limit)
    about = f"over {found.runs:,} runs; each param by itself, and what goes together need not be the cause"
    if found.runs < 3 * FEWEST:
        about = f"only {found.runs:,} runs with this metric: too few to rely on"
    return msgspec.structs.replace(found, about=about)


def _importance(
    store: Store, asked: RunQuery, metric: str, direction: Direction, of: Of, limit: int
) -> Importance:
    asked = narrowed(asked, Not(IsNull(Field("metric", metric, direction))))
    rows = store.find_runs(msgspec.structs.replace(asked, limit=limit, with_values=True)).runs
    values = [_value(row.metrics[metric], direction, of)[0] for row in rows]
    usable = [n for n, value in enumerate(values) if math.isfinite(value)]
    params = importance([rows[n].params for n in usable], [values[n] for n in usable], direction)
    return Importance(metric, direction, len(usable), tuple(params), "")


@operation("read")
def explain_difference(one: str, other: str, metric: str | None = None) -> Explanation:
    """Say why two runs came out differently: params, data, code, packages and machine, likeliest cause first.

    Args:
        one: A run.
        other: The run to compare it with.
        metric: The metric to explain. Default: one that both have.
    """
    store = connection().ready(at_once=True)
    runs = [Run.from_row(resolve(store, run)) for run in (one, other)]
    key = metric or next(iter(shared_metrics([run for run in runs if run.metrics])), "")
    learned = _learned(store, runs, key)
    weights = {} if learned is None else {each.param: each.importance for each in learned.params}
    found = causes(runs[0], runs[1], packages_of(store, runs), weights)
    diffs = [_uncommitted(run) for run in runs]
    return Explanation(
        one=runs[0].id,
        other=runs[1].id,
        metric=key,
        runs=0 if learned is None else learned.runs,
        summary=_summary(runs, key, found),
        outcomes=tuple(outcomes(runs[0], runs[1])),
        causes=tuple(found),
        code_diff=code_diff(*diffs) if diffs[0] != diffs[1] else "",
    )


def _learned(store: Store, runs: Sequence[Run], metric: str) -> Importance | None:
    """Return what is known of a metric from other runs of the experiment; None if they are too few."""
    if not metric or runs[0].experiment != runs[1].experiment:
        return None
    asked = RunQuery(experiment=runs[0].experiment)
    found = _importance(store, asked, metric, direction_of(metric), "best", _LOOKED_AT)
    return found if found.runs >= 2 * FEWEST else None


def _uncommitted(run: Run) -> str:
    if not any(each.name == "code/uncommitted.diff" for each in run.artifacts):
        return ""
    try:
        return "\n".join(read_artifact(run.id, "code/uncommitted.diff", limit=5_000).lines)
    except ChachamlError:  # the bytes are gone: what differs besides is still worth telling
        return ""


def _summary(runs: Sequence[Run], metric: str, found: Sequence[Cause]) -> str:
    values: list[Mapping[str, float]] = [run.metrics for run in runs]
    ended = [number(of[metric]) if metric in of else "none" for of in values]
    head = f"{safe(metric)} {ended[0]} and {ended[1]}; " if metric else ""
    if not found:
        return f"{head}nothing that was recorded differs"
    first = ", ".join(f"{cause.kind} {safe(cause.key)[:60]}" for cause in found[:3])
    return f"{head}{count(len(found), 'difference')}, first of all {first}"


@operation("read")
def read_artifact(
    run_id: str, name: str, start: Annotated[int, Meta(ge=0)] = 0, limit: Annotated[int, Meta(ge=1)] = 100
) -> Content:
    """Show what an artifact holds: text, tables, JSON, pictures. Nothing is loaded that could run code.

    Args:
        run_id: The run.
        name: The artifact's name.
        start: The first line of a text or row of a table to show, from 0.
        limit: At most so many lines or rows.
    """
    found = find_artifact(run_id, name)
    return content_of(found.run, found.kept, connection().blobs(), start, limit)


@operation("read")
def draw_series(run_ids: list[str], metric: str, log: bool = False) -> Drawing:
    """Draw a metric of one or several runs as a chart.

    Args:
        run_ids: The runs.
        metric: The metric's key.
        log: With a logarithmic y axis.
    """
    found = plot(metric, run_ids, log=log)
    width, height = 800, 400
    image = chart_png(found.curves(), title=metric, x_label="step", width=width, height=height, log=log)
    said = describe_series([run.id for run in found.runs], metric, max_points=5)
    return Drawing(
        "image/png", width, height, base64.b64encode(image).decode(), [one.course.text for one in said]
    )
