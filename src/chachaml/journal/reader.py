"""Reading a journal's folder, one's own or another's, living or dead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from chachaml.core.changes import JournalInfo
from chachaml.core.errors import StoreDamaged
from chachaml.journal.format import CELL, SegmentHeader, read_header
from chachaml.journal.segment import segment_number

__all__ = ["FolderSource", "Source", "Stretch", "segments_of"]

_HEADER_ROOM = 4096


class Stretch(NamedTuple):
    """Consecutive bytes of one segment, for `chachaml.journal.decoder.Decoder.decode`."""

    data: bytes
    at: int
    remaining: int
    live: bool


class Source(Protocol):
    """A journal to drain."""

    @property
    def info(self) -> JournalInfo | None:
        """Who writes it; None while it has no readable segment."""
        ...

    def stretch(self, position: int, most: int) -> Stretch | None:
        """Return up to `most` bytes (whole cells) from `position` on; None if there are none (yet)."""
        ...

    def before(self, position: int) -> bytes:
        """Return the cells of the same segment that stand before `position`."""
        ...


class SegmentFile(NamedTuple):
    """A segment on disk."""

    path: Path
    header: SegmentHeader
    size: int

    @property
    def first(self) -> int:
        """Logical offset of its first cell."""
        return self.header.base + self.header.length

    @property
    def end(self) -> int:
        """Logical offset behind its last byte."""
        return self.header.base + self.size


def segments_of(folder: Path) -> list[SegmentFile]:
    """Return a journal's segments in order. One whose header is not written yet, or damaged, is left out."""
    found = []
    for path in sorted(folder.iterdir()):
        if segment_number(path.name) is None:
            continue
        try:
            with path.open("rb") as file:
                header = read_header(file.read(_HEADER_ROOM))
            found.append(SegmentFile(path, header, path.stat().st_size // CELL * CELL))
        except (StoreDamaged, FileNotFoundError):
            continue
    return found


class FolderSource:
    """Reads the segments in a journal's folder.

    Args:
        folder: The journal's folder.
        written: For one's own journal: returns the logical offset behind the last record.
        alive: Whether the owner may still write, so that empty cells are the end so far.
    """

    def __init__(
        self, folder: Path, *, written: Callable[[], int] | None = None, alive: bool = False
    ) -> None:
        self._folder, self._written, self._alive = folder, written, alive
        self._segments: list[SegmentFile] = []

    @property
    def info(self) -> JournalInfo | None:
        """Who writes the journal; None while it has no readable segment."""
        if not self._segments:
            self._look()
        return self._segments[0].header.journal if self._segments else None

    def _look(self) -> None:
        try:
            self._segments = segments_of(self._folder)
        except FileNotFoundError:
            self._segments = []

    def stretch(self, position: int, most: int) -> Stretch | None:
        """Return up to `most` bytes (whole cells) from `position` on; None if there are none (yet)."""
        written = self._written() if self._written else None
        if written is not None and written <= position:
            return None
        if not self._segments or position >= self._segments[-1].end or self._alive:
            self._look()
        for index, segment in enumerate(self._segments):
            end = segment.end if written is None else min(segment.end, written)
            if position < end:
                last = index == len(self._segments) - 1
                return self._read(segment, max(position, segment.first), end, most, self._alive and last)
        return None

    def _read(self, segment: SegmentFile, at: int, end: int, most: int, live: bool) -> Stretch | None:
        try:
            data = self._bytes(segment, at, min(end - at, most))
        except FileNotFoundError:  # its owner has just deleted it, which it does once the store has it all
            self._segments = []
            return None
        data = data[: len(data) // CELL * CELL]
        return Stretch(data, at, end - at, live) if data else None

    def _bytes(self, segment: SegmentFile, at: int, most: int) -> bytes:
        with segment.path.open("rb", buffering=0) as file:
            file.seek(at - segment.header.base)
            return file.read(most)

    def before(self, position: int) -> bytes:
        """Return the cells of the same segment that stand before `position`."""
        self._look()
        for segment in self._segments:
            if segment.first < position <= segment.end:
                stretch = self._read(segment, segment.first, position, position - segment.first, False)
                return stretch.data if stretch else b""
        return b""
