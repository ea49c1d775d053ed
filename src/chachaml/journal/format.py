"""The bytes of a journal; docs/reference/journal.md is their specification.

A segment is a header and then cells of 32 bytes. A point is one cell; everything else is a frame
of one or more cells. All numbers are little-endian. Every record ends on a cell boundary, so a
reader that meets damage goes on at the next cell whose checksum holds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from zlib import crc32

import msgspec

from chachaml.core.changes import Change, JournalInfo, encode_change
from chachaml.core.errors import StoreDamaged

__all__ = [
    "CELL",
    "CHANGE",
    "FRAME",
    "GROUP",
    "MAX_SERIES",
    "POINT",
    "ROW",
    "SERIES",
    "SegmentHeader",
    "change_frame",
    "encode_header",
    "group_frame",
    "padded",
    "point_body",
    "point_cell",
    "read_header",
    "row_frame",
    "salt_of",
    "series_frame",
]

MAGIC = b"CHACHAJL"
VERSION = 1
BYTE_ORDER = 0x0102

CELL = 32
POINT = 0xC1
"""First byte of a point's cell; the other three bytes of its head are the series' number."""
FRAME = 0xC2
"""First byte of a frame; the second byte is its kind."""

CHANGE, SERIES, GROUP, ROW = 1, 2, 3, 4
"""Kinds of frame: a change as msgpack; a series declared; a group of series declared; a row of a group."""

MAX_SERIES = 1 << 24
"""How many series a journal can number; points of further ones travel as changes."""

_HEADER = struct.Struct("<8sHHIIIQ")
_FRAME = struct.Struct("<IIII")
_FRAME_BODY = struct.Struct("<III")
_ROW_TIMES = struct.Struct("<qq")

point_body = struct.Struct("<Iqqd").pack
"""Pack (head, step, nanoseconds, value): what a point's checksum covers."""
point_cell = struct.Struct("<IIqqd").pack
"""Pack (head, checksum, step, nanoseconds, value): a point's whole cell."""


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment says of itself.

    ``base`` is the logical offset of the file's first byte: the sizes of the segments before it,
    added up. ``length`` is where the first cell starts, in bytes from the file's beginning.
    """

    journal: JournalInfo
    number: int
    base: int
    length: int


def salt_of(journal: str) -> int:
    """Return what the checksums of a journal start from: bytes of another one never look valid."""
    return crc32(journal.encode())


def padded(length: int) -> int:
    """Return `length` rounded up to whole cells."""
    return (length + CELL - 1) // CELL * CELL


def encode_header(info: JournalInfo, number: int, base: int) -> bytes:
    """Return a segment's header."""
    body = msgspec.msgpack.encode(info)
    head = _HEADER.pack(MAGIC, VERSION, BYTE_ORDER, len(body), crc32(body), number, base)
    return (head + body).ljust(padded(CELL + len(body)), b"\0")


def read_header(data: bytes) -> SegmentHeader:
    """Return the header that `data` starts with.

    Raises:
        StoreDamaged: It is none, is torn, or is of a version that this release does not know.
    """
    if len(data) < CELL or data[:8] != MAGIC:
        raise StoreDamaged("this is not a journal segment: it does not start with its magic bytes")
    _, version, order, length, checksum, number, base = _HEADER.unpack_from(data)
    if version != VERSION or order != BYTE_ORDER:
        raise StoreDamaged(f"journal version {version} is not known here", "update chachaml")
    body = data[CELL : CELL + length]
    if crc32(body) != checksum:
        raise StoreDamaged("the header of this journal segment is damaged")
    try:
        info = msgspec.msgpack.decode(body, type=JournalInfo)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"the header of this journal segment says nothing: {error}") from None
    return SegmentHeader(info, number, base, padded(CELL + length))


def _frame(kind: int, ref: int, payload: bytes, salt: int) -> bytes:
    head = FRAME | kind << 8
    length = len(payload)
    checksum = crc32(payload, crc32(_FRAME_BODY.pack(head, length, ref), salt))
    return (_FRAME.pack(head, checksum, length, ref) + payload).ljust(padded(16 + length), b"\0")


def change_frame(change: Change, salt: int) -> bytes:
    """Return the frame of anything that is not a point."""
    return _frame(CHANGE, 0, encode_change(change), salt)


def series_frame(number: int, run: str, key: str, salt: int) -> bytes:
    """Return the frame that gives (run, key) its number."""
    return _frame(SERIES, number, f"{run}{key}".encode(), salt)


def group_frame(number: int, members: Sequence[int], salt: int) -> bytes:
    """Return the frame that gives a set of series, logged together, its number."""
    return _frame(GROUP, number, struct.pack(f"<{len(members)}I", *members), salt)


def row_frame(number: int, step: int, time: int, values: bytes, salt: int) -> bytes:
    """Return the frame of one value (float64) for each series of a group; `time` in nanoseconds."""
    return _frame(ROW, number, _ROW_TIMES.pack(step, time) + values, salt)
