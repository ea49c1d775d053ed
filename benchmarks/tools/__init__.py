"""Every tool behind the few things that the benchmarks do with it, in its own plain way."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Tool", "load"]


class Tool(Protocol):
    """A tool with its store in one folder. Made in a fresh process; imports the tool itself."""

    one: str
    """The statement that logs ``value`` at ``step``, as a user of the tool writes it."""
    wide: str
    """The statement that logs all of the dict ``metrics`` at ``step``."""

    def __init__(self, folder: Path) -> None:
        """Use the store in `folder`, made if missing: offline, without telemetry or system metrics."""

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        """Start a run, log its params, and return its id."""

    def join(self, run: str) -> None:
        """Write to the run of another process from now on; NotImplementedError if the tool cannot."""

    def names(self) -> dict[str, Any]:
        """Return the names that the statements use."""

    def finish(self) -> None:
        """End the run; return once all that was logged can be read by the tool's own means."""

    def count(self) -> int:
        """Return how many points the tool reads back, of all runs and metrics."""


def load(name: str, folder: Path) -> Tool:
    """Return a tool with its store in `folder`."""
    tool: Tool = import_module(f"benchmarks.tools.{name.lower()}").Adapter(folder)
    return tool
