"""What a source gives: runs as they were elsewhere, with points that are read when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from chachaml.core.changes import PointsLogged, Stage
from chachaml.core.ids import derived_id
from chachaml.core.model import WholeRun
from chachaml.moving.texts import clean, key_of, typed

__all__ = [
    "File",
    "Imported",
    "Source",
    "Version",
    "by_key",
    "clean",
    "derived_id",
    "flat",
    "inside",
    "key_of",
    "number_of",
    "points_of",
    "typed",
]


@dataclass(frozen=True)
class File:
    """An artifact elsewhere: a file of this machine, or bytes. ``time`` is in microseconds."""

    name: str
    data: Path | bytes | Callable[[], bytes]
    time: int
    content_type: str = ""
    format: str = ""
    """How its bytes become a value again. Default: they are a file."""


@dataclass(frozen=True)
class Imported:
    """A run elsewhere: its row with all that belongs to it, its files, and how to read its points."""

    whole: WholeRun
    points: Callable[[], Iterable[PointsLogged]] = tuple
    files: Sequence[File] = ()
    timed: bool = True
    """Whether all points have times of their own; else one is known by its step and value."""


@dataclass(frozen=True)
class Version:
    """A version of a model elsewhere. ``id`` is 32 hex digits, always the same for the same version."""

    id: str
    model: str
    number: int
    run: str
    artifact: str
    time: int
    by: str = ""
    stage: Stage = "none"
    description: str = ""
    model_description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    model_tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()


class Source(Protocol):
    """Somewhere that runs come from. What it cannot read it tells the tally that it was made with."""

    place: str
    """Where it is, for people."""

    together: int
    """How many runs to write at once: one where their points are in memory."""

    def count(self) -> int | None:
        """Return how many runs there are; None if that is not known beforehand."""
        ...

    def runs(self) -> Iterator[Imported]:
        """Yield all runs, parents before their children where that is possible."""
        ...

    def versions(self) -> Iterable[Version]:
        """Yield versions of models, ascending."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def inside(folder: Path, name: str) -> Path | None:
    """Return the file that a source names, if it is one, in this folder, and no link to elsewhere."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


_POINT: tuple[set[type], ...] = ({str}, {int}, {int}, {float, int, NoneType})
"""Of what types key, step, time and value are; SQLite holds anything in any column."""


def _is_point(row: tuple[Any, ...], leave: Callable[[str, str], object]) -> bool:
    for value, kinds in zip(row, _POINT, strict=True):
        if type(value) not in kinds:
            leave(str(row[0]), f"{value!r:.60} is no part of a point")
            return False
    return True


def _microseconds(milliseconds: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return times without running over."""
    most = 2**63 // 1000 - 1
    times: npt.NDArray[np.int64] = np.clip(np.array(milliseconds, "<i8"), -most, most) * 1000
    return times


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested dicts as one, with keys such as ``outer.inner``."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{before}{key}"
        within = flat(value, f"{name}.") if isinstance(value, dict) else {}
        found.update(within or {name or "unnamed": value})
    return found


def number_of(value: Any) -> float | None:
    """Return a value as a number, if it is one; in JSON, NaN and infinities stand as texts."""
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    odd = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return odd.get(value) if isinstance(value, str) else None


def points_of(
    run: str, key: str, steps: Sequence[Any], times: Sequence[Any], values: Sequence[Any]
) -> PointsLogged:
    """Return points from columns; times are in microseconds."""
    columns = (np.asarray(steps, "<i8"), np.asarray(times, "<i8"), np.asarray(values, "<f8"))
    return PointsLogged(run, key_of(key), *(column.tobytes() for column in columns))


def by_key(
    run: str, rows: Sequence[tuple[Any, ...]], leave: Callable[[str, str], object]
) -> Iterator[PointsLogged]:
    """Yield points, sorted by their keys, as a change for each.

    Args:
        run: The run.
        rows: Key, step, time in milliseconds, and value, which is None for NaN.
        leave: Hears key and reason of a row that is no point.
    """
    if any(
        set(map(type, column)) - kinds for column, kinds in zip(zip(*rows, strict=True), _POINT, strict=True)
    ):
        rows = [row for row in rows if _is_point(row, leave)]
        if not rows:
            return
    keys, steps, times, values = zip(*rows, strict=True)
    columns = (np.array(steps, "<i8"), _microseconds(times), np.array(values, "<f8"))
    start = 0
    for end in range(1, len(keys) + 1):
        if end == len(keys) or keys[end] != keys[start]:
            yield PointsLogged(run, key_of(keys[start]), *(column[start:end].tobytes() for column in columns))
            start = end
