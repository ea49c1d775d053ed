"""Operations on runs: finding them, reading them, setting them side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

import chachaml as ml
from chachaml.comparison import Section
from chachaml.connection import connection
from chachaml.core.errors import NotFound
from chachaml.core.model import ConsoleRow
from chachaml.lookup import resolve
from chachaml.ops.operation import operation
from chachaml.results import BestRun, Dataset, Run

__all__ = [
    "Compared",
    "Difference",
    "Points",
    "Printed",
    "RunPage",
    "best_run",
    "compare_runs",
    "diff_runs",
    "export_runs",
    "get_console",
    "get_datasets",
    "get_packages",
    "get_run",
    "get_series",
    "list_keys",
    "list_runs",
    "search_runs",
]

Limit = Annotated[int, Meta(ge=1)]
AnyStatus = Literal["running", "completed", "failed", "interrupted", "crashed", "archived"]


class RunPage(msgspec.Struct, frozen=True):
    """Some runs, and what to give as ``after`` for those that follow: None behind the last."""

    runs: tuple[Run, ...]
    next: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """Something in which two runs differ; None where one has no such thing."""

    section: str
    key: str
    one: Any
    other: Any


class Compared(msgspec.Struct, frozen=True):
    """Runs side by side, by section; lists of values are in the order of ``runs``, their ids."""

    runs: tuple[str, ...]
    params: Section
    metrics: Section
    tags: Section
    git: Section
    packages: Section


class Points(msgspec.Struct, frozen=True):
    """The points of a metric as columns; times in microseconds. ``total`` counts those in the store."""

    run: str
    key: str
    steps: list[int]
    times: list[int]
    values: list[float]
    total: int
    sampled: bool


class Printed(msgspec.Struct, frozen=True):
    """Some of what a run printed; a line that is told again is replaced. ``next`` is what to go on behind."""

    rows: tuple[ConsoleRow, ...]
    next: int


@operation("read")
def list_runs(
    filter: str = "",
    order_by: str = "",
    experiment: str | None = None,
    status: AnyStatus | None = None,
    name: str | None = None,
    created_by: str | None = None,
    parent: str | None = None,
    archived: bool | None = False,
    limit: Limit = 100,
    after: str = "",
) -> RunPage:
    """List runs, the newest first.

    Args:
        filter: What they must meet, in the search language.
        order_by: Another order, such as "metrics.loss asc, started desc".
        experiment: Only runs of this experiment.
        status: Only runs in this status.
        name: Only runs of this name.
        created_by: Only runs that this user started.
        parent: Only children of this run.
        archived: Only archived runs.
        limit: At most so many.
        after: Go on behind this page: its "next".
    """
    return _page(
        ml.runs(
            filter,
            order_by=order_by,
            experiment=experiment,
            status=status,
            name=name,
            created_by=created_by,
            parent=parent,
            archived=archived,
            limit=limit,
            after=after,
        )
    )


@operation("read")
def search_runs(
    filter: str = "",
    experiment: str | None = None,
    metric_key: str | None = None,
    op: Literal[">", ">=", "<", "<=", "="] = ">",
    metric_value: float | None = None,
    any: bool = False,
    sort_by_metric: str | None = None,
    sort_dir: Literal["asc", "desc"] = "desc",
    limit: Limit = 100,
    after: str = "",
) -> RunPage:
    """List the runs whose metric compares so.

    Args:
        filter: What they must meet besides, in the search language.
        experiment: Only runs of this experiment.
        metric_key: The metric to test, by its last value.
        op: How it must compare.
        metric_value: What to compare with.
        any: Test whether any value of the metric compares so, rather than the last one.
        sort_by_metric: Order by the last value of this metric; runs without it come last.
        sort_dir: Highest or lowest first.
        limit: At most so many.
        after: Go on behind this page: its "next".
    """
    return _page(
        ml.search_runs(
            filter,
            experiment=experiment,
            metric_key=metric_key,
            op=op,
            metric_value=metric_value,
            any=any,
            sort_by_metric=sort_by_metric,
            sort_dir=sort_dir,
            limit=limit,
            after=after,
        )
    )


def _page(found: ml.Runs) -> RunPage:
    return RunPage(tuple(found), found.next or None)


@operation("read")
def get_run(run_id: str) -> Run:
    """Show one run in full.

    Args:
        run_id: The run's id, its short form, or the beginning of it.
    """
    return ml.run(run_id)


@operation("read")
def best_run(
    metric: str,
    filter: str | None = None,
    experiment: str | None = None,
    direction: Literal["max", "min"] = "max",
) -> BestRun:
    """Show the run that reached the best value of a metric.

    Args:
        metric: The metric's key.
        filter: Only among runs that meet this.
        experiment: Only runs of this experiment.
        direction: Whether the highest or the lowest value wins.
    """
    run = ml.best_run(filter, experiment=experiment, metric=metric, direction=direction)
    if run is None:
        where = f" of experiment {experiment}" if experiment else ""
        raise NotFound(f"no run{where} has a finite value of metric {metric!r}", _metrics_hint(experiment))
    return run


def _metrics_hint(experiment: str | None) -> str:
    newest = ml.runs(experiment=experiment, limit=20)
    keys = sorted({key for run in newest for key in run.metrics})
    return f"metrics of the newest runs: {', '.join(keys[:12])}" if keys else ""


@operation("read")
def compare_runs(run_ids: list[str]) -> Compared:
    """Show runs side by side: what they share, and in what they differ.

    Args:
        run_ids: The runs.
    """
    found = ml.compare_runs(run_ids)
    return Compared(tuple(run.id for run in found.runs), **found.sections())


@operation("read")
def diff_runs(one: str, other: str) -> list[Difference]:
    """Show only what differs between two runs.

    Args:
        one: A run.
        other: The run to compare it with.
    """
    found = []
    for name, section in ml.compare_runs([one, other]).sections().items():
        unlike = {**section.differ, **section.partial}
        found += [Difference(name, key, *values) for key, values in unlike.items()]
    return found


@operation("read")
def export_runs(
    filter: str | None = None, experiment: str | None = None, limit: Limit | None = None
) -> list[dict[str, Any]]:
    """Give all runs that match as flat rows, with their params, last metrics and tags.

    Args:
        filter: Only runs that meet this.
        experiment: Only runs of this experiment.
        limit: At most so many; without one there is no limit.
    """
    if limit is None:
        rows: list[dict[str, Any]] = ml.export_runs(filter, experiment=experiment)
        return rows
    return ml.runs(filter, experiment=experiment, limit=limit).to_table().to_dicts()


@operation("read")
def get_series(
    run_ids: list[str],
    metric: str,
    from_step: int | None = None,
    to_step: int | None = None,
    max_points: Annotated[int, Meta(ge=5)] = 1000,
) -> list[Points]:
    """Give the points of a metric of one or several runs, picked so that extremes stay.

    Args:
        run_ids: The runs.
        metric: The metric's key.
        from_step: Only from this step on.
        to_step: Only up to this step.
        max_points: At most so many of each run.
    """
    window = None
    if from_step is not None or to_step is not None:
        window = (-(2**63) if from_step is None else from_step, 2**63 - 1 if to_step is None else to_step)
    found = [ml.metric(run, metric, window=window, max_points=max_points) for run in run_ids]
    return [Points(**one.to_dict()) for one in found]


@operation("read")
def get_console(run_id: str, after: Annotated[int, Meta(ge=0)] = 0, limit: Limit | None = None) -> Printed:
    """Give what a run printed, as it arrived.

    Args:
        run_id: The run.
        after: Go on behind what was given before: its "next".
        limit: At most so many pieces; without one there is no limit.
    """
    store = connection().ready(at_once=True)
    rows = store.console(resolve(store, run_id).id, after)[:limit]
    return Printed(tuple(rows), rows[-1].no if rows else after)


@operation("read")
def get_packages(run_id: str) -> dict[str, str]:
    """Give the versions of the packages that were installed when a run started.

    Args:
        run_id: The run.
    """
    return ml.packages(run_id)


@operation("read")
def list_keys() -> dict[str, list[str]]:
    """List the keys that any run has, under "metric", "param" and "tag"."""
    return connection().ready().keys()


@operation("read")
def get_datasets(run_id: str) -> tuple[Dataset, ...]:
    """List the data sets that a run used.

    Args:
        run_id: The run.
    """
    return ml.run(run_id).datasets
