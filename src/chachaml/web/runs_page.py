"""The runs, and the charts over them: the page that opens first."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from chachaml.analysis.goals import MORE
from chachaml.core.errors import BadQuery, BadValue
from chachaml.ops.tables import TablePage, page_runs
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]

_FIRST = 60
"""Runs that stand in the page as it comes, before any script has run."""


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/runs", "read", show)]


async def show(request: Request) -> Response:
    """Show the page, with the first runs of what its address asks for."""
    asked = request.query()
    found = await request.work(lambda: _first(asked))
    return framed(
        request,
        "runs.html",
        title=asked.get("experiment") or "Runs",
        section="/runs",
        experiment=asked.get("experiment", ""),
        page=found,
        is_asked=any(asked.get(name) for name in ("q", "experiment", "status", "archived")),
        about={"more_is_better": sorted(MORE), "team": request.service.options.team},
    )


def _first(asked: dict[str, str]) -> TablePage:
    given: dict[str, Any] = {
        "filter": asked.get("q", ""),
        "order_by": asked.get("sort", ""),
        "experiment": asked.get("experiment") or None,
        "status": asked.get("status") or None,
        "archived": asked.get("archived") == "1",
    }
    try:
        return page_runs(**given, limit=_FIRST)
    except (BadQuery, BadValue):  # the script asks again, and shows in place what is wrong
        return TablePage(0, ())
