"""A machine in memory: disks that tear, stores that lose answers, a clock that may stand still.

The journal, the decoder, the drainer, the rules and the store are the real ones; only the files
are not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from chachaml.core.changes import Batch, Change, JournalInfo, Receipt
from chachaml.core.errors import StoreUnavailable
from chachaml.journal.format import (
    CELL,
    FRAME,
    POINT,
    SegmentHeader,
    change_frame,
    encode_header,
    padded,
    point_body,
    point_cell,
    salt_of,
)
from chachaml.journal.journal import Journal
from chachaml.journal.reader import FolderSource, SegmentFile
from chachaml.store.memory import MemoryStore

STORE = "5" * 32
NOWHERE = Path("nowhere")


class MemorySegment:
    """A segment without a file: whole from the beginning if mapped, else as long as what is in it."""

    def __init__(self, disk: Disk, header: SegmentHeader, size: int) -> None:
        self.disk, self.header, self.size = disk, header, size
        self.number, self.base = header.number, header.base
        self.data = bytearray(size if disk.mapped else 0)
        self.position = self.synced = 0
        self.path: Any = self
        self.readable = True

    def write(self, record: bytes) -> None:
        if self.position + len(record) > self.size:
            raise ValueError("segment is full")
        if self.disk.full and not self.disk.mapped:
            raise OSError("no space left")
        self.data[self.position : self.position + len(record)] = record
        self.position += len(record)

    def end(self) -> int:
        return self.base + self.position

    def touch(self) -> None:
        pass

    def seal(self) -> None:
        if self.disk.mapped:
            self.position = self.size
        else:
            self.size = self.position

    def sync(self) -> None:
        self.synced = self.position

    def close(self) -> None:
        pass

    def unlink(self, missing_ok: bool = False) -> None:
        self.disk.segments.remove(self)

    def lose_power(self, random: Random) -> None:
        """Let any of what was not synced be gone: zeroed here and there, or cut off."""
        if self.disk.mapped:
            for at in range(self.synced, self.position, CELL):
                if random.random() < 0.4:
                    self.data[at : at + CELL] = bytes(CELL)
        elif self.position > self.synced:
            del self.data[random.randint(self.synced, self.position) :]
        self.readable = (
            self.readable and self.data[:8] == b"CHACHAJL" and len(self.data) >= self.header.length
        )
        if self.synced < self.header.length:
            self.readable = self.readable and random.random() < 0.5


class Disk:
    """A journal's folder."""

    def __init__(self, random: Random, *, mapped: bool) -> None:
        self.mapped, self.full = mapped, False
        self.room = CELL * random.choice((8, 20, 60))
        self.segments: list[MemorySegment] = []

    def copy(self) -> Disk:
        """Return what somebody gets who copies the folder now."""
        other = object.__new__(Disk)
        other.mapped, other.full, other.room, other.segments = self.mapped, False, 0, []
        for segment in self.segments:
            copied = MemorySegment(other, segment.header, segment.size)
            copied.data, copied.readable = bytearray(segment.data), segment.readable
            other.segments.append(copied)
        return other


class MemoryJournal(Journal):
    """The real journal, with its segments on a `Disk`."""

    def __init__(self, identity: str, disk: Disk) -> None:
        super().__init__(NOWHERE, STORE)
        self.id, self.salt, self.disk = identity, salt_of(identity), disk
        self.info = JournalInfo(identity, STORE)

    def _begin_segment(self, number: int, base: int, records: bytes) -> MemorySegment:
        if self.disk.full:
            raise OSError("no space left")
        header = encode_header(self.info, number, base)
        size = padded(len(header) + len(records) + self.disk.room)
        segment = MemorySegment(self.disk, SegmentHeader(self.info, number, base, len(header)), size)
        segment.write(header + records)
        self.disk.segments.append(segment)
        return segment

    def point(self, number: int, step: int, time: int, value: float) -> bytes:
        """Return a point's record, as the live run makes it."""
        head = POINT | number << 8
        return point_cell(head, crc32(point_body(head, step, time, value), self.salt), step, time, value)

    def frame(self, change: Change) -> bytes:
        return change_frame(change, self.salt)

    def tear(self, random: Random, record: bytes) -> None:
        """Write a part of `record`, as by a process killed in the middle, and perhaps garbage behind it."""
        if not self._segments:
            return
        segment = self._segments[-1]
        torn = record[: random.randint(0, len(record) - 1)]
        if random.random() < 0.3:
            torn += garbage(random)
        torn = torn[: segment.size - segment.position]
        segment.data[segment.position : segment.position + len(torn)] = torn

    def scar(self, random: Random) -> None:
        """Leave garbage of whole cells between good records."""
        if self._segments and not self.disk.full:
            segment = self._segments[-1]
            torn = garbage(random)
            torn = torn.ljust(padded(len(torn)), b"\0")
            if segment.position + len(torn) <= segment.size:
                segment.write(torn)


def garbage(random: Random) -> bytes:
    """Return bytes that may look like the beginning of a record."""
    length = random.randint(1, 80)
    noise = bytearray(random.randbytes(length))
    noise[0] = random.choice((POINT, FRAME, FRAME, 0, noise[0]))
    if length > 16 and random.random() < 0.7:
        noise[1] = random.choice((1, 2, 3, 4, 9))
        noise[2:4] = b"\0\0"
        noise[8:12] = random.choice((0, 16, 40, 200, 5_000)).to_bytes(4, "little")
    return bytes(noise)


class DiskSource(FolderSource):
    """The real source over a `Disk`."""

    def __init__(self, disk: Disk, *, written: Callable[[], int] | None = None, alive: bool = False) -> None:
        super().__init__(NOWHERE, written=written, alive=alive)
        self._disk = disk

    def _look(self) -> None:
        self._segments = [
            SegmentFile(segment.path, segment.header, len(segment.data) // CELL * CELL)
            for segment in self._disk.segments
            if segment.readable
        ]

    def _bytes(self, segment: SegmentFile, at: int, most: int) -> bytes:
        kept: MemorySegment = segment.path  # type: ignore[assignment]
        if kept not in self._disk.segments:
            raise FileNotFoundError
        offset = at - segment.header.base
        return bytes(kept.data[offset : offset + most])


class FlakyStore:
    """A store that is away now and then, or whose answers are lost; others may come in between.

    Args:
        random: Decides what goes wrong.
        faults: How often.
        meanwhile: Something that another process does.
    """

    def __init__(self, random: Random, faults: float, meanwhile: Callable[[], None]) -> None:
        self._random, self.faults, self._meanwhile = random, faults, meanwhile
        self.inner = MemoryStore()
        self.applied: list[Batch] = []
        self._synced = 0

    def apply(self, batch: Batch) -> Receipt:
        fate = self._random.random() / self.faults if self.faults else 9.0
        if fate < 0.5:
            self._meanwhile()
        elif fate < 0.75:
            raise StoreUnavailable("the store is away")
        receipt = self.inner.apply(batch)
        if receipt.cursor > len(self.applied):
            self.applied.append(batch)
        if 0.75 <= fate < 1:
            raise StoreUnavailable("the answer was lost")
        return receipt

    def applied_to(self, journal: str) -> int:
        if self.faults and self._random.random() < self.faults / 4:
            raise StoreUnavailable("the store is away")
        return self.inner.applied_to(journal)

    def sync(self) -> None:
        if self.faults and self._random.random() < self.faults / 4:
            raise StoreUnavailable("the store is away")
        self._synced = len(self.applied)

    def lose_power(self) -> None:
        """Let any of what was not synced be gone, last first."""
        kept = self.applied[: self._random.randint(self._synced, len(self.applied))]
        self.inner, self.applied = MemoryStore(), []
        for batch in kept:
            self.inner.apply(batch)
            self.applied.append(batch)
