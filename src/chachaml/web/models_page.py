"""The models, and one of them: what is in production, its versions, and what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from markupsafe import Markup
from starlette.responses import Response

import chachaml as ml
from chachaml import registry
from chachaml.core.errors import BadValue, NotFound
from chachaml.display.text import shared_metrics
from chachaml.registered import Lineage, Model, ModelVersion, Move, VersionDiff
from chachaml.results import Run
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed
from chachaml.web.prose import as_markup

__all__ = ["routes"]

_MOST_METRICS = 6
_MOST_MOVES = 200


class Entry(NamedTuple):
    """A model, and the move that put its version into production."""

    model: Model
    since: Move | None
    stages: dict[str, int]


def routes() -> list[Route]:
    """Return the routes of the pages."""
    return [
        Route("GET", "/models", "read", show_all),
        Route("GET", "/models/{model_name}", "read", show_one),
        Route("GET", "/models/{model_name}/diff", "read", show_difference),
        Route("GET", "/models/{model_name}/versions/{version}", "read", show_lineage),
    ]


async def show_all(request: Request) -> Response:
    """Show all models."""
    return await request.work(partial(_list, request))


def _list(request: Request) -> Response:
    return framed(
        request,
        "models.html",
        title="Models",
        section="/models",
        entries=[_entry(model) for model in registry.models()],
    )


def _entry(model: Model) -> Entry:
    stages: dict[str, int] = {}
    for version in registry.versions(model.name):
        stages[version.stage] = stages.get(version.stage, 0) + 1
    return Entry(model, _since(model, model.history(_MOST_MOVES)), stages)


def _since(model: Model, moves: Sequence[Move]) -> Move | None:
    """Return the move by which the version that is in production came there."""
    for move in moves:
        if move.version == model.production is not None and move.after == "production":
            return move
    return None


def _before(model: Model, moves: Sequence[Move], there: set[int]) -> int | None:
    """Return the version that going back would put into production."""
    for move in moves:
        if move.after == "production" and move.version != model.production and move.version in there:
            return move.version
    return None


# one ----------------------------------------------------------------------------------------------


class Listed(NamedTuple):
    """A version, and its run, None if that was deleted."""

    version: ModelVersion
    run: Run | None


async def show_one(request: Request) -> Response:
    """Show one model."""
    return await request.work(partial(_page, request, request.path["model_name"]))


def _page(request: Request, name: str) -> Response:
    model = registry.model(name)
    versions = registry.versions(name)
    runs = _runs(versions)
    moves = model.history(_MOST_MOVES)
    return framed(
        request,
        "model.html",
        title=name,
        section="/models",
        model=model,
        note=_shown(model.note),
        versions=[Listed(one, runs.get(one.run)) for one in reversed(versions)],
        metrics=shared_metrics(list(runs.values()))[:_MOST_METRICS],
        moves=moves,
        since=_since(model, moves),
        before=_before(model, moves, {one.version for one in versions}),
        may=request.actor.may("write"),
    )


def _shown(note: str) -> Markup:
    return as_markup(note) if note else Markup()


def _runs(versions: Sequence[ModelVersion]) -> dict[str, Run]:
    """Return the runs of versions that are still there, by id."""
    found = {}
    for run in {one.run for one in versions}:
        try:
            found[run] = ml.run(run)
        except NotFound:  # deleted since
            continue
    return found


async def show_lineage(request: Request) -> Response:
    """Show where a version comes from."""
    name, version = request.path["model_name"], _number(request.path["version"])
    found: Lineage = await request.work(lambda: registry.lineage(name, version))
    title = f"{name}, version {version}"
    return framed(request, "model_version.html", title=title, section="/models", found=found)


async def show_difference(request: Request) -> Response:
    """Show two versions side by side."""
    name, given = request.path["model_name"], request.query()
    one, other = _number(given.get("v1", "")), _number(given.get("v2", ""))
    found: VersionDiff = await request.work(lambda: registry.diff_versions(name, one, other))
    groups = {title: section.differ | section.partial for title, section in found.sections().items()}
    return framed(
        request,
        "model_diff.html",
        title=f"{name}: version {one} and {other}",
        section="/models",
        found=found,
        groups={title: rows for title, rows in groups.items() if rows},
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadValue(f"{text[:40]!r} is no number of a version", "versions are counted from 1")
    return int(text)
