"""What a request asks for: its body within limits, its arguments, and on whose behalf."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import anyio.to_thread
import msgspec
from starlette.datastructures import Headers

from chachaml.connection import using
from chachaml.core.errors import BadValue
from chachaml.core.ids import repeatable
from chachaml.core.settings import acting_as
from chachaml.store.protocol import Store
from chachaml.store.zstd import expand
from chachaml.surfaces.http import traces
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.answers import Problem

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from chachaml.surfaces.http.service import Service

__all__ = ["JSON_LIMIT", "Body", "Request", "unpacked"]

T = TypeVar("T")

JSON_LIMIT = 32 << 20
"""Bytes of a body that is read whole, at most: also unpacked."""

_SILENCE = 20.0
"""Seconds to wait for the next piece of a body."""

_SLOWEST = 1024
"""Bytes a second that a body has to bring on average, once that silence is over."""


class Body:
    """A request's body, as it comes: never more than a limit, never slower than is bearable.

    Args:
        receive: As ASGI gives it.
        limit: Bytes at most, None for any number.
    """

    def __init__(self, receive: Receive, headers: Headers, limit: int | None) -> None:
        self._receive, self._limit = receive, limit
        self._got, self._began, self._ended = 0, time.monotonic(), False
        declared = headers.get("content-length", "0")
        if limit is not None and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece.

        Raises:
            Problem: It is too large, too slow, or was broken off.
        """
        while not self._ended:
            with anyio.move_on_after(_SILENCE) as waiting:
                message = await self._receive()
            if waiting.cancelled_caught:
                raise Problem(408, "too_slow", f"nothing came for {_SILENCE:g} seconds")
            if message["type"] == "http.disconnect":
                self._ended = True
                raise Problem(400, "broken_off", "the request was broken off")
            self._ended = not message.get("more_body", False)
            self._count(len(piece := message.get("body", b"")))
            if piece:
                yield piece

    def _count(self, size: int) -> None:
        self._got += size
        if self._limit is not None and self._got > self._limit:
            raise _too_large(self._limit)
        passed = time.monotonic() - self._began
        if not self._ended and passed > _SILENCE and self._got / passed < _SLOWEST:
            raise Problem(408, "too_slow", f"fewer than {_SLOWEST:,} bytes a second came")

    async def gone(self) -> None:
        """Return once the client has left; the body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def whole(self) -> bytes:
        """Return all of it."""
        return b"".join([piece async for piece in self.chunks()])


class Request:
    """One request, once the guard has let it in.

    Attributes:
        service: The server.
        actor: Who asks.
        path: What stands for the names in the route's path.
        body: The body as it comes.
        data: The body, read whole and unpacked, where the route has it so.
        key: What tells a piece of work that may be asked for again from any other, '' for none.
    """

    def __init__(
        self, service: Service, scope: Scope, headers: Headers, actor: Actor, path: dict[str, str], body: Body
    ) -> None:
        self.service, self.actor, self.path, self.body = service, actor, path, body
        self.method: str = scope["method"]
        self.headers = headers
        self._query: bytes = scope.get("query_string", b"")
        self.client: str = (scope.get("client") or ("",))[0]
        self.data = b""
        self.key = ""
        self._source = service.store

    @property
    def store(self) -> Store:
        """The store as the actor may use it."""
        return self.service.store_for(self.actor, self._source)

    def read_from(self, replica: Store) -> None:
        """Let what is asked for be read from a replica of the store."""
        self._source = replica

    def pairs(self) -> list[tuple[str, str]]:
        """Return the arguments of the query string, as they come.

        Raises:
            BadValue: One of them is no UTF-8.
        """
        try:
            return parse_qsl(self._query.decode("ascii"), keep_blank_values=True, errors="strict")
        except (UnicodeError, ValueError):
            raise BadValue(
                "the query string is not as it should be", "encode it as UTF-8, with %XX"
            ) from None

    def query(self) -> dict[str, str]:
        """Return the arguments of the query string, each of which is given once.

        Raises:
            BadValue: One of them is given twice, or is no UTF-8.
        """
        pairs = self.pairs()
        found = dict(pairs)
        if len(found) < len(pairs):
            raise BadValue("an argument of the query string is given twice")
        return found

    def content_type(self) -> str:
        """Return the content type of the body, without what follows it."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            BadValue: It is none.
            Problem: It is said to be something else.
        """
        if not self.data:
            return {}
        self.expect("application/json")
        return _decoded(msgspec.json.decode, self.data)

    def expect(self, *types: str) -> str:
        """Return the content type of the body.

        Raises:
            Problem: It is none of `types`.
        """
        if (given := self.content_type()) not in types:
            raise Problem(415, "unsupported_type", f"the body is {given or 'of no type'}", f"send {types[0]}")
        return given

    def json_object(self, *known: str) -> dict[str, Any]:
        """Return the body as a JSON object.

        Args:
            known: The fields that there may be; without any, all are taken.

        Raises:
            BadValue: It is none, or has a field that is not known.
        """
        data = self.json()
        if not isinstance(data, dict):
            raise BadValue("the body must be a JSON object")
        if known and (unknown := data.keys() - {*known}):
            raise BadValue(f"unknown field {sorted(unknown)[0]!r}", "it takes: " + ", ".join(known))
        return data

    def decode(self, kind: type[T], *, packed: bool = False) -> T:
        """Return the body, JSON or msgpack, as something of a kind.

        Raises:
            BadValue: It is nothing of that kind.
        """
        if packed:
            return _decoded(lambda data: msgspec.msgpack.decode(data, type=kind), self.data)
        return _decoded(lambda data: msgspec.json.decode(data, type=kind), self.data)

    async def work(self, act: Callable[[], T], *, slow: bool = False) -> T:
        """Return what comes of work done in a thread, as the actor may do it.

        Args:
            act: The work.
            slow: It may take many seconds, so few such are done at once.
        """
        limiter = self.service.slow if slow else None
        return await anyio.to_thread.run_sync(self._within, act, limiter=limiter)

    def _within(self, act: Callable[[], T]) -> T:
        connection = self.service.connection_for(self.actor, self._source)
        with traces.step("work"), using(connection), acting_as(self.actor.name):
            if not self.key:
                return act()
            with repeatable(self.key):
                return act()


def _decoded(read: Callable[[bytes], T], data: bytes) -> T:
    try:
        return read(data)
    except msgspec.ValidationError as error:
        raise BadValue(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadValue(f"the body cannot be read: {error}", 'JSON is strict: write NaN as "NaN"') from None
    except RecursionError:
        raise BadValue("the body is nested too deep") from None


def unpacked(data: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its content encoding.

    Raises:
        Problem: It is too large, damaged, or packed by something else.
    """
    if encoding in ("", "identity"):
        return data
    if encoding == "zstd":
        try:
            return expand(data, limit)
        except ValueError as error:
            raise Problem(413, "too_large", f"the body cannot be unpacked: {error}") from None
    if encoding == "gzip":
        return _gunzipped(data, limit)
    raise Problem(415, "unsupported_encoding", f"the body is packed by {encoding!r}", "send zstd or gzip")


def _gunzipped(data: bytes, limit: int) -> bytes:
    opener = zlib.decompressobj(wbits=31)
    try:
        whole = opener.decompress(data, limit + 1)
    except zlib.error as error:
        raise Problem(400, "bad_value", f"the body cannot be unpacked: {error}") from None
    if len(whole) > limit:
        raise _too_large(limit)
    if not opener.eof:
        raise Problem(400, "bad_value", "the body is cut off")
    return whole


def _too_large(limit: int) -> Problem:
    return Problem(
        413, "too_large", f"the body is larger than {limit:,} bytes", "send it in parts, or as an artifact"
    )
