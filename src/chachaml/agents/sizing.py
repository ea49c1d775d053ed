"""Results within a budget: how many tokens a text takes, and data shortened until it fits."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["BUDGET", "Map", "Shortened", "Whole", "fit", "tokens"]

BUDGET = 8_000
"""Tokens of one result at most: its data and its text together."""

_PIECES = (1, 4, 3, 1 << 30, 2)
"""Bytes that make one token: of marks, letters, digits, blanks, and of what is beyond ASCII."""

_NOTES = 6


class Map(dict[str, Any]):
    """A mapping whose entries may be left out, unlike the fields of a struct."""


class Whole(list[Any]):
    """A list that loses no items: who asked for it gets the others by asking for less at once."""


class Shortened(NamedTuple):
    """Data, what was left out of it, in words, and how many tokens it takes."""

    data: Any
    cuts: tuple[str, ...]
    cost: int


class _Level(NamedTuple):
    """How much is kept: characters of a text, entries of a mapping or of a list."""

    text: int
    entries: int


_LEVELS = (
    _Level(6_000, 1_000),
    _Level(3_000, 200),
    _Level(1_500, 60),
    _Level(500, 40),
    _Level(250, 20),
    _Level(120, 10),
    _Level(60, 5),
    _Level(30, 3),
    _Level(20, 1),
)


def tokens(text: str) -> int:
    """Return about how many tokens a text takes, rather too many than too few.

    Vendors' tokenizers differ and are not at hand; words of theirs are longer than those that are counted
    here, numbers and punctuation alike.
    """
    import numpy as np

    data = np.frombuffer(text.encode(errors="replace"), np.uint8)
    if not len(data):
        return 0
    kinds = _kinds()[data]
    starts = np.flatnonzero(np.diff(kinds, prepend=-1))
    lengths = np.diff(starts, append=len(data))
    pieces = np.array(_PIECES)[kinds[starts]]
    return int((-(-lengths // pieces)).sum())


@cache
def _kinds() -> npt.NDArray[np.int8]:
    """Return of each byte to which of `_PIECES` it belongs."""
    import numpy as np

    kinds = np.zeros(256, np.int8)
    for kind, chars in enumerate((string.ascii_letters, string.digits, string.whitespace), 1):
        kinds[list(chars.encode())] = kind
    kinds[128:] = 4
    return kinds


def fit(data: Any, cost: Callable[[Any], int], budget: int, degrees: int | None = None) -> Shortened:
    """Return data shortened as little as makes it fit, or as much as may be if it does not even then.

    Args:
        data: Plain data, in which a `Map`, a text, or a list that is no `Whole` may be cut.
        cost: How many tokens it takes.
        budget: How many it may take.
        degrees: How many degrees of shortening to try. Default: all.
    """
    for level in _LEVELS[:degrees]:
        cuts: list[str] = []
        kept = _cut(data, level, "", cuts)
        found = Shortened(kept, tuple(_told(cuts)), cost(kept))
        if found.cost <= budget:
            break
    return found


def _cut(data: Any, level: _Level, where: str, cuts: list[str]) -> Any:
    if isinstance(data, str):
        return _cut_text(data, level.text, where, cuts)
    if isinstance(data, Map):
        if len(data) > level.entries:
            cuts.append(f"{where or 'entries'}: {level.entries} of {len(data):,}")
        some = list(data.items())[: level.entries]
        return Map({key: _cut(value, level, _inner(where, key), cuts) for key, value in some})
    if isinstance(data, Mapping):
        return {key: _cut(value, level, _inner(where, key), cuts) for key, value in data.items()}
    if isinstance(data, Sequence):
        most = len(data) if isinstance(data, Whole) else level.entries
        if len(data) > most:
            cuts.append(f"{where or 'entries'}: {most} of {len(data):,}")
        return [_cut(value, level, f"{where}[{n}]", cuts) for n, value in enumerate(data[:most])]
    return data


def _cut_text(text: str, most: int, where: str, cuts: list[str]) -> str:
    if len(text) <= most:
        return text
    cuts.append(f"{where or 'text'}: {most:,} of {len(text):,} characters")
    return f"{text[:most]}…"


def _inner(where: str, key: str) -> str:
    return f"{where}.{key[:60]}" if where else key[:60]


def _told(cuts: Sequence[str]) -> Iterator[str]:
    yield from cuts[:_NOTES]
    if len(cuts) > _NOTES:
        yield f"and {len(cuts) - _NOTES:,} more"
