"""``/mcp``: language models' clients. It needs a token, on this machine too: it does things in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chachaml.core.errors import MissingExtra
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

if TYPE_CHECKING:
    from chachaml.surfaces.mcp.http import Mounted

__all__ = ["routes"]


def routes() -> list[Route]:
    """Return the routes of the Model Context Protocol."""
    return [Route(method, "/mcp", "token", _handed_over, limit=None) for method in ("GET", "POST", "DELETE")]


class _HandedOver(Response):
    """What the SDK answers."""

    def __init__(self, mounted: Mounted, actor: Actor) -> None:
        super().__init__()
        self._mounted, self._actor = mounted, actor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it answer."""
        await self._mounted.answer(self._actor, scope, receive, send)


async def _handed_over(request: Request) -> Response:
    if request.service.agents is None:
        try:
            from chachaml.surfaces.mcp.http import Mounted
        except ImportError:
            raise MissingExtra(
                "the server of the Model Context Protocol is not installed", "pip install 'chachaml[agents]'"
            ) from None
        request.service.agents = Mounted(request.service)
    return _HandedOver(request.service.agents, request.actor)
