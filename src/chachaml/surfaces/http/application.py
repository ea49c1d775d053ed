"""The application: one guard at the root, then the route, then who asks, then what is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from chachaml.core.errors import (
    AccessDenied,
    BadValue,
    ChachamlError,
    NotFound,
    NotSignedIn,
    StoreUnavailable,
)
from chachaml.surfaces.http import logs, traces
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.answers import SECURE, Problem, problem
from chachaml.surfaces.http.replica import WROTE_FOR, Replica
from chachaml.surfaces.http.requests import Body, Request, unpacked
from chachaml.surfaces.http.routing import Route, Routes
from chachaml.surfaces.http.seen import Seen
from chachaml.surfaces.http.service import Service
from chachaml.web.pages import problem_page

__all__ = ["Application"]

_KEPT_ANSWERS, _KEPT_SIZE = 2_000, 20_000
"""Answers that are remembered, and how large each may be: the others are made again, by the same ids."""

_TELL = "chachaml.tell"

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class _Answer(NamedTuple):
    """What was answered to a request with a key, or is being thought of; None if it is too large to keep."""

    fingerprint: bytes
    response: asyncio.Future[Response] | None


class Application:
    """The ASGI application.

    Args:
        service: The server's state.
        routes: All that it offers.
    """

    def __init__(self, service: Service, routes: Routes) -> None:
        self.service, self.routes = service, routes
        self._answers: dict[str, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "there are no sockets here"})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"nothing here answers to {scope['type']}")
        self.service.proxies.unwrap(scope)
        seen = Seen(scope)
        https, measures = self.service.options.secure, self.service.measures
        measures.in_progress += 1
        with traces.request(scope, seen) as trace:
            try:
                response = await self._respond(scope, receive, seen)
                await response(scope, receive, _secured(send, seen, https=https))
            finally:
                measures.in_progress -= 1
                measures.request(seen)
                logs.request(seen, trace)

    async def _respond(self, scope: Scope, receive: Receive, seen: Seen) -> Response:
        try:
            return await self._answer(scope, receive, seen)
        except ChachamlError as error:
            if _is_for_people(scope):
                return self._told(scope, error)
            response = _problem(scope, seen, error)
            if isinstance(error, NotSignedIn):
                response.headers["WWW-Authenticate"] = 'Bearer realm="chachaml"'
            if error.status in (408, 413):
                response.headers["Connection"] = "close"  # what is still to come of the body is of no use
            return response
        except Exception as error:
            logs.fault(seen, error)
            fault = Problem(500, "internal", "the server is at fault", "its log says more")
            return _problem(scope, seen, fault)

    def _told(self, scope: Scope, error: ChachamlError) -> Response:
        """Return the page that says what is wrong; who has to say who they are is asked right away."""
        options = self.service.options
        if isinstance(error, NotSignedIn):
            return RedirectResponse(options.prefix + "/login", 303)
        return problem_page(self._path(scope), options, error)

    def _path(self, scope: Scope) -> str:
        """Return what is asked for, as it was sent, without the prefix: proxies may or may not pass it on."""
        path: str = scope["raw_path"].decode("latin-1").partition("?")[0]
        prefix = self.service.options.prefix
        inside = prefix and (path == prefix or path.startswith(prefix + "/"))
        return (path.removeprefix(prefix) or "/") if inside else path

    async def _answer(self, scope: Scope, receive: Receive, seen: Seen) -> Response:
        headers, method = Headers(scope=scope), scope["method"]
        path = self._path(scope)
        self.service.guard.check(headers, method, path)
        route, names = self.routes.find(method, path)
        scope[_TELL], seen.route = route.tell, route.path
        actor = self._admit(route, headers, method)
        seen.user = actor.name
        if self.service.options.team:
            self.service.calls.take(actor.token or (scope.get("client") or ("",))[0])
        body = Body(receive, headers, route.limit)
        request = Request(self.service, scope, headers, actor, names, body)
        if route.limit is not None and method in _UNSAFE:
            packed = await body.whole()
            request.data = unpacked(packed, headers.get("content-encoding", ""), route.limit)
        writes = method in _UNSAFE and route.needs != "read"
        if self.service.replica is not None:
            return await self._beside(self.service.replica, route, request, path, writes=writes)
        return await self._done(route, request, path, writes=writes)

    async def _beside(
        self, replica: Replica, route: Route, request: Request, path: str, *, writes: bool
    ) -> Response:
        """Answer a request where there is a replica: from it, if that will do, and saying so."""
        if route.needs == "read" and (store := self.service.replica_for(request.headers)):
            request.read_from(store)
            if found := await self._by_replica(replica, route, request):
                return found
            request.read_from(self.service.store)
        response = await self._done(route, request, path, writes=writes)
        if writes and route.needs != "open" and "sec-fetch-site" in request.headers:
            options = self.service.options
            response.set_cookie(options.wrote, "1", WROTE_FOR, secure=options.secure, httponly=True)
        return response

    async def _by_replica(self, replica: Replica, route: Route, request: Request) -> Response | None:
        """Return what the replica answers; None if it went away, or lacks what the store may have by now."""
        lag = replica.lag
        try:
            response = await route.endpoint(request)
        except NotFound:
            return None
        except StoreUnavailable:
            replica.doubt()
            return None
        response.headers["X-Chachaml-Replica-Lag"] = f"{lag or 0:.1f}"
        return None if response.status_code == 404 else response

    async def _done(self, route: Route, request: Request, path: str, *, writes: bool) -> Response:
        if writes and (key := request.headers.get("idempotency-key", "")):
            return await self._once(route, request, path, key)
        return await route.endpoint(request)

    def _admit(self, route: Route, headers: Headers, method: str) -> Actor:
        """Return who asks, if they may ask this.

        Raises:
            NotSignedIn: They have to say who they are.
            AccessDenied: They may not.
        """
        if route.needs == "open":
            return Actor()
        actor = self.service.actor(headers)
        by_cookie = "cookie" in headers and "authorization" not in headers
        says_where = "origin" in headers or "sec-fetch-site" in headers
        if method in _UNSAFE and actor.token and by_cookie and not says_where:
            raise AccessDenied("a browser that does not say which page asks may change nothing")
        if not actor.may(route.needs):
            if not actor.token:
                raise NotSignedIn(
                    "this needs the token of whoever started the server",
                    "chachaml commands and the library on this machine find it by themselves",
                )
            raise AccessDenied(f"you may not do this: it needs the right to {route.needs}", "ask an admin")
        return actor

    # the same request again -----------------------------------------------------------------------

    async def _once(self, route: Route, request: Request, path: str, key: str) -> Response:
        """Answer a request that says by a key that it may be another try; to the same, the same."""
        if len(key) > 200 or not key.isprintable() or not key.isascii():
            raise BadValue("an Idempotency-Key is at most 200 printable ASCII characters")
        request.key = "\0".join((request.actor.name, request.actor.token, request.method, path, key))
        if route.limit is None:
            return await route.endpoint(request)  # its body, which is not kept, says what it is by itself
        fingerprint = sha256(request.data).digest()
        known = self._answers.get(request.key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Problem(409, "conflict", "this Idempotency-Key was used for another request")
            if known.response is not None:
                return await asyncio.shield(known.response)
        pending: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answers[request.key] = _Answer(fingerprint, pending)
        try:
            response = await route.endpoint(request)
        except BaseException as error:
            # What failed may be tried again. Those who wait for this try get its error.
            del self._answers[request.key]
            failed = (
                error
                if isinstance(error, ChachamlError)
                else StoreUnavailable("the first try was broken off")
            )
            pending.set_exception(failed)
            pending.exception()
            raise
        pending.set_result(response)
        if len(response.body) > _KEPT_SIZE:
            self._answers[request.key] = _Answer(fingerprint, None)
        while len(self._answers) > _KEPT_ANSWERS:
            self._answers.pop(next(iter(self._answers)))
        return response


def _problem(scope: Scope, seen: Seen, error: ChachamlError) -> Response:
    """Return what is wrong, as the route's clients understand it; the server's own faults with an id."""
    tell: Callable[[ChachamlError], Response] = scope.get(_TELL, problem)
    if tell is problem and error.status >= 500:
        return problem(error, seen.id)
    return tell(error)


def _is_for_people(scope: Scope) -> bool:
    """Tell whether a browser asks for something to show, rather than a program for data."""
    shown = scope["method"] == "GET" and "/api/" not in scope["path"] and "/static/" not in scope["path"]
    return shown and "text/html" in Headers(scope=scope).get("accept", "")


def _secured(send: Send, seen: Seen, *, https: bool) -> Send:
    """Return a `send` that adds the headers of every answer, and leaves out a body that nobody wants."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.begun(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = seen.id
            for name, value in SECURE.items():
                headers.setdefault(name, value)
            if https:
                headers["Strict-Transport-Security"] = "max-age=31536000"
        elif message["type"] == "http.response.body" and seen.method == "HEAD":
            message = {**message, "body": b""}
        seen.sent += len(message.get("body", b""))
        await send(message)

    return secured
