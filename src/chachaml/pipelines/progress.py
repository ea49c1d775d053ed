"""What a terminal shows while a pipeline runs: with rich a live table, else a line for each step."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from chachaml.core.model import StepRow
from chachaml.display import ansi, duration, safe

__all__ = ["Progress"]

_STYLES = {
    "completed": "completed",
    "cached": "completed",
    "failed": "failed",
    "running": "running",
    "interrupted": "interrupted",
    "skipped": "dim",
    "pending": "dim",
}


class Progress:
    """Shows how the steps of a pipeline stand; nothing where nobody would see it."""

    def __init__(self, name: str, steps: Sequence[StepRow]) -> None:
        self._name = name
        self._steps = {step.step: step for step in steps}
        self._live: Any = None
        self._seen = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        if self._seen:
            self._live = _live_table(self)
            if self._live is not None:
                self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, step: StepRow) -> None:
        """Show how a step stands now."""
        self._steps[step.step] = step
        if self._live is not None:
            self._live.refresh()
        elif self._seen and step.status not in ("pending", "running"):
            print(self._line(step), file=sys.stderr)

    def _line(self, step: StepRow) -> str:
        until = step.ended or time.time_ns() // 1000
        took = f"  {duration((until - step.started) / 1e6)}" if step.started else ""
        tries = f"  attempt {step.attempts}" if step.attempts > 1 else ""
        return f"  {ansi(step.status.ljust(11), _STYLES[step.status])} {safe(step.step)}{took}{tries}"

    def __rich__(self) -> Any:
        from rich.text import Text

        lines = [ansi(safe(self._name), "strong"), *map(self._line, self._steps.values())]
        return Text.from_ansi("\n".join(lines))


def _live_table(progress: Progress) -> Any:
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    return Live(get_renderable=progress.__rich__, console=Console(stderr=True), refresh_per_second=4)
