"""All routes of the server."""

from __future__ import annotations

from functools import cache

from starlette.responses import Response

from chachaml.surfaces.http import (
    access_api,
    addresses_api,
    agents_api,
    artifacts_api,
    chat_api,
    events,
    giving,
    logging_api,
    openapi,
    operating,
    store_api,
    viewing,
    vitals,
)
from chachaml.surfaces.http.answers import as_json
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route, Routes
from chachaml.surfaces.mlflow import routes as mlflow
from chachaml.web import site

__all__ = ["all_routes", "description"]


@cache
def all_routes() -> Routes:
    """Return all routes, those that are asked for most often first."""
    return Routes(
        [
            *logging_api.routes(),
            *store_api.routes(),
            *artifacts_api.routes(),
            *addresses_api.routes(),
            *viewing.routes(),
            *giving.routes(),
            *events.routes(),
            *access_api.routes(),
            *chat_api.routes(),
            *operating.routes(),
            *site.routes(),
            *agents_api.routes(),
            *mlflow.routes(),
            Route("GET", "/api/openapi.json", "read", _openapi),
            *vitals.routes(),
        ]
    )


def description() -> dict[str, object]:
    """Return the API's description."""
    from chachaml import __version__

    return openapi.describe(all_routes().all, __version__)


async def _openapi(request: Request) -> Response:  # noqa: ARG001 - as every endpoint
    return Response(_document(), 200, None, "application/json")


@cache
def _document() -> bytes:
    return as_json(description())
