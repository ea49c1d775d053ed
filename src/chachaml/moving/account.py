"""What moving did: how much was carried, and by name whatever was not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from chachaml.display import moved_text
from chachaml.moving.texts import clean

__all__ = ["Left", "Moved", "Progress", "Tally"]

Progress = Callable[[int, int | None, int], object]
"""Hears how many runs are done, of how many (None while that is unknown), and how many points."""

_MOST_NAMED = 1000
"""Things of one kind that are named; of more there is a count."""

_LONGEST = 500
"""Characters of a name or reason."""


class Left(msgspec.Struct, frozen=True):
    """Something that was not carried: what it is, which one, why, and how often that came up."""

    what: str
    name: str
    why: str
    count: int = 1


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What moving did, or would do in a ``dry_run``.

    ``runs`` to ``versions`` count what was new at the target, ``unchanged`` the runs that were all there.
    ``left`` names what was not carried. ``verified`` tells whether all was read again at the target and is
    the same; None if nobody looked. ``bytes`` are those of artifacts.
    """

    source: str
    target: str
    runs: int
    unchanged: int
    params: int
    metrics: int
    points: int
    artifacts: int
    bytes: int
    models: int
    versions: int
    left: tuple[Left, ...]
    dry_run: bool = False
    verified: bool | None = None
    seconds: float = 0.0

    def __repr__(self) -> str:
        return moved_text(self)


@dataclass
class Tally:
    """Counts while something is moved."""

    runs: int = 0
    unchanged: int = 0
    params: int = 0
    metrics: int = 0
    points: int = 0
    artifacts: int = 0
    bytes: int = 0
    models: int = 0
    versions: int = 0
    began: float = field(default_factory=time.monotonic)
    _left: dict[Left, int] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)

    def leave(self, what: str, name: str, why: str) -> None:
        """Note that something is not carried."""
        self._kinds[what] += 1
        name, why = clean(name, _LONGEST), clean(why, _LONGEST)
        one = Left(what, name, why)
        if self._kinds[what] > _MOST_NAMED and one not in self._left:
            one = Left(what, "others", "too many to name")
        self._left[one] = self._left.get(one, 0) + 1

    def left(self) -> tuple[Left, ...]:
        """Return what was not carried, in the order in which it came up."""
        return tuple(msgspec.structs.replace(one, count=count) for one, count in self._left.items())

    def result(
        self, source: str, target: str, *, dry_run: bool = False, verified: bool | None = None
    ) -> Moved:
        """Return the account."""
        return Moved(
            source=source,
            target=target,
            runs=self.runs,
            unchanged=self.unchanged,
            params=self.params,
            metrics=self.metrics,
            points=self.points,
            artifacts=self.artifacts,
            bytes=self.bytes,
            models=self.models,
            versions=self.versions,
            left=self.left(),
            dry_run=dry_run,
            verified=verified,
            seconds=round(time.monotonic() - self.began, 3),
        )
