"""Operations on pipelines: which ran, and how their steps stand."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chachaml.ops.operation import operation
from chachaml.pipelines.api import pipeline
from chachaml.pipelines.shown import Pipeline

__all__ = ["get_pipeline", "list_pipelines"]


@operation("read")
def list_pipelines(limit: Annotated[int, Meta(ge=1)] = 50) -> tuple[Pipeline, ...]:
    """List the pipelines that ran, newest first, with how their steps stand.

    Args:
        limit: At most so many.
    """
    return pipeline.list(limit)


@operation("read")
def get_pipeline(pipeline_id: str) -> Pipeline:
    """Show one pipeline with its steps.

    Args:
        pipeline_id: Its id, its short form, or the beginning of it.
    """
    return pipeline.get(pipeline_id)
