"""The alerts: what each waits for, in a sentence, and what they told."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from chachaml import alerts
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]

_EVENTS = 100


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/alerts", "read", show)]


async def show(request: Request) -> Response:
    """Show all alerts, and what they told, all of them or one."""
    return await request.work(partial(_page, request, request.query().get("alert", "")))


def _page(request: Request, name: str) -> Response:
    return framed(
        request,
        "alerts.html",
        title="Alerts",
        section="/alerts",
        alerts=alerts.alerts(inactive=True),
        events=alerts.alert_history(name or None, limit=_EVENTS),
        only=name,
        may=request.actor.may("manage"),
    )
