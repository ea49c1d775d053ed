"""Runs: made, changed, deleted and restored, and how they are shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from chachaml.core.changes import (
    Change,
    EnvironmentCaptured,
    RunEdited,
    RunEnded,
    RunResumed,
    RunStarted,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.ids import is_id, new_id, readable_name
from chachaml.core.model import RunRow
from chachaml.moving.mlflow_words import (
    RUN_NAME,
    SCHEDULED,
    STATUS,
    STATUSES,
    meant,
    shown,
    tags_of,
    their_status,
)
from chachaml.surfaces.mlflow import experiments, inputs
from chachaml.surfaces.mlflow.asked import Asked
from chachaml.surfaces.mlflow.errors import invalid, unknown
from chachaml.surfaces.mlflow.places import run_root

__all__ = [
    "active_run",
    "create",
    "delete",
    "get",
    "info",
    "restore",
    "run_named",
    "shown_runs",
    "update",
    "value_of",
]


def run_named(asked: Asked) -> str:
    """Return the id of the run that a request is about; older clients say ``run_uuid``."""
    given = asked.text("run_id", "") or asked.text("run_uuid", "")
    if not given:
        raise asked.missing("run_id")
    if not is_id(given):
        raise unknown(f"Run with id={given[:80]} not found")
    return given


def active_run(found: Mapping[str, RunRow], run: str) -> RunRow:
    """Return a run that may be changed.

    Raises:
        Refused: There is none, or it is deleted.
    """
    if (row := found.get(run)) is None:
        raise unknown(f"Run with id={run} not found")
    if row.archived is not None:
        raise invalid(f"The run {run} must be in the 'active' state. Current state is deleted.")
    return row


# showing ------------------------------------------------------------------------------------------


def info(asked: Asked, row: RunRow, experiment: str) -> dict[str, Any]:
    """Return what a run is, without its data; ``experiment`` is the id."""
    found = {
        "run_id": row.id,
        "run_uuid": row.id,
        "run_name": row.name,
        "experiment_id": experiment,
        "user_id": row.created_by,
        "status": their_status(row),
        "start_time": row.started // 1000,
        "artifact_uri": run_root(asked.root, experiment, row.id),
        "lifecycle_stage": "active" if row.archived is None else "deleted",
    }
    return found if row.ended is None else {**found, "end_time": row.ended // 1000}


def value_of(value: float) -> float | str:
    """Return a number as JSON takes it."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


class _Metric(msgspec.Struct):
    key: str
    value: float | str
    timestamp: int
    step: int


class _Pair(msgspec.Struct):
    key: str
    value: str


def _data(row: RunRow) -> dict[str, Any]:
    return {
        "metrics": [
            _Metric(key, value_of(one.last), one.last_time // 1000, one.last_step)
            for key, one in row.metrics.items()
        ],
        "params": [_Pair(key, shown(key, value)) for key, value in row.params.items()],
        "tags": [_Pair(key, value) for key, value in tags_of(row).items()],
    }


def shown_runs(asked: Asked, rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return runs, filled with all that belongs to them, as they are answered."""
    ids = experiments.ids_of(asked, {row.experiment for row in rows})
    used = inputs.used_by(asked, rows)
    return [
        {"info": info(asked, row, ids[row.experiment]), "data": _data(row), **used[row.id]} for row in rows
    ]


def get(asked: Asked) -> Any:
    """Answer one run, also a deleted one."""
    (found,) = shown_runs(asked, [asked.store.get_run(run_named(asked))])
    return {"run": found}


# changing -----------------------------------------------------------------------------------------


def create(asked: Asked) -> Any:
    """Start a run."""
    one = experiments.active(experiments.known(asked, asked.text("experiment_id", "0")))
    tags = asked.pairs("tags")
    given, tagged = asked.text("run_name", ""), tags.get(RUN_NAME, "")
    if given and tagged and given != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{given[:200]}', mlflow.runName='{tagged[:200]}')."
        )
    began = asked.whole("start_time", 0) * 1000 or asked.now()
    said = meant(tags)
    user = asked.actor.name or said.user or asked.text("user_id", "") or asked.user
    name = (given or tagged).strip() or readable_name()
    started = RunStarted(new_id(), began, one.name, name, user, said.parent, said.tags)
    facts = [EnvironmentCaptured(started.run, began, said.facts)] if said.facts else []
    asked.apply(started, *facts)
    (found,) = shown_runs(asked, [asked.store.get_run(started.run)])
    return {"run": found}


def update(asked: Asked) -> Any:
    """Change a run's status, end or name."""
    run = run_named(asked)
    row = active_run({run: asked.store.get_run(run)}, run)
    asked.apply(*_updates(asked, row))
    row = asked.store.get_run(run)
    return {"run_info": info(asked, row, experiments.ids_of(asked, [row.experiment])[row.experiment])}


def _updates(asked: Asked, row: RunRow) -> Iterator[Change]:
    now, status = asked.now(), _status(asked)
    if name := asked.text("run_name", "").strip():
        yield RunEdited(row.id, now, asked.user, "name", name)
    end = asked.whole("end_time", 0) * 1000
    before = their_status(row)
    if status is None or (status == before and not end):
        return
    if row.owner is not None:
        raise invalid(f"The run {row.id} belongs to the process that started it: that process ends it")
    over = row.status not in ("running", "crashed")
    if over:
        yield RunResumed(row.id, now)
    if SCHEDULED in (before, status):
        waits = status == SCHEDULED
        yield TagsSet(row.id, now, {STATUS: status}) if waits else TagsRemoved(row.id, now, (STATUS,))
    ours = STATUSES[status]
    if ours in ("completed", "failed", "interrupted"):
        until = max(end or now, row.started)
        past = (row.duration or 0) if over else 0
        yield RunEnded(row.id, until, ours, duration=max(0, until - row.started - past))


def _status(asked: Asked) -> str | None:
    given = asked.values.get("status")
    if given in (None, ""):
        return None
    named = {str(number): name for number, name in enumerate(STATUSES, 1)}.get(str(given), str(given))
    if named not in STATUSES:
        raise asked.wrong("status", given)
    return named


def delete(asked: Asked) -> Any:
    """Delete a run: here it is archived."""
    run = run_named(asked)
    asked.apply(*experiments.archiving(asked, active_run(asked.store.bare_runs([run]), run)))


def restore(asked: Asked) -> Any:
    """Bring a deleted run back."""
    run = run_named(asked)
    row = asked.store.bare_runs([run]).get(run)
    if row is None:
        raise unknown(f"Run with id={run} not found")
    if row.archived is None:
        raise invalid(f"The run {run} must be in the 'deleted' state. Current state is active.")
    asked.apply(experiments.restoring(asked, row))
