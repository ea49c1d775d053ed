"""Operations on what else a store holds: experiments, artifacts, and all of it by SQL."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

import chachaml as ml
from chachaml.ops.operation import operation
from chachaml.results import Artifact, Experiment

__all__ = ["Answer", "create_experiment", "list_artifacts", "list_experiments", "query_sql"]


class Answer(msgspec.Struct, frozen=True):
    """Rows of a query; ``more`` tells whether the limit cut some off."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    more: bool


@operation("read")
def list_experiments() -> tuple[Experiment, ...]:
    """List the experiments, with how many runs each has."""
    return ml.experiments()


@operation("write")
def create_experiment(name: str, description: str | None = None, owner: str | None = None) -> Experiment:
    """Describe an experiment, and make it if it is new; what is left out stays as it was.

    Args:
        name: Its name.
        description: What it is about, in Markdown.
        owner: Who looks after it.
    """
    return ml.create_experiment(name, description, owner)


@operation("read")
def list_artifacts(run_id: str, prefix: str = "") -> tuple[Artifact, ...]:
    """List the artifacts of a run.

    Args:
        run_id: The run.
        prefix: Only those whose names start with this.
    """
    return ml.list_artifacts(run_id, prefix)


@operation("read")
def query_sql(sql: str, limit: Annotated[int, Meta(ge=0)] = 1000) -> Answer:
    """Ask the store in SQL; nothing can be changed.

    Args:
        sql: One SELECT over the views runs, params, metrics, tags and so on.
        limit: At most so many rows.
    """
    found = ml.sql(sql, limit=limit)
    return Answer(tuple(found.columns), found.to_dicts(), found.more)
