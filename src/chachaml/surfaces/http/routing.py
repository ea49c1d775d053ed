"""Routes: which request goes where, and what it needs; one that does not say so cannot be made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, get_args
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from chachaml.core.errors import BadValue, ChachamlError
from chachaml.surfaces.http.actors import Permission
from chachaml.surfaces.http.answers import Problem, problem
from chachaml.surfaces.http.requests import JSON_LIMIT, Request

__all__ = ["Endpoint", "Found", "Route", "Routes"]

Endpoint = Callable[[Request], Awaitable[Response]]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_NAME = re.compile(r"\{(\w+)(?::([^}]+))?\}")


class Route(NamedTuple):
    """One route.

    ``path`` has ``{name}`` for one part of a path, ``{name:one|other}`` for one of these words, and
    ``{name:path}`` for several parts. ``about`` is what the API's description says of it; a route without is
    not in there. ``limit`` is how many bytes its body may have, None for a body that the endpoint reads by
    itself, as it comes. ``tell`` makes an answer of what is wrong.
    """

    method: str
    path: str
    needs: Permission
    endpoint: Endpoint
    about: dict[str, Any] | None = None
    limit: int | None = JSON_LIMIT
    tell: Callable[[ChachamlError], Response] = problem


class Found(NamedTuple):
    """The route of a request, and what stands for the names in its path."""

    route: Route
    path: dict[str, str]


class Routes:
    """All routes of a server.

    Args:
        routes: In the order in which they are tried.

    Raises:
        ValueError: One of them says not what it needs, or two are the same.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._by_method: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        for route in self.all:
            if route.needs not in get_args(Permission):
                raise ValueError(f"{route.method} {route.path} does not say what it needs: {route.needs!r}")
            if route.method not in METHODS:
                raise ValueError(f"{route.path}: no method {route.method!r}")
            self._by_method.setdefault(route.method, []).append((_pattern(route.path), route))
        if len({(route.method, _NAME.sub("{}", route.path)) for route in self.all}) < len(self.all):
            raise ValueError("two routes are the same")

    def find(self, method: str, path: str) -> Found:
        """Return the route of a request.

        Args:
            method: As in HTTP; HEAD is GET without a body.
            path: As it was sent: not unquoted.

        Raises:
            Problem: 404 or 405.
            BadValue: The path is not quoted as it should be.
        """
        wanted = "GET" if method == "HEAD" else method
        for pattern, route in self._by_method.get(wanted, ()):
            if match := pattern.fullmatch(path):
                return Found(route, {name: _unquoted(text) for name, text in match.groupdict().items()})
        others = [
            each
            for each, routes in self._by_method.items()
            if any(pattern.fullmatch(path) for pattern, _ in routes)
        ]
        if others:
            allow = {"Allow": ", ".join(sorted({*others, *(["HEAD"] if "GET" in others else [])}))}
            raise Problem(405, "wrong_method", f"{method[:20]} is not for this address", headers=allow)
        raise Problem(404, "not_found", "there is nothing at this address", "GET /api/openapi.json lists all")


def _pattern(path: str) -> re.Pattern[str]:
    parts = _NAME.split(path)
    text = ""
    for literal, name, kind in zip(parts[::3], [*parts[1::3], None], [*parts[2::3], None], strict=True):
        text += re.escape(literal)
        if name:
            words = "|".join(map(re.escape, (kind or "").split("|")))
            text += f"(?P<{name}>{'.+' if kind == 'path' else words or '[^/]+'})"
    return re.compile(text)


def _unquoted(text: str) -> str:
    """Return a part of a path unquoted, exactly once.

    Raises:
        BadValue: It is no UTF-8.
    """
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise BadValue("the address is no UTF-8", "encode it as UTF-8, with %XX") from None
