"""Pipelines as people get them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml.core.model import Status, StepRow
from chachaml.results import Run, to_datetime
from chachaml.shown import Shown

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = ["Pipeline", "PipelineResult", "PipelineStep"]


class PipelineStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a pipeline: ``run`` is the id of the run that did it, or whose result it took.

    ``status`` is pending, running, completed, cached, failed, interrupted, crashed or skipped.
    ``duration`` is in seconds.
    """

    name: str
    order: int
    status: str
    needs: tuple[str, ...]
    run: str
    started: datetime | None
    ended: datetime | None
    duration: float | None
    attempts: int

    @classmethod
    def from_row(cls, row: StepRow, pipeline: Status) -> PipelineStep:
        """Return what people see of a store's row, in a pipeline of that status.

        Nobody could say any more what became of the steps of a pipeline whose process was killed.
        """
        status: str = row.status
        if pipeline != "running":
            status = {"running": pipeline, "pending": "skipped"}.get(status, status)
        took = None if row.started is None or row.ended is None else (row.ended - row.started) / 1e6
        return cls(
            name=row.step,
            order=row.order,
            status=status,
            needs=row.needs,
            run=row.step_run,
            started=None if row.started is None else to_datetime(row.started),
            ended=None if row.ended is None else to_datetime(row.ended),
            duration=took,
            attempts=row.attempts,
        )


class Pipeline(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline that ran, or runs. Its id is that of its own run, whose children the steps' runs are."""

    id: str
    name: str
    description: str
    status: Status
    created: datetime
    created_by: str
    ended: datetime | None
    duration: float | None
    params: dict[str, Any]
    error: str
    steps: tuple[PipelineStep, ...]

    @classmethod
    def of(cls, run: Run, steps: list[StepRow]) -> Pipeline:
        """Return what people see of a pipeline's run and steps."""
        error = f"{run.error.type}: {run.error.message}" if run.error else ""
        return cls(
            id=run.id,
            name=run.tags.get("pipeline", run.name),
            description=run.tags.get("description", ""),
            status=run.status,
            created=run.started,
            created_by=run.created_by,
            ended=run.ended,
            duration=run.duration,
            params=run.params,
            error=error,
            steps=tuple(PipelineStep.from_row(row, run.status) for row in steps),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the pipeline as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def _text(self, paint: Paint) -> str:
        from chachaml.display import pipeline_text

        return pipeline_text(self, paint=paint)


class PipelineResult(Shown):
    """What a pipeline gave: ``result`` of its last step, ``results`` of all by name, and how it went.

    Attributes:
        pipeline_id: The id of the pipeline's run.
        status: "completed".
        steps: How the steps went, in their order.
        result: What the last step returned.
        results: What each step returned, by name; not of those that were not needed when it was resumed.
    """

    def __init__(self, pipeline: Pipeline, result: Any, results: Mapping[str, Any]) -> None:
        self.pipeline_id, self.status, self.steps = pipeline.id, pipeline.status, pipeline.steps
        self.result, self.results = result, dict(results)
        self._pipeline = pipeline

    def _text(self, paint: Paint) -> str:
        from chachaml.display import pipeline_text

        return pipeline_text(self._pipeline, paint=paint)
