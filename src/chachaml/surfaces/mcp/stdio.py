"""The protocol over this process's input and output, one message a line."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from chachaml.agents.tools import Access
from chachaml.connection import Connection
from chachaml.surfaces.mcp.hosting import LocalHost
from chachaml.surfaces.mcp.server import make

if TYPE_CHECKING:  # the SDK's name for them is its own affair
    from mcp.shared._stream_protocols import ReadStream, WriteStream

__all__ = ["LONGEST", "serve"]

LONGEST = 4 << 20
"""Bytes of one message, at most."""

_STILL_ANSWERED = 10.0
"""Seconds for answers that are under way when the input ends."""


def serve(where: Connection, most: Access) -> None:
    """Answer on this process's output what comes on its input, until that ends.

    Args:
        where: The store.
        most: What may be done at most.
    """
    with _own_streams() as (source, target):
        anyio.run(_serve, where, most, source, target)


async def _serve(where: Connection, most: Access, source: BinaryIO, target: BinaryIO) -> None:
    protocol = make(LocalHost(where, most))
    stdin = cast("anyio.AsyncFile[str]", _Lines(source))
    stdout = anyio.wrap_file(TextIOWrapper(target, encoding="utf-8", write_through=True))
    between = _Unanswered(protocol.subscriptions.close)
    options = protocol.server.create_initialization_options()
    async with stdio_server(stdin, stdout) as (reading, writing), anyio.create_task_group() as relays:
        asking, asked = anyio.create_memory_object_stream[SessionMessage | Exception]()
        answering, answers = anyio.create_memory_object_stream[SessionMessage]()
        relays.start_soon(between.bring, reading, asking)
        relays.start_soon(between.give, answers, writing)
        await protocol.server.run(asked, answering, options)


class _Unanswered:
    """Carries messages both ways; the input ends for the server when what came on it was answered.

    The SDK drops what is under way as soon as its input ends, and a shell's pipe ends before any answer.

    Args:
        ending: Called when the input has ended; ends what would be answered only then.
    """

    def __init__(self, ending: Callable[[], None]) -> None:
        self._ending = ending
        self._requests: set[types.RequestId] = set()
        self._fewer = anyio.Event()

    async def bring(
        self, source: ReadStream[SessionMessage | Exception], target: WriteStream[SessionMessage | Exception]
    ) -> None:
        """Carry what comes in."""
        async with target:
            async for one in source:
                if isinstance(one, SessionMessage):
                    self._came(one.message)
                await target.send(one)
            self._ending()
            with anyio.move_on_after(_STILL_ANSWERED):
                while self._requests:
                    self._fewer = anyio.Event()
                    await self._fewer.wait()

    async def give(self, source: ReadStream[SessionMessage], target: WriteStream[SessionMessage]) -> None:
        """Carry what goes out."""
        async with target:
            async for one in source:
                await target.send(one)
                if isinstance(one.message, types.JSONRPCResponse | types.JSONRPCError):
                    self._settled(one.message.id)

    def _came(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            self._requests.add(message.id)
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._settled((message.params or {}).get("requestId"))

    def _settled(self, request: types.RequestId | None) -> None:
        if request is not None:
            self._requests.discard(request)
            self._fewer.set()


@contextmanager
def _own_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield the process's input and output, which nothing else reads or writes meanwhile.

    Whatever prints in this process, or in one that it starts, prints to the standard error.
    """
    sys.stdout.flush()
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    yield source, cast(BinaryIO, target)


class _Lines:
    """Lines of input, as the SDK reads them; one that is too long is given as one that is no message."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[str]:
        return self._each()

    async def _each(self) -> AsyncIterator[str]:
        while line := await anyio.to_thread.run_sync(self._next, abandon_on_cancel=True):
            yield line

    def _next(self) -> str:
        line = self._source.readline(LONGEST + 1)
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = self._source.readline(LONGEST)
            return "too long\n"
        return line.decode(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)
