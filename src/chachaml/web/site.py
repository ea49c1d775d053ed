"""All pages and the files that they need: one room a page, put together here."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web import (
    alerts_page,
    chat_page,
    compare_page,
    curves,
    experiments_page,
    models_page,
    pipelines_page,
    prose,
    run_page,
    runs_page,
    search_page,
    settings_page,
    static_files,
)
from chachaml.web.pages import framed

__all__ = ["routes"]


def routes() -> list[Route]:
    """Return the routes of all pages."""
    return [
        Route("GET", "/", "read", _start),
        *runs_page.routes(),
        *run_page.routes(),
        *compare_page.routes(),
        *experiments_page.routes(),
        *alerts_page.routes(),
        *models_page.routes(),
        *pipelines_page.routes(),
        *search_page.routes(),
        *settings_page.routes(),
        *prose.routes(),
        *chat_page.routes(),
        *curves.routes(),
        Route("GET", "/api/docs", "read", _api),
        Route("GET", "/static/{build}/{name:path}", "open", _static),
    ]


async def _start(request: Request) -> Response:
    return RedirectResponse(request.service.options.prefix + "/runs", 303)


async def _api(request: Request) -> Response:
    return framed(request, "api.html", title="API")


async def _static(request: Request) -> Response:
    accepted = request.headers.get("accept-encoding", "")
    return static_files.serve(request.path["build"], request.path["name"], accepted)
