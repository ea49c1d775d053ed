"""From a journal's bytes back to changes, over torn and damaged stretches."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import msgspec

from chachaml.core.changes import Change, PointsLogged, decode_change, time_of
from chachaml.journal.format import CELL, CHANGE, FRAME, GROUP, POINT, ROW, SERIES, padded, salt_of

if TYPE_CHECKING:
    from chachaml.journal.bulk import Columns

__all__ = ["Decoded", "Decoder", "first_time"]

_HEAD = struct.Struct("<II")
_FRAME = struct.Struct("<IIII")
_FRAME_BODY = struct.Struct("<III")
_TIME = struct.Struct("<q")

_WINDOW = 64 << 10
_BULK = 512 * CELL
"""From this many bytes on numpy decodes; below it is not worth its import."""


class Decoded(NamedTuple):
    """What a stretch of a journal held."""

    changes: tuple[Change, ...]
    """Points last, joined by series in the order written."""
    end: int
    """The logical offset to go on from."""
    whole: int
    """The logical offset behind the last whole record: empty cells behind it may yet be written."""
    damaged: int
    """How many bytes were skipped because no checksum held."""


class Decoder:
    """Decodes one journal. Keeps what its segments declared, so feed it from a segment's first cell.

    Args:
        journal: The journal's id, from which its checksums start.
        verify: Check every point's checksum. Only a process reading what it has itself just
            written may go without.
    """

    def __init__(self, journal: str, *, verify: bool = True) -> None:
        self._salt = salt_of(journal)
        self._verify = verify
        self._series: dict[int, tuple[str, str]] = {}
        self._groups: dict[int, bytes] = {}
        self._changes: list[Change] = []
        self._loose = _Loose()
        self._bulk: list[Columns] = []

    def decode(self, data: bytes, at: int, *, remaining: int | None = None, live: bool = False) -> Decoded:
        """Return what `data` holds.

        Args:
            data: Whole cells of one segment.
            at: Logical offset of the first of them.
            remaining: Bytes from `at` to the segment's end, if `data` stops before it: a frame that
                goes on behind `data` is then left for the next call. Default: ``len(data)``.
            live: Its owner may be writing: an empty or unfinished cell is the end so far. Otherwise
                empty cells are skipped, and damaged ones too, up to the next that is whole.
        """
        position, whole, damaged = 0, 0, 0
        remaining = len(data) if remaining is None else remaining
        while position < len(data):
            used = self._record(data, position)
            if used:
                position = whole = position + used
                continue
            if live or self._goes_on(data, position, remaining):
                break
            if empty := _empty_cells(data, position):
                position += empty
            else:
                position, damaged = position + CELL, damaged + CELL
        changes = (*self._changes, *self._points())
        self._changes = []
        return Decoded(changes, at + position, at + whole, damaged)

    def _record(self, data: bytes, position: int) -> int:
        """Take in what starts at `position`; return its length, or 0 if nothing whole does."""
        first = data[position]
        if first == POINT:
            return (self._run_of_points(data, position) if _is_long(data, position) else 0) or self._point(
                data, position
            )
        if first == FRAME:
            return self._frame(data, position)
        return 0

    def _point(self, data: bytes, position: int) -> int:
        head, checksum = _HEAD.unpack_from(data, position)
        if self._verify:
            body = data[position : position + 4] + data[position + 8 : position + CELL]
            if crc32(body, self._salt) != checksum:
                return 0
        if head >> 8 not in self._series:
            return 0
        self._loose.add(data[position + 1 : position + 4] + b"\0", data[position + 8 : position + CELL])
        return CELL

    def _frame(self, data: bytes, position: int) -> int:
        if len(data) - position < CELL:
            return 0
        head, checksum, length, ref = _FRAME.unpack_from(data, position)
        payload = data[position + 16 : position + 16 + length]
        if len(payload) < length:
            return 0
        if crc32(payload, crc32(_FRAME_BODY.pack(head, length, ref), self._salt)) != checksum:
            return 0
        return padded(16 + length) if self._payload(head >> 8, ref, payload) else 0

    def _payload(self, kind: int, ref: int, payload: bytes) -> bool:
        """Take in a frame whose checksum holds; kinds that this release does not know are passed over."""
        if kind == CHANGE:
            try:
                self._changes.append(decode_change(payload))
            except msgspec.MsgspecError:
                return False
        elif kind == SERIES:
            self._series[ref] = (payload[:32].decode(), payload[32:].decode())
        elif kind == GROUP:
            self._groups[ref] = payload
        elif kind == ROW:
            members = self._groups.get(ref, b"")
            self._loose.add(members, payload)
            return bool(members)
        return True

    @staticmethod
    def _goes_on(data: bytes, position: int, remaining: int) -> bool:
        """Tell whether a frame starts here that ends behind `data`, but within its segment."""
        if data[position] != FRAME or len(data) - position < CELL:
            return False
        end = position + 16 + int(_FRAME.unpack_from(data, position)[2])
        return len(data) < end <= remaining

    def _run_of_points(self, data: bytes, position: int) -> int:
        """Take in the points at `position`, as many as follow each other whole; return their bytes."""
        from chachaml.journal import bulk

        columns = bulk.leading_points(data, position, self._salt if self._verify else None, self._series)
        if columns is None:
            return 0
        if self._loose:
            self._bulk.append(bulk.from_bytes(*self._loose.take()))
        self._bulk.append(columns)
        return len(columns.numbers) * CELL

    def _points(self) -> list[PointsLogged]:
        """Return the points taken in since the last call, joined by series, and forget them."""
        if not self._bulk and len(self._loose) <= _BULK // CELL:
            return self._loose.changes(self._series)
        from chachaml.journal import bulk

        pieces, self._bulk = self._bulk, []
        if self._loose:
            pieces.append(bulk.from_bytes(*self._loose.take()))
        return bulk.by_series(pieces, self._series)


def _is_long(data: bytes, position: int) -> bool:
    """Tell whether much was written from `position` on: what a closed segment ends with is empty."""
    return len(data) - position >= _BULK and data[position + _BULK - CELL] != 0


class _Loose:
    """Points taken in one by one: raw little-endian columns, in the order written."""

    __slots__ = ("numbers", "steps", "times", "values")

    def __init__(self) -> None:
        self.numbers, self.steps, self.times, self.values = (bytearray() for _ in range(4))

    def __len__(self) -> int:
        return len(self.numbers) // 4

    def add(self, numbers: bytes, row: bytes) -> None:
        """Add one value for each of the series `numbers` (uint32); `row` is step, nanoseconds, values."""
        count = len(numbers) // 4
        self.numbers += numbers
        self.steps += row[:8] * count
        self.times += row[8:16] * count
        self.values += row[16 : 16 + 8 * count]

    def take(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Return the columns and forget them."""
        columns = (bytes(self.numbers), bytes(self.steps), bytes(self.times), bytes(self.values))
        self.__init__()  # type: ignore[misc]
        return columns

    def changes(self, series: dict[int, tuple[str, str]]) -> list[PointsLogged]:
        """Return the points joined by series, without numpy, and forget them."""
        numbers, steps, times, values = self.take()
        places: dict[int, list[int]] = {}
        for place, (number,) in enumerate(struct.iter_unpack("<I", numbers)):
            places.setdefault(number, []).append(place * 8)
        micros = struct.pack(f"<{len(times) // 8}q", *(t // 1000 for (t,) in struct.iter_unpack("<q", times)))
        return [
            PointsLogged(
                *series[number],
                *(b"".join([column[i : i + 8] for i in where]) for column in (steps, micros, values)),
            )
            for number, where in places.items()
            if number in series
        ]


def _empty_cells(data: bytes, position: int) -> int:
    """Return how many bytes of empty cells stand at `position`, or, of very many, some."""
    ahead = data[position : position + _WINDOW]
    return (len(ahead) - len(ahead.lstrip(b"\0"))) // CELL * CELL


def first_time(data: bytes) -> int | None:
    """Return when the first thing in `data` was logged, in nanoseconds, without knowing declarations."""
    position = 0
    while position + CELL <= len(data):
        if data[position] == POINT:
            return int(_TIME.unpack_from(data, position + 16)[0])
        if data[position] != FRAME:
            return None
        head, _, length, _ = _FRAME.unpack_from(data, position)
        if head >> 8 == ROW:
            return int(_TIME.unpack_from(data, position + 24)[0])
        if head >> 8 == CHANGE:
            try:
                return time_of(decode_change(data[position + 16 : position + 16 + length])) * 1000
            except msgspec.MsgspecError:
                return None
        position += padded(16 + length)
    return None
