"""The chat: questions in plain words, answered from the store."""

from __future__ import annotations

from starlette.responses import Response

from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/chat", "read", show)]


async def show(request: Request) -> Response:
    """Show the page; its script asks who can be asked."""
    may = {"ask": request.actor.may("token"), "write": request.actor.may("write")}
    return framed(request, "chat.html", title="Chat", section="/chat", may=may)
