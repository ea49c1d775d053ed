"""Operations on what hangs together: where a run comes from, and what came of it; its curves in small."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from chachaml.connection import connection
from chachaml.core.model import RunQuery, RunRow, Status
from chachaml.core.query import Compare, Field
from chachaml.lookup import resolve
from chachaml.ops.operation import operation
from chachaml.registered import ModelVersion
from chachaml.results import to_datetime
from chachaml.store.protocol import Store

__all__ = ["Family", "Relative", "SharedData", "StepOf", "get_curves", "get_run_lineage"]

_MOST_CHILDREN, _MOST_SHARING, _MOST_DATASETS, _MOST_CURVES = 200, 10, 20, 100


class Relative(msgspec.Struct, frozen=True):
    """A run that another one is told of, in short."""

    id: str
    name: str
    experiment: str
    status: Status
    started: datetime

    @classmethod
    def of(cls, row: RunRow) -> Self:
        """Return a run in short."""
        return cls(row.id, row.name, row.experiment, row.status, to_datetime(row.started))


class StepOf(msgspec.Struct, frozen=True):
    """The pipeline that a run is a step of; with an empty ``step`` the run is the pipeline itself."""

    pipeline: Relative
    step: str
    steps: int


class SharedData(msgspec.Struct, frozen=True):
    """A data set of a run, and the newest other runs that used the same; ``total`` counts all of those."""

    name: str
    role: str
    digest: str
    runs: tuple[Relative, ...]
    total: int


class Family(msgspec.Struct, frozen=True):
    """What a run hangs together with. ``children`` are the newest, ``children_total`` counts all."""

    run: str
    parent: Relative | None
    children: tuple[Relative, ...]
    children_total: int
    pipeline: StepOf | None
    models: tuple[ModelVersion, ...]
    datasets: tuple[SharedData, ...]


@operation("read")
def get_run_lineage(run_id: str) -> Family:
    """Show what a run hangs together with: parent, children, pipeline, models of it, runs on the same data.

    Args:
        run_id: The run.
    """
    store = connection().ready()
    row = resolve(store, run_id)
    children = RunQuery(parent=row.id, archived=None, limit=_MOST_CHILDREN)
    shared = [_sharing(store, row, place) for place in range(min(len(row.datasets), _MOST_DATASETS))]
    return Family(
        run=row.id,
        parent=_relative(store, row.parent),
        children=tuple(map(Relative.of, store.find_runs(children).runs)),
        children_total=store.count_runs(children),
        pipeline=_pipeline(store, row),
        models=tuple(map(ModelVersion.from_row, store.versions(run=row.id))),
        datasets=tuple(shared),
    )


def _relative(store: Store, run: str | None) -> Relative | None:
    """Return a run in short, None if it is not there any more, or not for who asks."""
    found = store.bare_runs([run]) if run else {}
    return Relative.of(found[run]) if run in found else None


def _pipeline(store: Store, row: RunRow) -> StepOf | None:
    if own := store.steps(row.id):
        return StepOf(Relative.of(row), "", len(own))
    found = _relative(store, row.tags.get("pipeline-id") or row.parent)
    steps = store.steps(found.id) if found else []
    mine = next((one.step for one in steps if one.step_run == row.id), "")
    return StepOf(found, mine, len(steps)) if found and mine else None


def _sharing(store: Store, row: RunRow, place: int) -> SharedData:
    data = row.datasets[place]
    same = Compare(Field("dataset", "digest"), "=", data.digest)
    query = RunQuery(filter=same, limit=_MOST_SHARING + 1)
    others = [Relative.of(one) for one in store.find_runs(query).runs if one.id != row.id]
    archived = row.archived is not None
    total = store.count_runs(query) - (0 if archived else 1)
    return SharedData(data.name, data.role, data.digest, tuple(others[:_MOST_SHARING]), total)


@operation("read")
def get_curves(
    run_id: str,
    keys: Annotated[list[str], Meta(max_length=_MOST_CURVES)],
    points: Annotated[int, Meta(ge=5, le=400)] = 60,
) -> dict[str, list[float]]:
    """Give the values of several metrics of a run, few of each, as tiny charts need them.

    Args:
        run_id: The run.
        keys: The metrics; what the run has not is left out.
        points: About so many values of each, extremes among them.
    """
    store = connection().ready()
    row = resolve(store, run_id)
    known = [key for key in dict.fromkeys(keys) if key in row.metrics]
    return {key: store.read_series(row.id, key, None, points).values.tolist() for key in known}
