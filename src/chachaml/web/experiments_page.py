"""The experiments: what each is about, whose it is, and how it stands."""

from __future__ import annotations

from starlette.responses import Response

import chachaml as ml
from chachaml.analysis.goals import direction_of
from chachaml.display.text import shared_metrics
from chachaml.results import Experiment
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]

_JUDGED = 30
"""Experiments whose best run is looked for; of more, those that ran last."""


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/experiments", "read", show)]


async def show(request: Request) -> Response:
    """Show all experiments, those that ran last first."""
    return await request.work(lambda: _page(request))


def _page(request: Request) -> Response:
    found = sorted(ml.experiments(), key=_last, reverse=True)
    best = {one.name: _best(one.name) for one in found[:_JUDGED] if one.runs}
    return framed(
        request,
        "experiments.html",
        title="Experiments",
        section="/experiments",
        experiments=found,
        best={name: run for name, run in best.items() if run},
        may=request.actor.may("write"),
    )


def _last(one: Experiment) -> tuple[bool, float, str]:
    when = one.last_started or one.created
    return one.last_started is not None, when.timestamp(), one.name


def _best(experiment: str) -> ml.BestRun | None:
    """Return the run that leads in what the newest runs measure first of all."""
    metrics = shared_metrics(ml.runs(experiment=experiment, limit=5))
    if not metrics:
        return None
    return ml.best_run(experiment=experiment, metric=metrics[0], direction=direction_of(metrics[0]))
