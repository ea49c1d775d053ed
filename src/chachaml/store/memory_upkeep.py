"""Saved views, rules of retention, leases and usage in plain dicts: what other backends must agree with."""

from __future__ import annotations

import threading

from chachaml.core.changes import (
    LeaseTaken,
    RetentionDeleted,
    RetentionSet,
    UpkeepChange,
    ViewChange,
    ViewSaved,
)
from chachaml.core.model import RetentionRow, UsageRow, ViewRow
from chachaml.core.upkeep import may_lease
from chachaml.store.memory_runs import MemoryRun

__all__ = ["MemoryUpkeep"]

_POINT = 24
"""Bytes of a step, a time and a value."""


class MemoryUpkeep:
    """What the memory store keeps besides runs."""

    _lock: threading.Lock
    _runs: dict[str, MemoryRun]

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], ViewRow] = {}
        self._retention: dict[str, RetentionRow] = {}
        self._leases: dict[str, tuple[str, int]] = {}

    def _change_view(self, change: ViewChange) -> None:
        self._views.pop((change.experiment, change.name), None)
        if isinstance(change, ViewSaved):
            row = ViewRow(change.name, change.experiment, change.state, change.by, change.time)
            self._views[(change.experiment, change.name)] = row

    def _keep_up(self, change: UpkeepChange) -> str:
        """Make a change; return why not ('' if it was made)."""
        match change:
            case RetentionSet():
                self._retention[change.name] = RetentionRow(change.name, change.rule, change.by, change.time)
            case RetentionDeleted():
                self._retention.pop(change.name, None)
            case LeaseTaken():
                if why := may_lease(change, *self._leases.get(change.name, ("", 0))):
                    return why
                self._leases[change.name] = (change.by, change.until)
        return ""

    def views(self) -> list[ViewRow]:
        """Return all saved views, by experiment, then by name."""
        with self._lock:
            return sorted(self._views.values(), key=lambda row: (row.experiment, row.name))

    def retention(self) -> list[RetentionRow]:
        """Return all rules of retention, by name."""
        with self._lock:
            return [self._retention[name] for name in sorted(self._retention)]

    def usage(self) -> list[UsageRow]:
        """Return how much is kept, by experiment, then by user."""
        with self._lock:
            held: dict[tuple[str, str], list[int]] = {}
            for run in self._runs.values():
                sums = held.setdefault((run.row.experiment, run.row.created_by), [0] * 6)
                sums[:] = [old + new for old, new in zip(sums, _sizes(run), strict=True)]
        return [UsageRow(*where, *held[where]) for where in sorted(held)]


def _sizes(run: MemoryRun) -> tuple[int, ...]:
    points = sum(map(len, run.points.values()))
    sizes = [one.size for one in run.artifacts.values()]
    printed = sum(len(row.text.encode()) for row in run.console)
    return 1, points, points * _POINT, len(sizes), sum(sizes), printed
