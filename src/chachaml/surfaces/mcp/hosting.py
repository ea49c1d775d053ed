"""On whose behalf the protocol's requests are answered: of this process's user, or of who asks a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import anyio.to_thread
from mcp.server.context import ServerRequestContext

from chachaml.agents.tools import Access
from chachaml.connection import Connection, using

__all__ = ["Context", "Host", "LocalHost"]

T = TypeVar("T")

Context = ServerRequestContext[Any, Any]


class Host(Protocol):
    """Knows who asks, what they may, and on which connection it is done."""

    def access(self, context: Context) -> Access:
        """Return what who asks may do at most."""
        ...

    def principal(self, context: Context) -> str:
        """Return what tells who asks from others."""
        ...

    async def work(self, context: Context, act: Callable[[], T]) -> T:
        """Return what comes of work done in a thread, as who asks may do it."""
        ...

    async def watch(self, act: Callable[[], T]) -> T:
        """Return what comes of work done in a thread on behalf of the server itself."""
        ...

    def still(self, context: Context) -> bool:
        """Tell whether who asked, some time ago, may still read."""
        ...


class LocalHost:
    """The user of this process, on its own connection.

    Args:
        where: The connection.
        most: What they may do.
    """

    def __init__(self, where: Connection, most: Access) -> None:
        self._where, self._most = where, most

    def access(self, context: Context) -> Access:  # noqa: ARG002 - there is only one who asks
        """Return what was allowed when the process was started."""
        return self._most

    def principal(self, context: Context) -> str:  # noqa: ARG002 - there is only one who asks
        """Return '': there is only one."""
        return ""

    async def work(self, context: Context, act: Callable[[], T]) -> T:  # noqa: ARG002 - as above
        """Return what comes of work done in a thread."""
        return await self.watch(act)

    async def watch(self, act: Callable[[], T]) -> T:
        """Return what comes of work done in a thread."""
        return await anyio.to_thread.run_sync(self._within, act)

    def _within(self, act: Callable[[], T]) -> T:
        with using(self._where):
            return act()

    def still(self, context: Context) -> bool:  # noqa: ARG002 - as above
        """Return True: the process would have ended."""
        return True
