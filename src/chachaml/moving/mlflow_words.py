"""MLflow's words for what runs and models have here, and the way back: one place for all that speak them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from chachaml.core.changes import Fact, Stage
from chachaml.core.ids import derived_id, is_id
from chachaml.core.model import DatasetRow, RunRow, Status
from chachaml.core.values import canonical

__all__ = [
    "COMMIT",
    "NOTE",
    "PARENT",
    "RUN_NAME",
    "STAGES",
    "STATUSES",
    "THEIR_STAGES",
    "THEIR_STATUSES",
    "USER",
    "Meant",
    "dataset",
    "meant",
    "run_id",
    "shown",
    "tags_of",
    "their_status",
]

NOTE, RUN_NAME = "mlflow.note.content", "mlflow.runName"
PARENT, USER, COMMIT = "mlflow.parentRunId", "mlflow.user", "mlflow.source.git.commit"

SCHEDULED, STATUS = "SCHEDULED", "mlflow.status"
"""A run that waits to begin is running here, with that status as a tag, which MLflow's clients do not see."""

STATUSES: dict[str, Status] = {
    "RUNNING": "running",
    SCHEDULED: "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "interrupted",
}
THEIR_STATUSES: dict[Status, str] = {
    "running": "RUNNING",
    "completed": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
    "crashed": "FAILED",
}
STAGES: dict[str, Stage] = {"Staging": "staging", "Production": "production", "Archived": "archived"}
THEIR_STAGES: dict[Stage, str] = {"none": "None", **{ours: theirs for theirs, ours in STAGES.items()}}


class Meant(NamedTuple):
    """What some tags say of a run: those that stay tags, and what has a place of its own here."""

    tags: dict[str, str]
    name: str
    user: str
    parent: str | None
    facts: dict[str, Fact]


def run_id(theirs: str) -> str:
    """Return the id that a run has here: its own, where it is one."""
    return theirs if is_id(theirs) else derived_id("mlflow", theirs)


def meant(tags: Mapping[str, str]) -> Meant:
    """Return what the tags of a run say here."""
    kept = {key: value for key, value in tags.items() if key not in (NOTE, RUN_NAME, PARENT, USER)}
    if note := tags.get(NOTE):
        kept["note"] = note
    parent = tags.get(PARENT)
    facts: dict[str, Fact] = {"git.sha": sha} if (sha := tags.get(COMMIT)) else {}
    return Meant(kept, tags.get(RUN_NAME, ""), tags.get(USER, ""), run_id(parent) if parent else None, facts)


def their_status(row: RunRow) -> str:
    """Return the status of a run, with its tags, in MLflow's words."""
    return SCHEDULED if row.status == "running" and STATUS in row.tags else THEIR_STATUSES[row.status]


def tags_of(row: RunRow) -> dict[str, str]:
    """Return a run's tags as MLflow has them, with what has a place of its own here."""
    tags = {(NOTE if key == "note" else key): value for key, value in row.tags.items() if key != STATUS}
    tags[RUN_NAME] = row.name
    tags.setdefault(USER, row.created_by)
    if row.parent and is_id(row.parent):
        tags.setdefault(PARENT, row.parent)
    if isinstance(sha := row.environment.get("git.sha"), str):
        tags.setdefault(COMMIT, sha)
    return tags


def shown(key: str, value: Any) -> str:
    """Return a param as MLflow shows it: numbers and truth values as Python does, all else as JSON."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (bool, int, float)) or value is None else canonical(key, value)


def dataset(
    name: str, digest: str, source: str, schema: str, profile: str, context: str, logged: int
) -> DatasetRow:
    """Return what is kept of a data set: its schema and profile are JSON, as MLflow writes them."""
    rows = _object(profile).get("num_rows")
    columns = _object(schema).get("mlflow_colspec") or []
    features = tuple(str(one.get("name", "")) for one in columns if isinstance(one, dict))
    shape = (rows if isinstance(rows, int) else None, len(features) or None)
    return DatasetRow(name, context, *shape, features, digest, source, logged)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
