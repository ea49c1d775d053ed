"""Rows of another store in plain dicts: experiments and corrections, which the memory store keeps itself."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from chachaml.core.changes import PointsLogged, RecordKept, SeriesCopied
from chachaml.core.model import ExperimentRow, HistoryRow, RecordRow, Series, WholeRun
from chachaml.store.by_hand import Point, as_series, in_order, logged, summary
from chachaml.store.memory_runs import MemoryRun, whole

__all__ = ["MemoryCopies", "copy_experiments", "copy_history", "unpacked"]


class MemoryCopies:
    """The reads of the memory store that copies and drawings of it are made by, and what adapters keep."""

    _lock: threading.Lock
    _runs: dict[str, MemoryRun]
    _kept: dict[tuple[str, str], RecordRow]

    def read_outlines(
        self,
        series: Sequence[tuple[str, str]],
        window: tuple[int, int] | None = None,
        stretches: int = 1000,  # noqa: ARG002 - as in Store: all points are here at once
    ) -> list[Series]:
        """Return what a drawing needs of those of some series, given by run and key, that are here."""
        low, high = window or (-(2**63), 2**63 - 1)
        with self._lock:
            found = [(run, key, in_order(points)) for run, key, points in self._here(series)]
        kept = [(run, key, [one for one in points if low <= one[0] <= high]) for run, key, points in found]
        return [as_series(run, key, points, len(points)) for run, key, points in kept]

    def read_points(self, series: Sequence[tuple[str, str]]) -> list[PointsLogged]:
        """Return all points of those of some series, given by run and key, that are here."""
        with self._lock:
            return [logged(run, key, in_order(points)) for run, key, points in self._here(series)]

    def read_packed(self, series: Sequence[tuple[str, str]]) -> list[SeriesCopied]:
        """Return those of some series, given by run and key, that are here, as they are packed."""
        with self._lock:
            return [_packed(*one) for one in self._here(series)]

    def _here(self, series: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, list[Point]]]:
        for run, key in series:
            if run in self._runs and (points := self._runs[run].points.get(key)):
                yield run, key, points

    def records(self, kind: str = "", keys: Sequence[str] | None = None) -> list[RecordRow]:
        """Return what adapters keep, by kind and key: all, or of a kind, or what has one of some keys."""
        with self._lock:
            rows = [row for (_, key), row in self._kept.items() if keys is None or key in keys]
        return sorted((row for row in rows if kind in ("", row.kind)), key=lambda row: (row.kind, row.key))

    def _keep_record(self, change: RecordKept) -> None:
        self._kept.pop((change.kind, change.key), None)
        if change.value is not None:
            row = RecordRow(change.kind, change.key, change.experiment, change.value, change.time)
            self._kept[(change.kind, change.key)] = row

    def whole_runs(self, runs: Sequence[str]) -> list[WholeRun]:
        """Return the runs of some whole ids, in that order, with all that belongs to them but points."""
        with self._lock:
            return [whole(self._runs[run]) for run in runs if run in self._runs]


def _packed(run: str, key: str, points: list[Point]) -> SeriesCopied:
    from chachaml.store import chunks

    found, about = logged(run, key, points), summary(points)
    packed, tail = chunks.pack(chunks.columns(found.steps, found.times, found.values))
    return SeriesCopied(run, about.first_time, key, about, tail, tuple(packed))


def copy_experiments(here: dict[str, ExperimentRow], given: Iterable[ExperimentRow]) -> None:
    """Keep what was said of experiments elsewhere, as far as nothing is said of them here."""
    for about in given:
        row = here.get(about.name, about)
        said = (row.description or about.description, row.owner or about.owner)
        here[about.name] = ExperimentRow(about.name, *said, min(row.created, about.created))


def copy_history(here: dict[int, HistoryRow], given: Iterable[HistoryRow]) -> Iterator[tuple[str, str]]:
    """Keep corrections made elsewhere; yield the runs, and why some were not kept."""
    for entry in given:
        row = here.setdefault(entry.no, entry)
        if replace(row, undone=None) == replace(entry, undone=None):
            here[entry.no] = replace(row, undone=row.undone or entry.undone)
        else:
            yield entry.run, f"correction {entry.no} is another one here"


def unpacked(series: SeriesCopied) -> list[Point]:
    """Return the points of a series that another store packed, in the order of arrival."""
    from chachaml.store import chunks

    points = chunks.unpack(series)
    return list(zip(points.steps.tolist(), points.times.tolist(), points.values.tolist(), strict=True))
