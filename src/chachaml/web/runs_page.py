"""The runs, and the charts over them: the page that opens first."""

from __future__ import annotations

from starlette.responses import Response

from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/runs", "read", show)]


async def show(request: Request) -> Response:
    """Show the page."""
    return framed(request, "runs.html", title="Runs", section="/runs")
