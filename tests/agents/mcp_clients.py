"""The SDK's own client, over every way there is: stdio and HTTP, the protocol of today and the one before."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from tests.served import SESSION

T = TypeVar("T")

MODES = ("legacy", "auto")
CHACHAML = str(Path(sys.executable).parent / "chachaml")


def over_stdio(store: str | Path, *options: str, mode: str = "auto", **more: Any) -> Client:
    """Return a client that starts ``chachaml mcp``."""
    command = StdioServerParameters(command=CHACHAML, args=["mcp", str(store), *options])
    return Client(command, mode=mode, read_timeout_seconds=30, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def over_http(
    url: str, token: str = SESSION, mode: str = "auto", host: str = "", **more: Any
) -> AsyncIterator[Client]:
    """Connect to a server's ``/mcp`` with a token, as a proxy does if it goes by another name."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Host": host} if host else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=30, **more) as client:  # type: ignore[arg-type]
            yield client


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, within a minute."""
    return asyncio.run(asyncio.wait_for(work, 60))


async def until(holds: Callable[[], bool | Awaitable[bool]], within: float = 20) -> None:
    """Wait until something holds."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)
