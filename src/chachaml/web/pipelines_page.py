"""The pipelines that ran, and one of them: its steps, how they stand, and what failed."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from starlette.responses import Response

import chachaml as ml
from chachaml.core.errors import NotFound
from chachaml.core.kinds import RunError
from chachaml.pipelines.shown import Pipeline, PipelineStep
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed
from chachaml.web.pipeline_drawing import HEIGHT, WIDTH, bars, graph

__all__ = ["routes"]

_AT_FIRST, _MOST = 50, 1_000


class Failure(NamedTuple):
    """A step that failed, and with what."""

    step: PipelineStep
    error: RunError | None


def routes() -> list[Route]:
    """Return the routes of the pages."""
    return [
        Route("GET", "/pipelines", "read", show_all),
        Route("GET", "/pipelines/{pipeline_id}", "read", show_one),
    ]


async def show_all(request: Request) -> Response:
    """Show the newest pipelines."""
    asked = request.query().get("limit", "")
    limit = min(int(asked), _MOST) if asked.isdigit() and len(asked) < 6 and int(asked) else _AT_FIRST
    return await request.work(partial(_list, request, limit))


def _list(request: Request, limit: int) -> Response:
    found = ml.pipeline.list(limit + 1)
    return framed(
        request,
        "pipelines.html",
        title="Pipelines",
        section="/pipelines",
        pipelines=found[:limit],
        more=min(10 * limit, _MOST) if len(found) > limit and limit < _MOST else 0,
    )


async def show_one(request: Request) -> Response:
    """Show one pipeline."""
    return await request.work(partial(_page, request, request.path["pipeline_id"]))


def _page(request: Request, pipeline_id: str) -> Response:
    found: Pipeline = ml.pipeline.get(pipeline_id)
    return framed(
        request,
        "pipeline.html",
        title=found.name,
        section="/pipelines",
        pipeline=found,
        drawing=graph(found.steps),
        box=(WIDTH, HEIGHT),
        bars=bars(found),
        failures=[
            Failure(step, _error(step)) for step in found.steps if step.status in ("failed", "crashed")
        ],
    )


def _error(step: PipelineStep) -> RunError | None:
    try:
        return ml.run(step.run).error if step.run else None
    except NotFound:  # its run was deleted since
        return None
