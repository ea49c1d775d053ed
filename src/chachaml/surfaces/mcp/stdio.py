"""The protocol over this process's input and output, one message a line."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, BinaryIO, cast

import anyio
from mcp.server.stdio import stdio_server

from chachaml.agents.tools import Access
from chachaml.connection import Connection
from chachaml.surfaces.mcp.hosting import LocalHost
from chachaml.surfaces.mcp.server import make

__all__ = ["LONGEST", "serve"]

LONGEST = 4 << 20
"""Bytes of one message, at most."""


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
    async with stdio_server(stdin, stdout) as (reading, writing):
        await protocol.server.run(reading, writing, protocol.server.create_initialization_options())
        protocol.subscriptions.close()


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
