"""What sources have in common whose runs lie in files: a place, its pieces, and the runs of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from chachaml.core.errors import BadValue
from chachaml.moving.account import Tally
from chachaml.moving.imported import Imported, Version

__all__ = ["LIVE", "Listed", "files_in", "is_own"]

LIVE = 120.0
"""Seconds after its last sign of life in which a run is taken to be still written."""

Piece = TypeVar("Piece")


def files_in(folder: Path, tally: Tally) -> Iterator[tuple[str, Path]]:
    """Yield name and path of all files in a folder and those below it; links are told, and left."""
    for path in sorted(folder.rglob("*")):
        if (path.is_symlink() or not path.is_dir()) and is_own(path, tally):
            yield path.relative_to(folder).as_posix(), path


def is_own(path: Path, tally: Tally) -> bool:
    """Tell whether a path is a file that lies there itself; links and devices are told."""
    if path.is_symlink() or not path.is_file():
        why = "what it points to may lie anywhere" if path.is_symlink() else "it is no file"
        tally.leave("link" if path.is_symlink() else "file", f"{path.name} of {path.parent.name}", why)
        return False
    return True


class Listed(Generic[Piece]):
    """The runs of some pieces; what is wrong with one costs that one alone.

    Args:
        place: Where they are.
        pieces: Files or folders.
        read: Gives the runs of a piece.
        tally: Hears what cannot be read.
        each: Whether a piece is a run.
    """

    together = 1

    def __init__(
        self,
        place: object,
        pieces: Sequence[Piece],
        read: Callable[[Piece], Iterable[Imported]],
        tally: Tally,
        *,
        each: bool = True,
    ) -> None:
        self.place, self._pieces, self._read, self._tally = str(place), pieces, read, tally
        self._each = each

    def count(self) -> int | None:
        """Return how many runs there are, if that is known."""
        return len(self._pieces) if self._each else None

    def runs(self) -> Iterator[Imported]:
        """Yield the runs of all pieces."""
        for piece in self._pieces:
            try:
                yield from self._read(piece)
            except (BadValue, OSError, ValueError, RecursionError, sqlite3.Error) as error:
                self._tally.leave("file", str(piece), f"it cannot be read on: {error}")

    def versions(self) -> tuple[Version, ...]:
        """Return nothing: there are no models."""
        return ()

    def close(self) -> None:
        """Let go of nothing."""
