"""A pipeline and its steps as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.text import Column, table, terminal_width
from chachaml.display.words import Paint, cut, duration, moment, plain, safe

if TYPE_CHECKING:
    from chachaml.pipelines.shown import Pipeline

__all__ = ["pipeline_text"]


def pipeline_text(pipeline: Pipeline, *, paint: Paint = plain) -> str:
    """Return a pipeline with a line for each step."""
    took = f" in {duration(pipeline.duration)}" if pipeline.duration is not None else ""
    status = paint(pipeline.status, pipeline.status)
    title = f"{paint(safe(pipeline.name), 'strong')} ({pipeline.id[-8:]}) {status}{took}"
    lines = [f"{title}, {moment(pipeline.created)} by {safe(pipeline.created_by)}"]
    lines += [f"  {cut(safe(pipeline.description), 100)}"] if pipeline.description else []
    lines += [f"  {paint('error', 'failed')}  {cut(safe(pipeline.error), 160)}"] if pipeline.error else []
    if not pipeline.steps:
        return "\n".join([*lines, "  no steps"])
    steps = pipeline.steps
    columns = [
        Column("step", [str(step.order + 1) for step in steps], right=True),
        Column("name", [safe(step.name) for step in steps], floor=12),
        Column("status", [step.status for step in steps]),
        Column("duration", [duration(step.duration) for step in steps], right=True),
        Column("run", [step.run[-8:] for step in steps]),
        Column("attempts", [str(step.attempts or "") for step in steps], right=True),
        Column("needs", [", ".join(map(safe, step.needs)) for step in steps], floor=8),
    ]
    return "\n".join([*lines, *table(columns, terminal_width(), paint, indent="  ")])
