"""A run in plain lists and dicts, and what the memory store asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from chachaml.core.changes import ArtifactLogged, Conflicted, DatasetLogged, Fact, RunEdited
from chachaml.core.ids import short
from chachaml.core.model import (
    ArtifactRow,
    ConsoleRow,
    DatasetRow,
    ExperimentRow,
    RunQuery,
    RunRow,
    StepRow,
    Summary,
    WholeRun,
)
from chachaml.core.query import Order, matches, rank, ranks_before
from chachaml.core.rules import keep_artifact, merge_param, there
from chachaml.core.values import parse
from chachaml.store.by_hand import Point, summary
from chachaml.store.cursors import Position

__all__ = [
    "MemoryRun",
    "compare",
    "counted",
    "dataset_of",
    "filled",
    "in_their_order",
    "keep",
    "last_of",
    "meets",
    "merge",
    "now_of",
    "position",
    "tagged",
    "whole",
]


@dataclass
class MemoryRun:
    """A run with all that belongs to it."""

    row: RunRow
    journals: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)
    """By metric, in the order of arrival."""
    conflicts: list[Conflicted] = field(default_factory=list)
    artifacts: dict[str, ArtifactRow] = field(default_factory=dict)
    datasets: list[DatasetRow] = field(default_factory=list)
    aside: dict[int, list[Point]] = field(default_factory=dict)
    """Points of deleted metrics, by the number of the history entry that deleted them."""
    steps: dict[str, StepRow] = field(default_factory=dict)
    console: list[ConsoleRow] = field(default_factory=list)
    environment: dict[str, Fact] = field(default_factory=dict)


def last_of(summary: Summary | None) -> float | None:
    """Return the last value of a metric, None for one that a run lacks."""
    return None if summary is None else summary.last


def now_of(run: MemoryRun, change: RunEdited) -> str | None:
    """Return what is there of what a correction is about."""
    if change.aspect == "param":
        return run.params.get(change.key)
    if change.aspect == "metric":
        return str(len(run.points[change.key])) if change.key in run.points else None
    return there(run.row, change.aspect)


def counted(about: ExperimentRow, run: RunRow) -> ExperimentRow:
    """Return an experiment with one more run, which started after all others."""
    hidden = run.archived is not None
    return replace(
        about,
        runs=about.runs + (not hidden),
        archived=about.archived + hidden,
        running=about.running + (run.status == "running"),
        last_started=run.started,
    )


def merge(params: dict[str, str], new: dict[str, str]) -> list[str]:
    """Add `new` to `params`; return what was contradicted."""
    contradicted = []
    for key, value in new.items():
        params[key], what = merge_param(params.get(key), value)
        if what:
            contradicted.append(f"param {key!r}: {what}")
    return contradicted


def keep(artifacts: dict[str, ArtifactRow], new: ArtifactLogged) -> list[str]:
    """Add `new` to a run's artifacts, if the rules let it; return what was contradicted."""
    kept = artifacts.get(new.name)
    if what := keep_artifact(kept.digest if kept else None, new):
        return [what]
    about = (new.name, new.digest, new.size, new.content_type, new.format, new.signature, new.time)
    artifacts[new.name] = ArtifactRow(*about)
    return []


def dataset_of(new: DatasetLogged) -> DatasetRow:
    """Return the row of a data set."""
    about = (new.name, new.role, new.rows, new.columns, new.features, new.digest, new.source, new.time)
    return DatasetRow(*about)


def tagged(run: MemoryRun) -> RunRow:
    """Return a run's row with its tags."""
    return replace(run.row, tags=dict(run.tags))


def filled(run: MemoryRun, keys: Sequence[str] | None = None, *, last_only: bool = False) -> RunRow:
    """Return a run's row with tags and environment, and params and metrics of some keys or all."""
    params = {key: parse(value) for key, value in run.params.items() if keys is None or key in keys}
    metrics = {key: summary(points) for key, points in run.points.items() if keys is None or key in keys}
    if last_only:
        metrics = {
            key: Summary.of_point(one.last_step, one.last_time, one.last) for key, one in metrics.items()
        }
    return replace(tagged(run), params=params, metrics=metrics, environment=dict(run.environment))


def in_their_order(steps: Mapping[str, StepRow]) -> list[StepRow]:
    """Return the steps of a pipeline by their places."""
    return sorted(steps.values(), key=lambda row: (row.order, row.step))


def whole(run: MemoryRun) -> WholeRun:
    """Return a run with all that belongs to it but points."""
    row = replace(
        filled(run),
        conflicts=tuple(run.conflicts),
        artifacts=tuple(run.artifacts[name] for name in sorted(run.artifacts)),
        datasets=tuple(run.datasets),
    )
    return WholeRun(row, tuple(in_their_order(run.steps)), tuple(run.console))


def meets(run: MemoryRun, query: RunQuery) -> bool:
    """Tell whether a run is one of those that a query asks for."""
    row = run.row
    wanted = {
        "experiment": query.experiment,
        "status": query.status,
        "name": query.name,
        "created_by": query.created_by,
        "parent": query.parent,
        "owner": query.owner,
    }
    return (
        all(want is None or getattr(row, name) == want for name, want in wanted.items())
        and query.archived in (None, row.archived is not None)
        and (not query.text_id or row.id.startswith(query.text_id) or short(row.id).startswith(query.text_id))
        and (
            query.filter is None or matches(query.filter, replace(filled(run), datasets=tuple(run.datasets)))
        )
    )


def position(run: MemoryRun, orders: tuple[Order, ...]) -> Position:
    """Return what pages sort by."""
    row = filled(run) if orders else run.row
    return tuple(rank(order, row) for order in orders), row.started, row.id


def compare(orders: tuple[Order, ...], one: Position, other: Position) -> int:
    """Return below 0 if `one` comes first; what the orders leave open is newest first."""
    return ranks_before(orders, one[0], other[0]) or (1 if one[1:] < other[1:] else -(one[1:] > other[1:]))
